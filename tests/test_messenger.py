"""The bot on Messenger, over HTTP, against a stand-in that behaves as Meta documents: the same talk, by Meta's rules."""

import asyncio
import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.channels.messenger import HOUR, permitted, read
from bot.config import ConfigError
from bot.connect import messenger_profile
from bot.dialogue import Guide
from bot.intake import loosely
from bot.model import Message
from bot.page import set_up
from bot.platforms.messenger import ERRORS, regained, used, what_to_do
from bot.serve import House
from bot.transcript import spoken
from tests.conftest import PLAYED, named, texts
from tests.house import messenger_house, web_house
from tests.house import settings as house_settings
from tests.standins.messenger import APP_SECRET, PAGE_TOKEN, VERIFY_TOKEN, MessengerStandIn, Person

SAMPLES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "channels/messenger_samples.json").read_text(encoding="utf-8")
)
KINDS = {"picture": "image", "voice": "audio", "video": "video", "sticker": "sticker", "location": "location", "file": "file"}


@pytest_asyncio.fixture
async def graph() -> AsyncIterator[MessengerStandIn]:
    async with MessengerStandIn() as standin:
        yield standin


@pytest_asyncio.fixture
async def house(tmp_path: Path, graph: MessengerStandIn) -> AsyncIterator[House]:
    async with messenger_house(tmp_path, graph) as house:
        yield house


async def answers(person: Person, count: int) -> list[str]:
    return [(await person.next(15)).text for _ in range(count)]


async def meet(person: Person, guide: Guide, language: str = "mn") -> None:
    """Get the first meeting over, in this language."""
    person.get_started(payload="menu/start")
    await answers(person, len(texts(guide, "mn", "talk/demo", "menu/start")))
    if language != "mn":
        person.tap_raw(language)
        await answers(person, len(texts(guide, language, "about/language.chosen", "menu/start")))


def act(person: Person, turn: dict[str, Any], language: str) -> None:
    """What the person does in this turn of a script."""
    words, tap, sends = (spoken(turn.get(does, ""), language) for does in ("user", "tap", "sends"))
    if sends and not words:
        person.send_attachment(KINDS.get(sends, "file"))
    elif tap:
        person.tap_raw(tap)
    else:
        person.write(words)


async def test_every_conversation_goes_the_same_on_messenger(tmp_path: Path, graph: MessengerStandIn) -> None:
    """All scripts at once but those of a first meeting or of an app's language, which Messenger does not tell."""
    async with messenger_house(tmp_path, graph) as house:
        guide = house.service.guide

        async def play(number: int, turns: list[dict[str, Any]], language: str) -> None:
            if any("first" in turn or "hint" in turn or turn.get("sends") == "contact" for turn in turns):
                return
            person = graph.person(str(24_000_000_000_100 + number))
            await meet(person, guide, language)
            speaking = language
            for turn in turns:
                act(person, turn, language)
                speaking = turn["speaks"][language] if "speaks" in turn else speaking
                expected = texts(guide, speaking, *named(turn["bot"]))
                assert await answers(person, len(expected)) == expected, turn
                assert {"help/emergency", "menu/main"} & set(person.last.payloads)

        await asyncio.gather(*(play(number, *case.values) for number, case in enumerate(PLAYED)))  # type: ignore[arg-type]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(sample["is"]))
def test_the_samples_are_read_as_what_they_are(sample: dict[str, Any]) -> None:
    found = [message for message in read(sample["post"]) if message is not None]
    told = [
        {name: value for name in ("text", "tap", "attachment", "code", "hand") if (value := getattr(message, name))}
        for message in found
    ]
    assert told == sample["reads"]


async def test_a_repeated_post_is_answered_once(graph: MessengerStandIn, house: House) -> None:
    anna = graph.person()
    await meet(anna, house.service.guide)
    anna.tap_raw("signs/list")
    expected = texts(house.service.guide, "mn", "signs/list")
    await answers(anna, len(expected))
    graph.repeat_last(3)
    await graph.settled()
    anna.tap_raw("menu/main")
    assert await answers(anna, 1) == texts(house.service.guide, "mn", "menu/main")


async def test_a_batch_out_of_order_is_answered_in_the_order_in_which_she_wrote(graph: MessengerStandIn, house: House) -> None:
    anna = graph.person()
    await meet(anna, house.service.guide)
    with graph.batch(per_entry=2, newest_first=True):
        for place in ("menu/travel", "menu/help", "menu/main"):
            anna.tap_raw(place)
    expected = texts(house.service.guide, "mn", "menu/travel", "menu/help", "menu/main")
    assert await answers(anna, len(expected)) == expected


async def test_a_link_carries_the_card_it_leads_to(graph: MessengerStandIn, house: House) -> None:
    anna = graph.person()
    anna.get_started(ref="travel__checklist", payload="menu/start")
    guide = house.service.guide
    expected = texts(guide, "mn", "talk/demo", "talk/hello", "travel/checklist")
    assert await answers(anna, len(expected)) == expected


async def test_who_blocked_the_page_is_not_written_to_again(graph: MessengerStandIn, house: House) -> None:
    anna = graph.person()
    await meet(anna, house.service.guide)
    graph.fail_next("messages", 551, 1545041)
    anna.tap_raw("menu/main")
    await graph.wait_for(lambda: house.sender.counts.get("blocked") == 1, what="she is known to have left")
    await graph.wait_for(lambda: house.sender.waiting == 0, what="nothing waits for her")
    assert await house.service.store.waiting() == []


async def test_metas_wish_to_wait_is_obeyed_and_nothing_is_lost(graph: MessengerStandIn, house: House) -> None:
    anna = graph.person()
    await meet(anna, house.service.guide)
    graph.business_usage = {graph.page_id: [{"type": "messenger", "call_count": 30, "estimated_time_to_regain_access": 1 / 60}]}
    graph.fail_next("messages", 613)
    anna.tap_raw("menu/help")
    assert await answers(anna, 1) == texts(house.service.guide, "mn", "menu/help")


@pytest.mark.parametrize("broken", ["html_next", "lose_request_next"])
async def test_errors_that_pass_are_tried_again(graph: MessengerStandIn, house: House, broken: str) -> None:
    anna = graph.person()
    await meet(anna, house.service.guide)
    getattr(graph, broken)("messages")
    anna.tap_raw("menu/help")
    assert await answers(anna, 1) == texts(house.service.guide, "mn", "menu/help")


async def test_a_token_that_is_no_longer_valid_stops_the_channel_loudly(graph: MessengerStandIn, house: House) -> None:
    anna = graph.person()
    await meet(anna, house.service.guide)
    graph.fail_next("messages", 190)
    anna.tap_raw("menu/help")
    await graph.wait_for(lambda: bool(house.sender.channels["messenger"].halted), what="the channel says that it is halted")
    report = await house.report()
    assert (report["ready"], report["channels"]) == (False, {"web": "ok", "messenger": "190"})


async def test_nothing_is_sent_outside_the_window(graph: MessengerStandIn, house: House) -> None:
    anna = graph.person()
    await meet(anna, house.service.guide)
    before = len(anna.received)
    house.sender.clock = lambda: graph.now + 25 * HOUR
    anna.tap_raw("menu/help")
    await graph.wait_for(lambda: house.sender.counts.get("refused") == 1, what="the letter is given up")
    assert len(anna.received) == before
    assert await house.service.store.waiting() == []


@pytest.mark.parametrize(
    ("author", "hours", "marks"),
    [
        ("bot", 0, {"messaging_type": "RESPONSE"}),
        ("bot", 23.9, {"messaging_type": "RESPONSE"}),
        ("bot", 24, None),
        ("counsellor", 23.9, {"messaging_type": "RESPONSE"}),
        ("counsellor", 24, {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}),
        ("counsellor", 167.9, {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}),
        ("counsellor", 168, None),
    ],
)
def test_whose_words_may_be_sent_when_and_how_they_are_marked(author: Any, hours: float, marks: dict[str, str] | None) -> None:
    assert permitted(author, hours * HOUR) == marks


async def test_the_bot_is_silent_while_the_inbox_holds_the_talk_and_says_when_it_is_back(
    graph: MessengerStandIn, house: House
) -> None:
    anna, guide = graph.person(), house.service.guide
    await meet(anna, guide)
    graph.inbox_writes(anna, "Сайн байна уу, ажилтан байна")
    anna.skip()
    anna.write("баярлалаа, би тэгвэл маргааш очъё")
    await graph.settled()
    graph.inbox_passes(anna)
    assert await answers(anna, 1) == texts(guide, "mn", "talk/resumed")
    anna.tap_raw("menu/main")
    assert await answers(anna, 1) == texts(guide, "mn", "menu/main")


async def test_while_a_person_answers_only_danger_is_answered(graph: MessengerStandIn, house: House) -> None:
    anna, guide = graph.person(), house.service.guide
    await meet(anna, guide)
    graph.deliver(echo_of_the_inbox(graph, anna))
    anna.write("хаягаа яаж бүртгүүлэх вэ")
    anna.write("намайг зодож байна")
    expected = texts(guide, "mn", "help/emergency")
    assert await answers(anna, len(expected)) == expected


async def test_the_bot_comes_back_by_itself_and_at_the_press_of_its_buttons(graph: MessengerStandIn, house: House) -> None:
    anna, guide = graph.person(), house.service.guide
    await meet(anna, guide)
    graph.deliver(echo_of_the_inbox(graph, anna))
    await graph.settled()
    anna.tap_raw("menu/help")
    assert await answers(anna, 1) == texts(guide, "mn", "menu/help")
    graph.deliver(echo_of_the_inbox(graph, anna))
    await graph.settled()
    graph.advance(13)
    anna.write("цэс")
    assert (await answers(anna, 1))[0] in texts(guide, "mn", "menu/main")


def echo_of_the_inbox(graph: MessengerStandIn, person: Person) -> dict[str, Any]:
    """What the bot is told when somebody answers from the Page's inbox without taking the conversation."""
    message = {"is_echo": True, "app_id": 263902037430900, "mid": graph.new_mid(), "text": "…"}
    item = {"sender": {"id": graph.page_id}, "recipient": {"id": person.id}, "timestamp": graph.new_stamp(), "message": message}
    return {"object": "page", "entry": [{"id": graph.page_id, "time": 1, "messaging": [item]}]}


async def test_nobody_is_believed_without_metas_signature(graph: MessengerStandIn, house: House) -> None:
    anna = graph.person()
    await meet(anna, house.service.guide)
    body = json.dumps(echo_of_the_inbox(graph, anna)).encode()
    for signature in (None, "sha256=" + "0" * 64, "sha1=abc", graph.signature(body + b" ")):
        assert (await graph.deliver_raw(body, signature)).status == 403
    assert (await graph.deliver_raw(b"x" * 300_000)).status == 413
    anna.tap_raw("menu/main")
    assert await answers(anna, 1) == texts(house.service.guide, "mn", "menu/main")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"no json", b'{"entry": 5}', b'{"entry": [{"messaging": "x"}]}', b"\xff\xfe", b"[" * 5000]
)
async def test_what_cannot_be_read_is_taken_and_counted(graph: MessengerStandIn, house: House, body: bytes) -> None:
    assert (await graph.deliver_raw(body)).status == 200


async def test_a_good_message_beside_a_bad_one_is_answered(graph: MessengerStandIn, house: House) -> None:
    anna = graph.person()
    await meet(anna, house.service.guide)
    good = {
        "sender": {"id": anna.id},
        "recipient": {"id": graph.page_id},
        "timestamp": graph.new_stamp(),
        "message": {"mid": "m_g", "text": "цэс"},
    }
    bad = [None, 7, {}, {"sender": 5}, {"sender": {"id": 9}, "message": 3}, {"message": {"mid": "\ud800", "text": "\ud800"}}]
    graph.heard(anna)
    body = json.dumps({"object": "page", "entry": [{"messaging": [*bad, good]}, 5]}).encode()
    assert (await graph.deliver_raw(body)).status == 200
    assert (await answers(anna, 1))[0] in texts(house.service.guide, "mn", "menu/main")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["mid", "text", "id"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(SAMPLES), st.lists(st.integers(0, 40), min_size=1, max_size=6), JSON_VALUES)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_mutated_post_is_read_without_a_fault(sample: dict[str, Any], path: list[int], value: Any) -> None:
    """Some value somewhere in a real post is replaced by another: what is read are messages of ours or nothing, and the good
    message beside it is never lost.
    """
    post = json.loads(json.dumps(sample["post"]))
    place: Any = post
    for step in path:
        keys = list(place) if isinstance(place, dict) else list(range(len(place))) if isinstance(place, list) else []
        if not keys:
            break
        key = keys[step % len(keys)]
        if not isinstance(place[key], dict | list):
            place[key] = value
            break
        place = place[key]
    else:
        if isinstance(place, dict) and place:
            place[next(iter(place))] = value
    good = {"sender": {"id": "1"}, "timestamp": 1, "message": {"mid": "m_good", "text": "тусламж"}}
    entries = post.get("entry")
    post["entry"] = [*(entries if isinstance(entries, list) else [entries]), {"messaging": [good]}]
    found = list(read(loosely(json.dumps(post).encode())))
    assert all(one is None or isinstance(one, Message) for one in found)
    assert "тусламж" in [one.text for one in found if one is not None and one.id == "m_good"]


@pytest.mark.parametrize(
    ("code", "subcode", "does"),
    [
        (1, None, "retry"), (2, None, "retry"), (1200, None, "retry"), (4, None, "wait"), (32, None, "wait"), (613, None, "wait"),
        (80006, None, "wait"), (10, 2018278, ""), (10, 2018108, "gone"), (551, 1545041, "gone"), (200, None, "gone"),
        (100, 2018001, "gone"), (100, None, ""), (10, 1893063, "halt"), (190, 460, "halt"), (230, None, ""), (99999, None, ""),
    ],
)  # fmt: skip
def test_each_error_says_what_to_do(code: int, subcode: int | None, does: str) -> None:
    problem = what_to_do(code, subcode, 0.0)
    told = {"wait": problem.wait is not None, "retry": problem.retry, "gone": problem.gone, "halt": problem.halt}
    assert [name for name, true in told.items() if true] == ([does] if does else [])
    assert ERRORS


def test_usage_headers_are_understood_and_broken_ones_are_nothing() -> None:
    headers = {
        "x-app-usage": '{"call_count": 28, "total_time": 97, "total_cputime": 3}',
        "x-business-use-case-usage": '{"1": [{"type": "messenger", "call_count": 60, "estimated_time_to_regain_access": 4}]}',
    }
    assert (used(headers), regained(headers)) == (97.0, 240.0)
    assert (used({"x-app-usage": "no"}), regained({"x-business-use-case-usage": "[]"})) == (0.0, 0.0)


async def test_the_page_is_set_up_as_meta_wants_it(
    graph: MessengerStandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {
        "UMBRELLA_MESSENGER_PAGE_ID": graph.page_id, "UMBRELLA_MESSENGER_PAGE_TOKEN": PAGE_TOKEN,
        "UMBRELLA_MESSENGER_APP_SECRET": APP_SECRET, "UMBRELLA_MESSENGER_VERIFY_TOKEN": VERIFY_TOKEN,
        "UMBRELLA_MESSENGER_API": graph.base,
    }  # fmt: skip
    config = house_settings(tmp_path, **environ)
    graph.subscribed = []
    assert await set_up(config, dry_run=True) == 0
    assert (graph.profile, graph.subscribed) == ({}, [])
    for _ in range(2):
        assert await set_up(config, dry_run=False) == 0
    assert "messages" in graph.subscribed
    anna, ben = graph.person("1", locale="mn_MN"), graph.person("2", locale="en_GB")
    assert [button.title for button in anna.menu] != [button.title for button in ben.menu]
    assert anna.greeting != ben.greeting
    told = capsys.readouterr().out
    assert "App Review" in told
    assert "/channels/messenger" in told
    graph.fail_next("messenger_profile", 190)
    assert await set_up(config, dry_run=False) == 1


def test_every_button_of_the_profile_leads_somewhere(guide: Guide) -> None:
    profile = messenger_profile(guide)
    places = [
        item["payload"] for menu in (*profile["persistent_menu"], *profile["ice_breakers"]) for item in menu["call_to_actions"]
    ]
    assert all(guide.library.has(place) for place in [*places, profile["get_started"]["payload"]])


async def test_after_an_outage_the_page_is_subscribed_again(graph: MessengerStandIn, tmp_path: Path) -> None:
    graph.subscribed = []
    async with messenger_house(tmp_path, graph, UMBRELLA_MESSENGER_WATCH_SECONDS="1"):
        await graph.wait_for(lambda: "messages" in graph.subscribed, what="the Page brings its events again")


def test_some_of_the_settings_alone_are_a_mistake_that_names_the_others(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="UMBRELLA_MESSENGER_APP_SECRET"):
        house_settings(tmp_path, UMBRELLA_MESSENGER_PAGE_ID="1")


async def test_the_privacy_page_is_there_in_both_languages(tmp_path: Path) -> None:
    async with web_house(tmp_path) as (house, browser):
        page = (await browser.get("/privacy")).text
        for language in ("mn", "en"):
            assert house.service.guide.library.card(language, "about/privacy").label in page


def signed(payload: dict[str, object], secret: str) -> str:
    encoded = urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")
    signature = urlsafe_b64encode(hmac.new(secret.encode(), encoded.encode(), hashlib.sha256).digest()).decode().rstrip("=")
    return f"{signature}.{encoded}"


async def test_a_deletion_wish_of_facebook_is_answered_with_a_code_and_a_page(tmp_path: Path, graph: MessengerStandIn) -> None:
    async with messenger_house(tmp_path, graph) as house, browser_of(house) as facebook:

        async def wish(request: str) -> httpx.Response:
            return await facebook.post("/channels/messenger/delete", data={"signed_request": request})

        told = (await wish(signed({"user_id": "778899", "algorithm": "HMAC-SHA256"}, APP_SECRET))).json()
        assert told["confirmation_code"] in told["url"]
        page = await facebook.get(told["url"])
        assert told["confirmation_code"] in page.text
        assert "778899" not in page.text
        for forged in (signed({"user_id": "1"}, "another"), "", ".", "a.b", "é.é"):
            assert (await wish(forged)).status_code == 403


def browser_of(house: House) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=house.app()), base_url="http://bot.test")


async def test_nothing_a_person_wrote_or_is_called_is_in_the_files(tmp_path: Path, graph: MessengerStandIn) -> None:
    async with messenger_house(tmp_path, graph) as house:
        anna = graph.person("24987654321000")
        await meet(anna, house.service.guide)
        anna.write("миний нууц үг бол нарлагхөх")
        await anna.next()
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in ("24987654321000", "нарлагхөх", "narlag"):
        assert secret.encode() not in kept
