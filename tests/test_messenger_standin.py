"""The Messenger stand-in is believed only because a plain client and webhook meet what Meta's documents say, written by hand."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio
from aiohttp import web

from tests.standins.messenger import BOT_FIELDS, MessengerStandIn, Person, VerificationFailed

PAGE, APP, INBOX = "1100000001", "990000000000001", "263902037430900"
SECRET, TOKEN, VERIFY = "s3cret", "EAAG-page-token", "verify-me"
# printf %s EAAG-page-token | openssl dgst -sha256 -hmac s3cret
PROOF = "874005a67a6e08fab97dd47673b17a6e95c18fe1b939df5e363f6de3ad4a22a0"
MN, EN = (
    {"content_type": "text", "title": "Монгол", "payload": "lang:mn"},
    {"content_type": "text", "title": "English", "payload": "lang:en"},
)

# What the reference's platform-samples/messenger_webhooks.json holds beside sender, recipient and timestamp.
MESSAGE = {"mid": "m_AbC111", "text": "Солонгос явах гэж байна"}
REFERRAL = {"ref": "poster1", "source": "SHORTLINK", "type": "OPEN_THREAD"}
HANDOVER = {"previous_owner_app_id": INBOX, "new_owner_app_id": APP, "metadata": "case closed"}
SAMPLES: dict[str, dict[str, Any]] = {
    "text": {"message": MESSAGE},
    "quick_reply": {"message": {**MESSAGE, "quick_reply": {"payload": "lang:mn"}}},
    "reply_to": {"message": {**MESSAGE, "reply_to": {"mid": "m_BOT001", "is_self_reply": False}}},
    "image": {"message": {"mid": "m_1", "attachments": [{"type": "image", "payload": {"url": "https://scontent.example/img.jpg"}}]}},
    "get_started": {"postback": {"mid": "m_1", "title": "Get Started", "payload": "GET_STARTED", "referral": REFERRAL}},
    "postback": {"postback": {"mid": "m_AbC116", "title": "Зөвлөхтэй ярих", "payload": "menu:counsellor"}},
    "referral": {"referral": REFERRAL},
    "reaction": {"reaction": {"reaction": "love", "emoji": "❤", "action": "react", "mid": "m_BOT001"}},
    "edit": {"message_edit": {"mid": "m_AbC111", "text": "Солонгос руу явах гэж байна", "num_edit": 1}},
    "delivery": {"delivery": {"mids": ["m_BOT001"], "watermark": 1795329009900}},
    "read": {"read": {"watermark": 1795329010900}},
    "echo_by_bot": {"message": {"is_echo": True, "app_id": int(APP), "metadata": "out:1", "mid": "m_1", "text": "Сайн уу"}},
    "echo_by_inbox": {"message": {"is_echo": True, "app_id": int(INBOX), "mid": "m_HUM001", "text": "Сайн байна уу"}},
    "standby": {"message": MESSAGE},
    "standby_postback_no_payload": {"postback": {"mid": "m_AbC118", "title": "Эрхийн мэдээлэл"}},
    "pass_thread_control": {"pass_thread_control": HANDOVER},
    "take_thread_control": {"take_thread_control": {**HANDOVER, "metadata": ""}},
    "request_thread_control": {"request_thread_control": {"requested_owner_app_id": "990000000000002", "metadata": "x"}},
}  # fmt: skip


def shape(value: Any) -> Any:
    """The keys and the kinds of values, all the way down."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else type(value)


@dataclass
class Receiver:
    """A bot's webhook: notes the bytes that come, and answers as the test says."""

    url: str = ""
    raw: list[bytes] = field(default_factory=list)
    signatures: list[str | None] = field(default_factory=list)
    statuses: deque[int] = field(default_factory=deque)
    reply: Callable[[bytes], Awaitable[web.Response]] | None = None
    echo_challenge: bool = True

    async def verify(self, request: web.Request) -> web.Response:
        if request.query["hub.mode"] != "subscribe" or request.query["hub.verify_token"] != VERIFY:
            return web.Response(status=403)
        return web.Response(text=request.query["hub.challenge"] if self.echo_challenge else "OK")

    async def handle(self, request: web.Request) -> web.Response:
        raw = await request.read()
        self.raw.append(raw)
        self.signatures.append(request.headers.get("X-Hub-Signature-256"))
        if self.reply is not None:
            return await self.reply(raw)
        return web.Response(status=self.statuses.popleft() if self.statuses else 200)

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [entry for raw in self.raw for entry in json.loads(raw)["entry"]]

    @property
    def items(self) -> list[dict[str, Any]]:
        return [item for entry in self.entries for item in entry.get("messaging") or entry["standby"]]

    @property
    def texts(self) -> list[str]:
        return [item["message"]["text"] for item in self.items if "text" in item.get("message", {})]


@asynccontextmanager
async def listening(graph: MessengerStandIn, receiver: Receiver | None = None) -> AsyncIterator[Receiver]:
    receiver = receiver or Receiver()
    app = web.Application()
    app.router.add_get("/hook", receiver.verify, allow_head=False)
    app.router.add_post("/hook", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        await graph.webhook(receiver.url)
        yield receiver
    finally:
        await runner.cleanup()


def stand_in(**options: Any) -> MessengerStandIn:
    return MessengerStandIn(app_secret=SECRET, verify_token=VERIFY, page_id=PAGE, page_token=TOKEN, app_id=APP, **options)


@asynccontextmanager
async def calling(graph: MessengerStandIn, version: str = "v26.0", **params: str) -> AsyncIterator[httpx.AsyncClient]:
    given = {"access_token": TOKEN, "appsecret_proof": PROOF} | params
    async with httpx.AsyncClient(base_url=f"{graph.base}/{version}/", params=given, trust_env=False) as client:
        yield client


@pytest_asyncio.fixture
async def graph() -> AsyncIterator[MessengerStandIn]:
    async with stand_in() as standin:
        yield standin


@pytest_asyncio.fixture
async def api(graph: MessengerStandIn) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(graph) as client:
        yield client


@pytest.fixture
def bat(graph: MessengerStandIn) -> Person:
    """Somebody who has written once."""
    person = graph.person("24000000000001")
    person.write("Сайн уу")
    return person


def sending(message: Any, **more: Any) -> dict[str, Any]:
    return {"recipient": {"id": "24000000000001"}, "messaging_type": "RESPONSE", "message": message, **more}


def template(**payload: Any) -> dict[str, Any]:
    return {"attachment": {"type": "template", "payload": payload}}


def postback(title: str = "Зөвлөхтэй ярих", payload: str = "menu:counsellor") -> dict[str, str]:
    return {"type": "postback", "title": title, "payload": payload}


async def send(api: httpx.AsyncClient, message: Any, **more: Any) -> httpx.Response:
    return await api.post(f"{PAGE}/messages", json=sending(message, **more))


def refusal(answer: httpx.Response) -> tuple[int, int, int | None]:
    error = answer.json()["error"]
    assert {"message", "type", "code", "fbtrace_id"} <= error.keys() <= {
        "message", "type", "code", "error_subcode", "is_transient", "fbtrace_id",
    }  # fmt: skip
    return answer.status_code, error["code"], error.get("error_subcode")


# --- the webhook -------------------------------------------------------------------------------------------------------


async def test_a_webhook_is_taken_only_when_it_gives_the_challenge_back_for_the_right_token(graph: MessengerStandIn) -> None:
    async with listening(graph) as receiver:
        with pytest.raises(VerificationFailed, match="HTTP status 403"):
            await graph.webhook(receiver.url, verify_token="another")
        receiver.echo_challenge = False
        with pytest.raises(VerificationFailed, match="body 'OK'"):
            await graph.webhook(receiver.url)
        with pytest.raises(VerificationFailed, match="couldn't be validated"):
            await graph.webhook(receiver.url.replace("/hook", "/nothing").replace("127.0.0.1", "127.0.0.2"))


async def test_the_signature_is_over_raw_bytes_in_which_letters_are_escaped_with_lower_case_digits(
    graph: MessengerStandIn,
) -> None:
    async with listening(graph) as receiver:
        graph.person().write("Хөл: a/b 😀")
        await graph.settled()
        (raw,), (signature,) = receiver.raw, receiver.signatures
        assert rb'"text":"\u0425\u04e9\u043b: a\/b \ud83d\ude00"' in raw
        assert raw.isascii()
        assert signature == "sha256=" + hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
        again = json.dumps(json.loads(raw), ensure_ascii=False, separators=(",", ":")).encode()
        assert signature != graph.signature(again)
        # printf %s hello | openssl dgst -sha256 -hmac s3cret
        assert graph.signature(b"hello") == "sha256=e5a01537481fa0b2c697f787c7aff885412cf0760d08e08502259b39d2d6ae68"


async def play(graph: MessengerStandIn, api: httpx.AsyncClient, name: str) -> None:
    """Do what makes the sample of this name come."""
    person = graph.person("24000000000001")
    if name == "get_started":
        person.get_started(ref="poster1", payload="GET_STARTED")
        return
    person.write("Сайн уу")
    await send(api, {"text": "Хэлээ сонгоно уу", "quick_replies": [MN, EN], "metadata": "out:1"})
    match name:
        case "quick_reply":
            person.tap("lang:mn")
        case "reply_to":
            person.write("Тийм", reply_to=person.last.mid)
        case "image":
            person.send_attachment("image")
        case "postback":
            person.tap_raw("menu:counsellor", "Зөвлөхтэй ярих")
        case "referral":
            person.open_link("campaign2")
        case "reaction":
            person.react()
        case "edit":
            person.edit("Сайн байна уу")
        case "read":
            person.read()
        case "echo_by_inbox":
            graph.routing = False
            graph.inbox_writes(person, "Зөвлөх байна")
        case "take_thread_control":
            graph.inbox_takes(person)
        case "standby":
            graph.inbox_takes(person)
            person.write("баярлалаа")
        case "standby_postback_no_payload":
            graph.inbox_takes(person)
            person.tap_raw("menu:rights", "Эрхийн мэдээлэл")
        case "pass_thread_control":
            graph.inbox_takes(person)
            graph.inbox_passes(person, "case closed")
        case "request_thread_control":
            graph.inbox_requests(person, "x")


@pytest.mark.parametrize("name", SAMPLES)
async def test_what_is_delivered_has_the_shape_of_the_sample(graph: MessengerStandIn, api: httpx.AsyncClient, name: str) -> None:
    async with listening(graph) as receiver:
        await play(graph, api, name)
        await graph.settled()
        channel = "standby" if name.startswith("standby") else "messaging"
        envelope = {"sender": {"id": "1"}, "recipient": {"id": "1"}, "timestamp": 1}
        wanted = shape({"id": "1", "time": 1, channel: [envelope | SAMPLES[name]]})
        found = [entry for entry in receiver.entries if shape(entry) == wanted]
        assert found, receiver.raw
        (item,) = found[-1][channel]
        ends = (item["sender"]["id"], item["recipient"]["id"])
        assert ends == ((PAGE, "24000000000001") if "echo" in name else ("24000000000001", PAGE))
        for key in ("app_id", "metadata", "action", "num_edit", "previous_owner_app_id", "new_owner_app_id", "type", "source"):
            (kind,) = SAMPLES[name]
            if key in SAMPLES[name][kind] and name != "take_thread_control":
                assert item[kind][key] == SAMPLES[name][kind][key]


async def test_each_kind_of_attachment_says_what_it_is(graph: MessengerStandIn, bat: Person) -> None:
    kinds = ("image", "audio", "video", "file", "location", "sticker", "old_sticker")
    (sent,) = zip(*(bat.send_attachment(kind)["message"]["attachments"] for kind in kinds), strict=True)
    assert [each["type"] for each in sent] == ["image", "audio", "video", "file", "location", "sticker", "image"]
    assert set(sent[4]["payload"]["coordinates"]) == {"lat", "long"}
    assert sent[5]["payload"].keys() == sent[6]["payload"].keys() == {"url", "sticker_id"}
    with pytest.raises(ValueError, match="no attachment 'poem'"):
        bat.send_attachment("poem")


async def test_an_unsent_message_comes_again_as_deleted_and_cannot_be_edited_a_sixth_time(bat: Person) -> None:
    mid = bat.mids[0]
    assert [bat.edit("өөр")["message_edit"]["num_edit"] for _ in range(5)] == [1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="five times"):
        bat.edit("зургаа дахь")
    assert bat.unsend()["message"] == {"mid": mid, "is_deleted": True}
    with pytest.raises(LookupError, match="no message of their own"):
        bat.unsend()


async def test_one_post_may_hold_several_entries_with_several_items_of_several_people(graph: MessengerStandIn) -> None:
    async with listening(graph) as receiver:
        one, two = graph.person("1"), graph.person("2")
        with graph.batch(per_entry=2):
            for text in ("a", "b", "c"):
                one.write(text)
            two.write("d")
        with graph.batch(newest_first=True):
            one.write("e")
            one.write("f")
        await graph.settled()
        assert [[len(entry["messaging"]) for entry in json.loads(raw)["entry"]] for raw in receiver.raw] == [[2, 2], [1, 1]]
        assert receiver.texts == ["a", "b", "c", "d", "f", "e"]
        stamps = [item["timestamp"] for item in receiver.items]
        assert stamps[:4] == sorted(stamps[:4])
        assert stamps[4] > stamps[5]


async def test_a_refused_post_comes_again_with_the_same_bytes_until_it_is_taken(graph: MessengerStandIn) -> None:
    async with listening(graph, Receiver(statuses=deque([500, 302, 204, 403, 200]))) as receiver:
        graph.person().write("сонсож байна уу?")
        await graph.settled()
        assert [delivery.status for delivery in graph.deliveries] == [500, 302, 204, 403, 200]
        assert [delivery.attempt for delivery in graph.deliveries] == [1, 2, 3, 4, 5]
        assert len(receiver.raw) == 5
        assert len(set(receiver.raw)) == len(set(receiver.signatures)) == 1
        assert {delivery.raw for delivery in graph.deliveries} == set(receiver.raw)


async def test_a_webhook_slower_than_the_limit_gets_the_post_again() -> None:
    async with stand_in(webhook_timeout=0.2) as graph, listening(graph) as receiver:
        first = True

        async def hang_once(_: bytes) -> web.Response:
            nonlocal first
            if first:
                first = False
                await asyncio.Event().wait()
            return web.Response()

        receiver.reply = hang_once
        graph.person().write("удаан")
        await graph.settled()
        assert [(delivery.status, delivery.error) for delivery in graph.deliveries] == [(None, "TimeoutError"), (200, None)]
        assert receiver.texts == ["удаан", "удаан"]


async def test_a_failed_post_is_overtaken_but_otherwise_one_persons_posts_keep_their_order(graph: MessengerStandIn) -> None:
    async with listening(graph) as receiver:
        seen: deque[bytes] = deque()

        async def refuse_second_once(raw: bytes) -> web.Response:
            again = raw in seen
            seen.append(raw)
            return web.Response(status=200 if again or b'"text":"2"' not in raw else 500)

        receiver.reply = refuse_second_once
        graph.pace = 0.0
        for text in "1234":
            graph.person().write(text)
        await graph.settled()
        firsts = list(dict.fromkeys(receiver.texts))
        assert firsts == ["1", "2", "3", "4"]
        assert sorted(receiver.texts) == ["1", "2", "2", "3", "4"]


async def test_after_an_hour_of_failures_the_page_is_unsubscribed_until_the_bot_subscribes_again() -> None:
    async with stand_in(pace=0.0) as graph, calling(graph) as api, listening(graph) as receiver:
        receiver.statuses.extend([500] * 13)
        graph.person().write("алдагдсан")
        await graph.settled()
        assert graph.counters["webhook:500"] == 13
        assert graph.counters["unsubscribed"] == 1
        assert (await api.get("me/subscribed_apps")).json() == {"data": []}
        graph.person().write("хэн ч сонсохгүй")
        assert graph.counters["webhook:unwanted"] == 1
        done = await api.post("me/subscribed_apps", data={"subscribed_fields": "messages, standby"})
        assert done.json() == {"success": True}
        (app,) = (await api.get(f"{PAGE}/subscribed_apps")).json()["data"]
        assert (app["id"], app["subscribed_fields"]) == (APP, ["messages", "standby"])
        graph.person().write("дахиад")
        await graph.settled()
        assert receiver.texts[-1] == "дахиад"


async def test_only_the_subscribed_fields_are_delivered_and_misspelt_ones_are_refused(
    graph: MessengerStandIn, api: httpx.AsyncClient
) -> None:
    async with listening(graph) as receiver:
        for misspelt in ("messaging_referral", "messaging_handover", "message"):
            answer = await api.post("me/subscribed_apps", json={"subscribed_fields": ["messages", misspelt]})
            assert refusal(answer) == (400, 100, None)
        assert graph.subscribed == list(BOT_FIELDS)
        await api.post("me/subscribed_apps", json={"subscribed_fields": ["messages"]})
        person = graph.person()
        person.write("энд")
        person.tap_raw("menu:counsellor")
        await send(api, {"text": "Сайн байна уу"})
        assert (await api.delete("me/subscribed_apps")).json() == {"success": True}
        person.write("хэнд ч биш")
        await graph.settled()
        assert receiver.texts == ["энд"]


async def test_without_a_webhook_what_happens_is_lost(graph: MessengerStandIn) -> None:
    graph.person().write("түүх үлдэхгүй")
    async with listening(graph) as receiver:
        await graph.settled()
        assert receiver.raw == []
        with pytest.raises(LookupError, match="nothing was posted"):
            graph.repeat_last()


async def test_a_duplicate_is_the_same_bytes_or_the_same_mid_with_a_later_time(graph: MessengerStandIn) -> None:
    async with listening(graph) as receiver:
        graph.person().write("нэг")
        graph.repeat_last()
        graph.repeat_last(later_ms=7)
        await graph.settled()
        assert len(receiver.items) == 3
        assert receiver.raw.count(receiver.raw[0]) == 2
        assert len({item["message"]["mid"] for item in receiver.items}) == 1
        stamps = sorted(item["timestamp"] for item in receiver.items)
        assert (stamps[1] - stamps[0], stamps[2] - stamps[0]) == (0, 7)


async def test_events_come_newest_first_when_the_test_reorders_them(graph: MessengerStandIn) -> None:
    async with listening(graph) as receiver:
        with graph.reordered():
            for text in "123":
                graph.person().write(text)
        await graph.settled()
        assert receiver.texts == ["3", "2", "1"]
        assert len(receiver.raw) == 3


async def test_forged_and_unsigned_posts_are_sent_once_and_the_next_is_right(graph: MessengerStandIn) -> None:
    async with listening(graph, Receiver(statuses=deque([403, 403]))) as receiver:
        graph.forge_next()
        graph.unsigned_next()
        for text in "123":
            graph.person().write(text)
        await graph.settled()
        right = [graph.signature(raw) for raw in receiver.raw]
        assert receiver.signatures[0] is not None
        assert receiver.signatures[0] != right[0]
        assert receiver.signatures[0].startswith("sha256=")
        assert receiver.signatures[1:] == [None, right[2]]


async def test_any_bytes_can_be_posted_with_any_signature(graph: MessengerStandIn) -> None:
    with pytest.raises(RuntimeError, match="no webhook yet"):
        await graph.deliver_raw(b"{}")
    async with listening(graph, Receiver(statuses=deque([200, 403, 400]))) as receiver:
        statuses = [
            (await graph.deliver_raw(b"not json \xff")).status,
            (await graph.deliver_raw(b"{}", signature="sha256=00")).status,
            (await graph.deliver_raw(b"", signature=None)).status,
        ]
        assert statuses == [200, 403, 400]
        assert receiver.raw == [b"not json \xff", b"{}", b""]
        assert receiver.signatures == [graph.signature(b"not json \xff"), "sha256=00", None]


async def test_a_recorded_body_is_delivered_and_its_sender_can_be_answered(
    graph: MessengerStandIn, api: httpx.AsyncClient
) -> None:
    envelope = {"sender": {"id": "24000000000001"}, "recipient": {"id": PAGE}, "timestamp": 1795329000001}
    entry = {"id": PAGE, "time": 1795329000123, "messaging": [envelope | {"message": MESSAGE}]}
    optin = envelope | {"optin": {"type": "notification_messages", "payload": "topic:korea", "title": "Updates"}}
    roles = {"recipient": {"id": PAGE}, "timestamp": 1795329019001, "app_roles": {APP: ["primary_receiver"]}}
    async with listening(graph) as receiver:
        raw = graph.deliver({"object": "page", "entry": [entry, {"id": PAGE, "time": 1, "messaging": [roles, optin]}]})
        await graph.settled()
        assert receiver.raw == [raw]
        assert json.loads(raw) == {"object": "page", "entry": [entry, {"id": PAGE, "time": 1, "messaging": [roles, optin]}]}
        assert (await send(api, {"text": "Сайн байна уу"})).status_code == 200


# --- sending -----------------------------------------------------------------------------------------------------------


async def test_a_sent_text_is_seen_and_told_by_its_id_and_comes_back_as_an_echo(
    graph: MessengerStandIn, api: httpx.AsyncClient, bat: Person
) -> None:
    async with listening(graph) as receiver:
        answer = await send(api, {"text": "Сайн байна уу", "metadata": "out:7"})
        seen = await bat.next()
        assert answer.json() == {"recipient_id": bat.id, "message_id": seen.mid}
        assert (seen.text, seen.metadata, seen.messaging_type, seen.tag) == ("Сайн байна уу", "out:7", "RESPONSE", "")
        await graph.settled()
        echo, delivery = receiver.items
        assert echo["message"] == {
            "is_echo": True, "app_id": int(APP), "metadata": "out:7", "mid": seen.mid, "text": "Сайн байна уу",
        }  # fmt: skip
        assert delivery["delivery"]["mids"] == [seen.mid]


async def test_a_quick_reply_is_tapped_by_title_or_payload_and_vanishes_after_the_next_message(
    graph: MessengerStandIn, api: httpx.AsyncClient, bat: Person
) -> None:
    await send(api, {"text": "Хэлээ сонгоно уу", "quick_replies": [MN, EN]})
    assert (bat.last.labels, bat.last.payloads) == (["Монгол", "English"], ["lang:mn", "lang:en"])
    message = bat.tap("English")["message"]
    assert message == {"mid": bat.mids[-1], "text": "English", "quick_reply": {"payload": "lang:en"}}
    with pytest.raises(LookupError, match="sees nothing 'lang:mn' to tap"):
        bat.tap("lang:mn")
    assert bat.tap_raw("lang:mn", "Монгол", quick_reply=True)["message"]["quick_reply"] == {"payload": "lang:mn"}
    await send(api, {"text": "Хэлээ сонгоно уу", "quick_replies": [MN, EN]})
    graph.inbox_writes(bat, "Би хүн байна")
    assert bat.quick_replies == []


async def test_a_button_stays_to_be_tapped_and_a_link_tells_the_bot_nothing(
    graph: MessengerStandIn, api: httpx.AsyncClient, bat: Person
) -> None:
    link = {"type": "web_url", "title": "Вэб", "url": "https://example.mn"}
    call = {"type": "phone_number", "title": "Залгах", "payload": "+97611000000"}
    assert (
        await send(api, template(template_type="button", text="Юу хийх вэ?", buttons=[postback(), link, call]))
    ).status_code == 200
    await send(api, {"text": "Дараагийн мессеж"})
    assert bat.received[0].labels == ["Зөвлөхтэй ярих", "Вэб", "Залгах"]
    tapped = bat.tap("menu:counsellor")["postback"]
    assert (tapped["title"], tapped["payload"]) == ("Зөвлөхтэй ярих", "menu:counsellor")
    for title in ("Вэб", "Залгах"):
        with pytest.raises(ValueError, match="tells the bot nothing"):
            bat.tap(title)


async def test_a_carousel_shows_its_texts_images_and_buttons(api: httpx.AsyncClient, bat: Person) -> None:
    elements = [
        {"title": "Нэг", "subtitle": "Тайлбар", "image_url": "https://x.mn/1.png", "buttons": [postback("Үзэх", "one")]},
        {"title": "Хоёр", "buttons": [postback("Үзэх", "two")]},
    ]
    assert (await send(api, template(template_type="generic", elements=elements))).status_code == 200
    assert (bat.last.text, bat.last.image, bat.last.payloads) == ("Нэг\nТайлбар\nХоёр", "https://x.mn/1.png", ["one", "two"])


ELEMENT = {"title": "т" * 80, "subtitle": "д" * 80, "buttons": [postback("г" * 20, "p" * 1000)] * 3}


@pytest.mark.parametrize(
    "message",
    [
        {"text": "я" * 2000, "metadata": "m" * 1000, "quick_replies": [{**MN, "title": "т" * 20, "payload": "p" * 1000}] * 13},
        template(template_type="button", text="я" * 640, buttons=[postback("т" * 20, "p" * 1000)] * 3),
        template(template_type="generic", elements=[ELEMENT] * 10),
        {"attachments": [{"type": "image", "payload": {"url": "https://x.mn/1.png"}}] * 30},
        {"text": "?", "quick_replies": [{"content_type": "user_phone_number"}]},
    ],
)
async def test_the_largest_message_of_each_kind_is_taken(api: httpx.AsyncClient, bat: Person, message: Any) -> None:
    answer = await send(api, message)
    assert answer.status_code == 200, answer.text
    assert len(bat.received) == 1


@pytest.mark.parametrize(
    ("message", "subcode", "words"),
    [
        ({"text": "я" * 2001}, None, "message[text] must be less than or equal to 2000"),
        ({"text": " "}, None, "message[text]"),
        ({"text": ""}, 2018034, "Message cannot be empty"),
        ({"quick_replies": [MN]}, 2018034, "Message cannot be empty"),
        ({"text": "x", "attachment": {"type": "image"}}, None, "Only one of"),
        ({"text": "x", "texts": "x"}, None, 'Invalid keys "texts" were found in param "message"'),
        ({"text": "x", "metadata": "m" * 1001}, None, "message[metadata]"),
        ({"text": "x", "quick_replies": [MN] * 14}, None, "message[quick_replies] has too many elements"),
        ({"text": "x", "quick_replies": []}, None, "message[quick_replies]"),
        ({"text": "x", "quick_replies": [{**MN, "title": "Ажил олгогчийг шалгах"}]}, None, "[0][title]"),
        ({"text": "x", "quick_replies": [EN, {**MN, "title": ""}]}, None, "[1][title]"),
        ({"text": "x", "quick_replies": [{**MN, "payload": "p" * 1001}]}, None, "[0][payload]"),
        ({"text": "x", "quick_replies": [{**MN, "content_type": "location"}]}, None, "content_type"),
        (template(template_type="button", text="я" * 641, buttons=[postback()]), None, "[text]"),
        (template(template_type="button", text="x", buttons=[postback()] * 4), None, "[buttons] has too many elements"),
        (template(template_type="button", text="x", buttons=[]), None, "[buttons]"),
        (template(template_type="button", text="x", buttons=[postback("т" * 21)]), None, "[buttons][0][title]"),
        (template(template_type="button", text="x", buttons=[postback(payload="p" * 1001)]), None, "[payload]"),
        (template(template_type="button", text="x", buttons=[{"type": "web_url", "title": "Вэб", "url": "x.mn"}]), None, "[url]"),
        (template(template_type="generic", elements=[ELEMENT] * 11), None, "[elements] has too many elements"),
        (template(template_type="generic", elements=[{**ELEMENT, "title": "т" * 81}]), None, "[elements][0][title]"),
        (template(template_type="generic", elements=[{**ELEMENT, "subtitle": "т" * 81}]), None, "[subtitle]"),
        (template(template_type="generic", elements=[{"title": "ганцаараа"}]), None, "in addition to title"),
        (template(template_type="list", elements=[ELEMENT]), None, "template_type"),
        ({"attachment": {"type": "poem", "payload": {}}}, None, "message[attachment][type]"),
        ({"attachment": {"type": "image", "payload": {}}}, None, "exactly one of"),
        ({"attachment": {"type": "image", "payload": {"url": "file:///etc"}}}, 2018008, "Failed to fetch"),
        ({"attachment": {"type": "image", "payload": {"attachment_id": "1"}}}, 2018074, "do not own"),
        ({"attachments": [{"type": "image", "payload": {"url": "https://x.mn/1.png"}}] * 31}, None, "too many"),
    ],
)  # fmt: skip
async def test_a_message_over_a_limit_is_refused_and_not_shown(
    api: httpx.AsyncClient, bat: Person, message: Any, subcode: int | None, words: str
) -> None:
    answer = await send(api, message)
    assert refusal(answer) == (400, 100, subcode)
    assert words in answer.json()["error"]["message"]
    assert bat.received == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"messaging_type": ""}, "messaging_type"),
        ({"messaging_type": "NON_PROMOTIONAL_SUBSCRIPTION"}, "messaging_type"),
        ({"messaging_type": "MESSAGE_TAG"}, "tag is required"),
        ({"tag": "HUMAN_AGENT"}, "Messaging type should be MESSAGE_TAG for tagged messages."),
        ({"messaging_type": "MESSAGE_TAG", "tag": "ACCOUNT_UPDATE"}, "Invalid parameter"),
        ({"messaging_type": "MESSAGE_TAG", "tag": "CONFIRMED_EVENT_UPDATE"}, "Invalid parameter"),
        ({"messaging_type": "MESSAGE_TAG", "tag": "POST_PURCHASE_UPDATE"}, "Invalid parameter"),
        ({"messaging_type": "MESSAGE_TAG", "tag": "CHAT"}, "Invalid tag."),
        ({"persona_id": "1"}, "Invalid persona ID"),
        ({"recipient": {}}, "recipient"),
        ({"recipient": {"id": 24000000000001}}, "recipient[id]"),
        ({"recipient": {"id": "bat"}}, "recipient[id]"),
    ],
)
async def test_a_call_with_a_wrong_type_tag_or_recipient_is_refused(
    api: httpx.AsyncClient, bat: Person, changes: Any, words: str
) -> None:
    answer = await send(api, {"text": "x"}, **changes)
    assert refusal(answer) == (400, 100, None)
    assert words in answer.json()["error"]["message"]
    assert bat.received == []


async def test_an_image_goes_by_url_by_saved_id_and_by_upload(
    graph: MessengerStandIn, api: httpx.AsyncClient, bat: Person
) -> None:
    by_url = {"attachment": {"type": "image", "payload": {"url": "https://x.mn/map.png", "is_reusable": True}}}
    saved = (await api.post(f"{PAGE}/message_attachments", json={"message": by_url})).json()
    assert saved.keys() == {"attachment_id"}
    sent = (await send(api, by_url)).json()
    assert sent.keys() == {"recipient_id", "message_id", "attachment_id"}
    await send(api, {"attachment": {"type": "image", "payload": saved}})
    # As curl -F sends it: JSON text in the fields of a form.
    form = {
        "recipient": json.dumps({"id": bat.id}),
        "messaging_type": "RESPONSE",
        "message": json.dumps({"attachment": {"type": "image", "payload": {}}}),
    }
    answer = await api.post("me/messages", data=form, files={"filedata": ("map.png", b"\x89PNG", "image/png")})
    assert answer.status_code == 200, answer.text
    assert [seen.image for seen in bat.received] == ["https://x.mn/map.png", saved["attachment_id"], "map.png"]
    wrong = await api.post("me/messages", data=form, files={"filedata": ("map.txt", b"text", "text/plain")})
    assert refusal(wrong) == (400, 100, 2018047)
    once = {"attachment": {"type": "image", "payload": {"url": "https://x.mn/map.png"}}}
    assert refusal(await api.post("me/message_attachments", json={"message": once})) == (400, 100, None)


async def test_sender_actions_are_shown_and_cannot_go_with_a_message(
    graph: MessengerStandIn, api: httpx.AsyncClient, bat: Person
) -> None:
    for action in ("mark_seen", "typing_on", "typing_off"):
        answer = await api.post("me/messages", json={"recipient": {"id": bat.id}, "sender_action": action})
        assert answer.json() == {"recipient_id": bat.id}
    reaction = {"message_id": bat.mids[0], "reaction": "love"}
    body = {"recipient": {"id": bat.id}, "sender_action": "react", "payload": reaction}
    assert (await api.post("me/messages", json=body)).status_code == 200
    assert bat.actions == ["mark_seen", "typing_on", "typing_off", "react"]
    assert refusal(await send(api, {"text": "x"}, sender_action="typing_on")) == (400, 100, 2018014)
    body = {"recipient": {"id": bat.id}, "sender_action": "dance"}
    assert refusal(await api.post("me/messages", json=body)) == (400, 100, None)
    assert (graph.counters["sender_action"], graph.counters["messages"]) == (5, 1)


# --- who can be reached, and when --------------------------------------------------------------------------------------


async def test_nobody_is_known_before_their_first_word(graph: MessengerStandIn, api: httpx.AsyncClient) -> None:
    person = graph.person("24000000000001")
    assert refusal(await send(api, {"text": "x"})) == (400, 100, 2018001)
    assert person.open_link("poster1") is None
    assert refusal(await send(api, {"text": "x"})) == (400, 100, 2018001)
    assert person.get_started(payload="GET_STARTED")["postback"]["referral"] == REFERRAL
    assert (await send(api, {"text": "x"})).status_code == 200


async def test_the_window_shuts_after_twenty_four_hours_and_for_a_human_agent_after_seven_days(
    graph: MessengerStandIn, api: httpx.AsyncClient, bat: Person
) -> None:
    human = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    graph.advance(hours=23.9)
    assert (await send(api, {"text": "x"}, messaging_type="UPDATE")).status_code == 200
    graph.advance(hours=0.2)
    assert refusal(await send(api, {"text": "x"})) == (400, 10, 2018278)
    body = {"recipient": {"id": bat.id}, "sender_action": "typing_on"}
    assert refusal(await api.post("me/messages", json=body)) == (400, 10, 2018278)
    assert (await send(api, {"text": "Зөвлөх байна"}, **human)).status_code == 200
    assert bat.last.tag == "HUMAN_AGENT"
    graph.age(bat, hours=6 * 24 - 0.2)
    assert (await send(api, {"text": "Зөвлөх байна"}, **human)).status_code == 200
    graph.age(bat, hours=0.2)
    assert refusal(await send(api, {"text": "Зөвлөх байна"}, **human)) == (400, 10, 2018278)


@pytest.mark.parametrize(("act", "opens"), [
    ("write", True), ("tap", True), ("link", True), ("react", True), ("image", True), ("edit", False), ("read", False),
])  # fmt: skip
async def test_the_window_opens_again_with_a_message_a_tap_a_link_or_a_reaction(
    graph: MessengerStandIn, api: httpx.AsyncClient, bat: Person, act: str, opens: bool
) -> None:
    graph.age(bat, hours=48)
    acts: dict[str, Callable[[], Any]] = {
        "write": lambda: bat.write("буцаж ирлээ"), "tap": lambda: bat.tap_raw("menu"), "link": lambda: bat.open_link("a-b_c="),
        "react": lambda: bat.react("m_1"), "image": bat.send_attachment, "edit": lambda: bat.edit("засав"), "read": bat.read,
    }  # fmt: skip
    acts[act]()
    assert (await send(api, {"text": "x"})).is_success is opens


async def test_a_person_who_blocked_the_page_or_is_gone_cannot_be_reached(
    graph: MessengerStandIn, api: httpx.AsyncClient, bat: Person
) -> None:
    bat.block()
    answer = await send(api, {"text": "x"})
    assert refusal(answer) == (400, 551, 1545041)
    assert answer.json()["error"]["message"] == "(#551) This person isn't available right now."
    with pytest.raises(ValueError, match="unblock"):
        bat.write("x")
    bat.unblock()
    assert (await send(api, {"text": "x"})).status_code == 200
    bat.delete_account()
    assert refusal(await send(api, {"text": "x"})) == (400, 551, 1545041)


# --- tokens, versions, faults ------------------------------------------------------------------------------------------


async def test_a_call_without_the_right_token_and_proof_is_refused(graph: MessengerStandIn) -> None:
    wanted = {
        ("", PROOF): (2500, "OAuthException", "An active access token must be used"),
        ("EAAG-old", PROOF): (190, "OAuthException", "Invalid OAuth access token"),
        (TOKEN, ""): (100, "GraphMethodException", "API calls from the server require an appsecret_proof argument"),
        (TOKEN, PROOF[::-1]): (100, "GraphMethodException", "Invalid appsecret_proof provided in the API argument"),
    }
    for (token, proof), (code, kind, words) in wanted.items():
        async with calling(graph, access_token=token, appsecret_proof=proof) as api:
            answer = await api.get("me")
            error = answer.json()["error"]
            assert (answer.status_code, error["code"], error["type"]) == (400, code, kind)
            assert words in error["message"]
    graph.require_proof = False
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False) as plain:
        assert (await plain.get(f"{graph.base}/v26.0/me")).json() == {"name": "Dream Umbrella", "id": PAGE}
        wrong = await plain.get(f"{graph.base}/v26.0/me", params={"appsecret_proof": "00"})
        assert refusal(wrong) == (400, 100, None)


async def test_a_version_must_be_named_and_known_and_an_expired_one_is_served_by_the_oldest(graph: MessengerStandIn) -> None:
    for version, served in (("v26.0", "v26.0"), ("v21.0", "v21.0"), ("v20.0", "v21.0"), ("v2.12", "v21.0")):
        async with calling(graph, version) as api:
            answer = await api.get("me")
            assert (answer.status_code, answer.headers["facebook-api-version"]) == (200, served)
    async with calling(graph, "v99.0") as api:
        assert refusal(await api.get("me")) == (400, 2500, None)
    async with calling(graph) as api:
        query = api.params
    async with httpx.AsyncClient(trust_env=False) as plain:
        assert refusal(await plain.get(f"{graph.base}/me", params=query)) == (400, 2500, None)


async def test_the_page_tells_its_fields_and_unknown_nodes_edges_and_fields_are_refused(api: httpx.AsyncClient) -> None:
    status = {"hop_v2": True, "msgr_multi_app": True, "ig_multi_app": False}
    answer = await api.get(PAGE, params={"fields": "messaging_feature_status"})
    assert answer.json() == {"messaging_feature_status": status, "id": PAGE}
    assert refusal(await api.get("me", params={"fields": "secret"})) == (400, 100, None)
    assert refusal(await api.get("24000000000009")) == (400, 100, 33)
    assert refusal(await api.get("me/feed")) == (400, 2500, None)
    assert refusal(await api.get("me/messages")) == (400, 2500, None)
    assert refusal(await api.get("me/messages/deep/down")) == (400, 2500, None)


@pytest.mark.parametrize(
    ("code", "subcode", "status", "words"),
    [
        (1, None, 500, "unknown error"),
        (2, None, 500, "retry your request later"),
        (1200, None, 500, "Temporary send message failure"),
        (4, None, 403, "(#4) Application request limit reached"),
        (32, None, 403, "(#32) Page request limit reached"),
        (613, None, 403, "(#613) Calls to this api have exceeded the rate limit."),
        (80006, None, 400, "(#80006)"),
        (10, 1893063, 400, "temporarily restricted"),
        (10, 2018108, 400, "can't receive your messages"),
        (190, 463, 400, "Session has expired"),
        (368, 3252001, 400, "(#368)"),
    ],
)
async def test_an_ordered_error_is_metas_own_and_the_work_is_not_done(
    graph: MessengerStandIn, api: httpx.AsyncClient, bat: Person, code: int, subcode: int | None, status: int, words: str
) -> None:
    graph.fail_next("messages", code, subcode)
    answer = await send(api, {"text": "x"})
    assert refusal(answer) == (status, code, subcode)
    assert words in answer.json()["error"]["message"]
    assert bat.received == []
    assert (await send(api, {"text": "x"})).status_code == 200


async def test_a_fault_hits_its_route_alone_as_often_as_ordered(
    graph: MessengerStandIn, api: httpx.AsyncClient, bat: Person
) -> None:
    graph.fail_next("messages", 2, status=503, message="Service temporarily unavailable", times=2)
    body = {"recipient": {"id": bat.id}, "sender_action": "typing_on"}
    assert (await api.post("me/messages", json=body)).status_code == 200
    answers = [await send(api, {"text": "x"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].json()["error"]["message"] == "Service temporarily unavailable"
    graph.fail_next("*", 4)
    assert refusal(await api.get("me")) == (403, 4, None)
    graph.fail_next("*", 4, times=99)
    graph.clear_faults()
    assert (await api.get("me")).status_code == 200
    assert (graph.counters["messages"], graph.counters["messages:503"], graph.counters["messages:200"]) == (3, 2, 1)
    assert [(call.verb, call.route, call.version) for call in graph.calls[:2]] == [
        ("POST", "sender_action", "v26.0"), ("POST", "messages", "v26.0"),
    ]  # fmt: skip
    assert graph.calls[1].params["message"] == {"text": "x"}
    assert graph.calls[1].at >= graph.calls[0].at


async def test_a_server_error_may_be_a_page_of_html(graph: MessengerStandIn, api: httpx.AsyncClient, bat: Person) -> None:
    graph.html_next("messages")
    graph.html_next("messages", status=503, after_work=True)
    before, after = [await send(api, {"text": "x"}) for _ in range(2)]
    assert (before.status_code, after.status_code, len(bat.received)) == (502, 503, 1)
    assert before.headers["content-type"].startswith("text/html")
    assert "<html>" in before.text


async def test_a_lost_request_was_not_done_and_a_lost_reply_was(
    graph: MessengerStandIn, api: httpx.AsyncClient, bat: Person
) -> None:
    graph.lose_request_next("messages")
    with pytest.raises(httpx.RemoteProtocolError):
        await send(api, {"text": "нэг"})
    assert bat.received == []
    graph.lose_reply_next("messages")
    with pytest.raises(httpx.RemoteProtocolError):
        await send(api, {"text": "хоёр", "metadata": "out:2"})
    assert [(seen.text, seen.metadata) for seen in bat.received] == [("хоёр", "out:2")]
    assert graph.counters["messages:cut"] == 2


async def test_a_slow_answer_comes_after_the_work_was_done(graph: MessengerStandIn, api: httpx.AsyncClient, bat: Person) -> None:
    graph.slow_next("messages", 60.0)
    slow = asyncio.create_task(send(api, {"text": "удаан"}))
    assert (await bat.next()).text == "удаан"
    assert not slow.done()
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow


async def test_the_usage_headers_are_those_the_test_sets(graph: MessengerStandIn, api: httpx.AsyncClient) -> None:
    use = {PAGE: [{"type": "messenger", "call_count": 100, "estimated_time_to_regain_access": 7}]}
    graph.business_usage = use
    answer = await api.get("me")
    assert json.loads(answer.headers["X-App-Usage"]) == {"call_count": 0, "total_time": 0, "total_cputime": 0}
    assert json.loads(answer.headers["X-Business-Use-Case-Usage"]) == use
    graph.app_usage = graph.business_usage = None
    answer = await api.get("me")
    assert not {"x-app-usage", "x-business-use-case-usage"} & answer.headers.keys()


# --- the Messenger profile ---------------------------------------------------------------------------------------------

START = {"payload": "GET_STARTED"}
GREETING = [{"locale": "default", "text": "г" * 160}, {"locale": "en_US", "text": "Welcome"}]
MENU = [
    {"locale": "default", "call_to_actions": [postback("ц" * 30, "menu:mn")] * 20},
    {"locale": "en_GB", "composer_input_disabled": False, "call_to_actions": [postback("Menu", "menu:en")]},
]
QUESTIONS: list[dict[str, Any]] = [{"locale": "default", "call_to_actions": [{"question": "Хэрхэн?", "payload": "ask:how"}] * 4}]


async def test_the_profile_is_set_read_and_taken_away_and_shown_in_the_persons_locale(
    graph: MessengerStandIn, api: httpx.AsyncClient
) -> None:
    mongolian, briton = graph.person("1", locale="mn_MN"), graph.person("2", locale="en_GB")
    assert (await api.get("me/messenger_profile", params={"fields": "greeting"})).json() == {"data": []}
    with pytest.raises(LookupError, match="no Get Started button"):
        briton.get_started()
    done = await api.post("me/messenger_profile", json={"get_started": START, "greeting": GREETING, "persistent_menu": MENU})
    assert done.json() == {"result": "success"}
    found = await api.get("me/messenger_profile", params={"fields": "greeting,persistent_menu,ice_breakers"})
    assert found.json() == {"data": [{"greeting": GREETING, "persistent_menu": MENU}]}
    assert (mongolian.greeting, graph.person("3", locale="en_US").greeting) == ("г" * 160, "Welcome")
    assert briton.get_started()["postback"] == {"mid": "m_StandIn000001", "title": "Get Started", "payload": "GET_STARTED"}
    assert briton.tap("Menu")["postback"]["payload"] == "menu:en"
    assert mongolian.tap("menu:mn")["postback"]["title"] == "ц" * 30
    kept = await api.request("DELETE", "me/messenger_profile", json={"fields": ["get_started"]})
    assert refusal(kept) == (400, 100, 2018145)
    gone = await api.request("DELETE", "me/messenger_profile", json={"fields": ["get_started", "persistent_menu"]})
    assert gone.json() == {"result": "success"}
    assert graph.profile == {"greeting": GREETING}


async def test_ice_breakers_hide_get_started_and_are_tapped_as_postbacks(graph: MessengerStandIn, api: httpx.AsyncClient) -> None:
    assert (await api.post("me/messenger_profile", json={"get_started": START, "ice_breakers": QUESTIONS})).is_success
    person = graph.person()
    with pytest.raises(LookupError, match="ice breakers hide"):
        person.get_started()
    assert person.tap("Хэрхэн?")["postback"]["payload"] == "ask:how"
    assert person.ice_breakers == []


@pytest.mark.parametrize(
    ("profile", "subcode", "words"),
    [
        ({"greeting": [{"locale": "default", "text": "г" * 161}]}, None, "greeting[0][text]"),
        ({"greeting": [{"locale": "en_US", "text": "Welcome"}]}, None, "locale default"),
        ({"greeting": [*GREETING, {"locale": "mn_MN", "text": "Тавтай морил"}]}, None, "greeting[2][locale]"),
        ({"greeting": {"locale": "default", "text": "x"}}, None, "array"),
        ({"get_started": {"payload": ""}}, None, "get_started[payload]"),
        ({"persistent_menu": MENU}, 2018145, "You must set a Get Started button"),
        ({"get_started": START, "persistent_menu": MENU[1:]}, None, "locale default"),
        ({"persistent_menu": [{"locale": "default", "call_to_actions": [postback()] * 21}]}, None, "too many"),
        ({"persistent_menu": [{"locale": "default", "call_to_actions": [postback("ц" * 31)]}]}, None, "[title]"),
        ({"persistent_menu": [{"locale": "default", "call_to_actions": [{**postback(), "type": "nested"}]}]}, None, "[type]"),
        ({"persistent_menu": [{**postback(), "locale": "default"}]}, None, "Invalid keys"),
        ({"ice_breakers": [{"locale": "default", "call_to_actions": QUESTIONS[0]["call_to_actions"] * 2}]}, None, "too many"),
        ({"ice_breakers": [{**QUESTIONS[0], "locale": "en_GB"}]}, None, "locale default"),
        ({"home_url": "https://x.mn"}, None, "At least one"),
    ],
)  # fmt: skip
async def test_a_profile_over_a_limit_is_refused_whole(
    graph: MessengerStandIn, api: httpx.AsyncClient, profile: Any, subcode: int | None, words: str
) -> None:
    answer = await api.post("me/messenger_profile", json=profile)
    assert refusal(answer) == (400, 100, subcode)
    assert words in answer.json()["error"]["message"]
    assert graph.profile == {}
    assert refusal(await api.get("me/messenger_profile")) == (400, 100, None)


# --- conversation routing ----------------------------------------------------------------------------------------------


async def test_when_a_counsellor_answers_in_the_inbox_the_bot_stands_by_until_the_thread_is_passed(
    graph: MessengerStandIn, api: httpx.AsyncClient, bat: Person
) -> None:
    async with listening(graph) as receiver:
        with graph.batch():
            graph.inbox_writes(bat, "Зөвлөх байна")
            bat.write("баярлалаа")
            bat.tap_raw("menu:rights", "Эрхийн мэдээлэл")
            bat.react("m_1")
            graph.inbox_passes(bat, "case closed")
            bat.write("бот уу?")
        await graph.settled()
        channels = [(next(iter(entry.keys() - {"id", "time"}))) for entry in receiver.entries]
        assert channels == ["messaging", "standby", "standby", "standby", "messaging", "messaging"]
        taken, echo, _, tapped, passed, _ = receiver.items
        assert taken["take_thread_control"] == {
            "previous_owner_app_id": APP, "new_owner_app_id": INBOX, "metadata": "",
        }  # fmt: skip
        assert echo["message"]["app_id"] == int(INBOX)
        assert tapped["postback"].keys() == {"mid", "title"}
        assert passed["pass_thread_control"] == HANDOVER
        assert (await send(api, {"text": "Бот байна"})).status_code == 200


async def test_while_another_app_holds_the_thread_the_bot_cannot_send_until_it_takes_it_or_a_day_passes(
    graph: MessengerStandIn, api: httpx.AsyncClient, bat: Person
) -> None:
    human = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    passing = {"recipient": {"id": bat.id}, "target_app_id": INBOX, "metadata": "case 12"}
    assert (await api.post(f"{PAGE}/pass_thread_control", json=passing)).json() == {"success": True}
    assert graph.owner(bat) == INBOX
    assert refusal(await send(api, {"text": "x"})) == (400, 10, 2018300)
    assert refusal(await api.post("me/pass_thread_control", json=passing)) == (400, 100, 2534037)
    asking = {"recipient": {"id": bat.id}, "metadata": ""}
    assert (await api.post("me/request_thread_control", json=asking)).json() == {"success": True}
    assert refusal(await send(api, {"text": "x"})) == (400, 10, 2018300)
    assert (await api.post("me/take_thread_control", json=asking)).json() == {"success": True}
    assert (await send(api, {"text": "x"})).status_code == 200
    assert (await api.post("me/release_thread_control", json=asking)).json() == {"success": True}
    wrong = {"recipient": {"id": bat.id}, "target_app_id": "inbox"}
    assert refusal(await api.post("me/pass_thread_control", json=wrong)) == (400, 100, 2018164)
    graph.inbox_takes(bat)
    graph.advance(hours=25)
    assert graph.owner(bat) is None
    assert (await send(api, {"text": "x"}, **human)).status_code == 200
    bat.write("би буцаж ирлээ")
    assert (await send(api, {"text": "x"})).status_code == 200


async def test_a_message_can_carry_the_hand_off(graph: MessengerStandIn, api: httpx.AsyncClient, bat: Person) -> None:
    answer = await send(api, {"text": "Холбож байна"}, thread_control={"control_type": "pass", "app_id": INBOX})
    assert answer.status_code == 200
    assert (bat.last.text, graph.owner(bat)) == ("Холбож байна", INBOX)
    assert refusal(await send(api, {"text": "x"}, thread_control={"control_type": "keep"})) == (400, 100, None)


async def test_without_a_default_app_nothing_can_be_taken_and_the_inbox_only_shows_in_echoes() -> None:
    async with stand_in(routing=False) as graph, calling(graph) as api, listening(graph) as receiver:
        bat = graph.person("24000000000001")
        bat.write("Сайн уу")
        graph.inbox_writes(bat, "Зөвлөх байна")
        bat.write("баярлалаа")
        await graph.settled()
        assert receiver.texts == ["Сайн уу", "Зөвлөх байна", "баярлалаа"]
        assert all("messaging" in entry for entry in receiver.entries)
        taking = {"recipient": {"id": bat.id}}
        assert refusal(await api.post("me/take_thread_control", json=taking)) == (400, 27, None)
        assert (await send(api, {"text": "давхар хариу"})).status_code == 200


# --- waiting and restarting --------------------------------------------------------------------------------------------


async def test_waiting_in_vain_says_what_did_not_come(bat: Person) -> None:
    with pytest.raises(TimeoutError, match=f"message number 1 to person {bat.id} did not come"):
        await bat.next(timeout=0.01)


async def test_after_a_stop_the_same_port_and_people_come_back(graph: MessengerStandIn, bat: Person) -> None:
    async with calling(graph) as api:
        await send(api, {"text": "нэг"})
        bat.skip()
        base = graph.base
        await graph.stop()
        with pytest.raises(httpx.ConnectError):
            await send(api, {"text": "хоёр"})
        await graph.start()
        assert graph.base == base
        await send(api, {"text": "гурав"})
        assert (await bat.next()).text == "гурав"
