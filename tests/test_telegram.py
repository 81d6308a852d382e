"""The bot on Telegram, over HTTP, against a stand-in that behaves as the Bot API does: nothing lost, repeated or out of order."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import pytest_asyncio
from telegram import Update

from bot.channels.telegram import Blocked, Crowd, read
from bot.dialogue import Guide
from bot.model import Message
from bot.serve import House
from bot.transcript import spoken
from bot.web.telegram import HEADER, PATH
from tests.conftest import PLAYED, named, texts
from tests.house import SECRET, telegram_house, webhook_house
from tests.standins.telegram import Person, TelegramStandIn

SAMPLES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "channels/telegram_samples.json").read_text(encoding="utf-8"))
WRITERS: dict[str, Callable[[Person], object]] = {
    "voice": Person.send_voice,
    "picture": Person.send_photo,
    "sticker": Person.send_sticker,
    "location": Person.send_location,
    "contact": Person.send_contact,
    "file": Person.send_document,
}


@pytest_asyncio.fixture
async def telegram() -> AsyncIterator[TelegramStandIn]:
    async with TelegramStandIn(pacing=False) as standin:
        yield standin


@pytest_asyncio.fixture
async def house(tmp_path: Path, telegram: TelegramStandIn) -> AsyncIterator[House]:
    async with telegram_house(tmp_path, telegram) as house:
        yield house


async def answers(person: Person, count: int) -> list[str]:
    return [(await person.next()).text for _ in range(count)]


async def meet(person: Person, guide: Guide, language: str = "mn") -> None:
    """Get the first meeting over."""
    person.write("/start")
    await answers(person, len(texts(guide, language, "talk/demo", "menu/start")))


def act(person: Person, turn: dict[str, Any], language: str) -> None:
    """What the person does in this turn of a script."""
    words, tap, sends = (spoken(turn.get(does, ""), language) for does in ("user", "tap", "sends"))
    if sends == "picture":
        person.send_photo(caption=words or None)
    elif sends == "video":
        person.send(video={"file_id": "v", "file_unique_id": "v", "width": 1, "height": 1, "duration": 1})
    elif sends:
        WRITERS[sends](person)
    elif tap:
        person.tap_raw(tap)
    else:
        person.write(words)


async def test_every_conversation_goes_the_same_on_telegram(tmp_path: Path, telegram: TelegramStandIn) -> None:
    """All scripts at once, each by its own person, over HTTP; texts and buttons are those of the script's replies."""
    async with telegram_house(tmp_path, telegram) as house:
        guide = house.service.guide

        async def play(number: int, turns: list[dict[str, Any]], language: str) -> None:
            first = turns[0]
            person = telegram.person(1000 + number, language_code=spoken(first.get("hint", language), language))
            if not first.get("first"):
                await meet(person, guide, language)
            speaking = language
            for turn in turns:
                act(person, turn, language)
                speaking = turn["speaks"][language] if "speaks" in turn else speaking
                expected = texts(guide, speaking, *named(turn["bot"]))
                assert await answers(person, len(expected)) == expected
                assert {"help/emergency", "menu/main"} & set(person.last.data)

        await asyncio.gather(*(play(number, *case.values) for number, case in enumerate(PLAYED)))  # type: ignore[arg-type]
        await telegram.wait_for(lambda: all(tap.released_at for tap in telegram.taps.values()), 5, "no spinner is left")


async def test_what_the_bot_sends_is_decoded_by_an_independent_client(telegram: TelegramStandIn, house: House) -> None:
    anna = telegram.person(1)
    await meet(anna, house.service.guide)
    anna.tap("menu/help")
    await anna.next()
    for message in anna.visible:
        decoded = Update.de_json({"update_id": 1, "message": message}, None)
        assert decoded.message is not None
        assert decoded.message.text == message["text"]


async def test_the_samples_are_read_as_what_they_are() -> None:
    found = [read(update) for update in SAMPLES]
    assert [type(item) for item in found] == [
        Message, Message, Message, Message, Message, Blocked, Blocked, Message, Message, Message, Crowd, Message, type(None), Crowd,  # noqa: E501
    ]  # fmt: skip
    start, question, edited, tap, old_tap, kicked, back, contact, location, photo, *_ = found
    assert isinstance(start, Message)
    assert (start.tap, start.code, start.language) == ("menu/start", "src_poster1", "mn")
    assert isinstance(question, Message)
    assert question.text == "Солонгос явахад виз хэрэгтэй юу?"
    assert isinstance(edited, Message)
    assert isinstance(tap, Message)
    assert isinstance(old_tap, Message)
    assert (tap.tap, tap.receipt, old_tap.tap) == ("lang:mn", "30064771072000001", "menu:rights")
    assert (kicked, back) == (Blocked("7000001", blocked=True), Blocked("7000001", blocked=False))
    assert [item.attachment for item in (contact, location, photo) if isinstance(item, Message)] == [
        "contact",
        "location",
        "picture",
    ]
    assert "97699110000" not in str(contact)
    assert "37.5" not in str(location)


async def test_an_unreadable_update_is_passed_over_and_the_next_is_answered(telegram: TelegramStandIn, house: House) -> None:
    anna = telegram.person(1)
    await meet(anna, house.service.guide)
    telegram.deliver_raw(b'{"update_id": 700000001, "message": {"text": "\\ud800"}}')
    telegram.deliver_raw(b'{"update_id": 700000002, "message": {"chat": {"type": "private", "id": "no number"}, "text": 7}}')
    telegram.deliver({"purchased_paid_media": {"of": "tomorrow"}})
    anna.tap("menu/help")
    assert await answers(anna, 1) == texts(house.service.guide, "mn", "menu/help")


async def test_a_repeated_update_is_answered_once(telegram: TelegramStandIn, house: House) -> None:
    anna = telegram.person(1)
    await meet(anna, house.service.guide)
    anna.tap("menu/help")
    await anna.next()
    telegram.repeat_last()
    anna.tap("menu/main")
    assert await answers(anna, 1) == texts(house.service.guide, "mn", "menu/main")
    assert len(anna.received) == len(texts(house.service.guide, "mn", "talk/demo", "menu/start")) + 2


async def test_quick_messages_of_one_person_are_answered_in_order(telegram: TelegramStandIn, house: House) -> None:
    anna = telegram.person(1)
    await meet(anna, house.service.guide)
    wanted = ["menu/signs", "menu/travel", "menu/moving", "menu/return", "menu/help", "menu/about"] * 3
    for name in wanted:
        anna.tap_raw(name)
    expected = texts(house.service.guide, "mn", *wanted)
    assert await answers(anna, len(expected)) == expected


async def test_a_link_may_name_the_card_it_leads_to(telegram: TelegramStandIn, house: House) -> None:
    anna, poster = telegram.person(1), telegram.person(2)
    anna.write("/start travel__checklist")
    expected = texts(house.service.guide, "mn", "talk/demo", "talk/hello", "travel/checklist")
    assert await answers(anna, len(expected)) == expected
    poster.write("/start poster_7")
    expected = texts(house.service.guide, "mn", "talk/demo", "menu/start")
    assert await answers(poster, len(expected)) == expected


@pytest.mark.parametrize(
    ("command", "card"),
    [
        ("/help", "help/emergency"),
        ("/menu", "menu/main"),
        ("/language", "about/language"),
        ("/privacy", "about/privacy"),
        ("/delete", "about/delete"),
    ],
)
async def test_every_command_leads_to_its_card(telegram: TelegramStandIn, house: House, command: str, card: str) -> None:
    anna = telegram.person(1)
    await meet(anna, house.service.guide)
    anna.write(command)
    expected = texts(house.service.guide, "mn", card)
    assert await answers(anna, len(expected)) == expected


async def test_commands_and_descriptions_are_told_in_both_languages(telegram: TelegramStandIn, house: House) -> None:
    await telegram.wait_for(lambda: telegram.counters["setMyShortDescription"] >= 2, 5, "the profile is set")
    mongolian, other = telegram.person(1, language_code="mn"), telegram.person(2, language_code="ko")
    assert {command["command"] for command in telegram.commands_seen_by(mongolian)} == {
        "start", "help", "menu", "language", "privacy", "delete",
    }  # fmt: skip
    help_mn, help_en = (
        next(command["description"] for command in telegram.commands_seen_by(person) if command["command"] == "help")
        for person in (mongolian, other)
    )
    assert help_mn == house.service.guide.library.card("mn", "help/emergency").label
    assert help_en == house.service.guide.library.card("en", "help/emergency").label


async def test_who_blocks_the_bot_is_not_written_to_again(telegram: TelegramStandIn, house: House) -> None:
    anna = telegram.person(1)
    await meet(anna, house.service.guide)
    before = telegram.counters["sendMessage"]
    telegram.slow_next("sendMessage", 0.3)
    anna.tap("menu/help")
    anna.tap_raw("menu/main")
    anna.tap_raw("menu/about")
    anna.block()
    await telegram.wait_for(lambda: telegram.counters["getUpdates"] and not telegram.pending, 5, "all updates are taken")
    await telegram.wait_for(lambda: house.sender.waiting == 0, 5, "nothing waits any more")
    assert telegram.counters["sendMessage"] + telegram.counters["sendMessage:403"] <= before + 2
    assert await house.service.store.waiting() == []
    anna.unblock()
    anna.write("/menu")
    await telegram.wait_for(lambda: anna.last.text in texts(house.service.guide, "mn", "menu/main"), 5, "she is answered again")


async def test_groups_and_channels_are_politely_left(telegram: TelegramStandIn, house: House) -> None:
    anna = telegram.person(1)
    anna.join_group(-100500, "Ангийнхан")
    await telegram.wait_for(lambda: telegram.counters["leaveChat"] == 1, 5, "the group is left")
    assert [sent.text for sent in telegram.chat(-100500).sent] == texts(house.service.guide, "mn", "talk/group")


async def test_the_platforms_wish_to_wait_is_obeyed_and_nothing_is_lost(telegram: TelegramStandIn, house: House) -> None:
    anna = telegram.person(1)
    await meet(anna, house.service.guide)
    telegram.fail_next("sendMessage", 429, "Too Many Requests: retry after 1", retry_after=1)
    anna.tap("menu/help")
    anna.tap_raw("menu/main")
    assert await answers(anna, 2) == texts(house.service.guide, "mn", "menu/help", "menu/main")
    sends = [call for call in telegram.calls if call.method == "sendMessage"]
    refused, again = sends[-3], sends[-2]
    assert again.at - refused.at >= 1.0


async def test_errors_that_pass_are_tried_again(telegram: TelegramStandIn, house: House) -> None:
    anna = telegram.person(1)
    await meet(anna, house.service.guide)
    telegram.fail_next("sendMessage", 500, "Internal Server Error")
    anna.tap("menu/help")
    assert await answers(anna, 1) == texts(house.service.guide, "mn", "menu/help")
    telegram.bad_json_next("sendMessage", 1)
    anna.tap("menu/main")
    assert (await answers(anna, 1))[0] in texts(house.service.guide, "mn", "menu/main")


async def test_polling_survives_conflicts_bad_answers_and_outages(telegram: TelegramStandIn, house: House) -> None:
    anna = telegram.person(1)
    await meet(anna, house.service.guide)
    telegram.fail_next("getUpdates", 409, "Conflict: terminated by other getUpdates request")
    telegram.bad_json_next("getUpdates", 1)
    telegram.lose_reply_next("getUpdates", 1)
    anna.tap("menu/help")
    assert await answers(anna, 1) == texts(house.service.guide, "mn", "menu/help")
    await telegram.stop()
    await telegram.start()
    anna.tap_raw("menu/main")
    assert (await anna.next(timeout=15)).text in texts(house.service.guide, "mn", "menu/main")


async def test_a_token_that_is_not_one_halts_the_channel_loudly(tmp_path: Path, telegram: TelegramStandIn) -> None:
    async with telegram_house(tmp_path, telegram) as house:
        anna = telegram.person(1)
        await meet(anna, house.service.guide)
        telegram.fail_next("sendMessage", 401, "Unauthorized")
        anna.tap("menu/help")
        await telegram.wait_for(lambda: bool(house.sender.channels["telegram"].halted), 5, "the channel says that it is halted")
        report = await house.report()
        assert (report["ready"], report["channels"]) == (False, {"web": "ok", "telegram": "401"})
    assert len(await reopened(tmp_path, telegram)) >= 1


async def reopened(home: Path, telegram: TelegramStandIn) -> list[str]:
    """What reaches the person when the bot is started again on the same data."""
    anna = telegram.person(1)
    async with telegram_house(home, telegram):
        return await answers(anna, 1)


async def test_nothing_a_person_wrote_or_is_called_is_in_the_files(tmp_path: Path, telegram: TelegramStandIn) -> None:
    async with telegram_house(tmp_path, telegram) as house:
        anna = telegram.person(777123456789, language_code="mn")
        await meet(anna, house.service.guide)
        telegram.fail_next("sendMessage", 500, "later", times=1)
        anna.write("миний нууц үг бол нарлагхөх")
        await anna.next()
        anna.tap_raw("тапнарлагхөх")
        await anna.next()
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in ("777123456789", "нарлагхөх", "narlag", anna.first_name):
        assert secret.encode() not in kept
        assert secret.encode("utf-16-le") not in kept


# --- the webhook ------------------------------------------------------------------------------------------------------


async def test_the_webhook_answers_and_redelivery_is_answered_once(tmp_path: Path, telegram: TelegramStandIn) -> None:
    async with webhook_house(tmp_path, telegram) as house:
        await telegram.wait_for(lambda: bool(telegram.webhook_url), 5, "the webhook is set")
        anna = telegram.person(1)
        await meet(anna, house.service.guide)
        anna.tap("menu/help")
        await anna.next()
        telegram.repeat_last()
        anna.tap_raw("menu/main")
        assert await answers(anna, 1) == texts(house.service.guide, "mn", "menu/main")
        await telegram.wait_for(lambda: not telegram.pending, 5, "all updates are taken")


@pytest.mark.parametrize("secret", ["", "wrong", SECRET[:-1], "нууц"])
async def test_the_webhook_believes_nobody_without_the_secret(tmp_path: Path, telegram: TelegramStandIn, secret: str) -> None:
    async with webhook_house(tmp_path, telegram) as house, aiohttp.ClientSession() as forger:
        headers = {HEADER: secret.encode().decode("latin-1")} if secret else {}
        async with forger.post(f"{house.config.web.public_url}{PATH}", json=SAMPLES[1], headers=headers) as answer:
            assert answer.status == 403
        assert await house.service.store.conversation("telegram", "7000001") is None


async def test_the_webhook_refuses_everything_while_no_secret_is_set(tmp_path: Path, telegram: TelegramStandIn) -> None:
    async with telegram_house(tmp_path, telegram) as house:
        transport = httpx.ASGITransport(app=house.app())
        async with httpx.AsyncClient(transport=transport, base_url="http://umbrella.test") as client:
            for given in ("", "None", SECRET):
                assert (await client.post(PATH, json=SAMPLES[1], headers={HEADER: given})).status_code == 403


@pytest.mark.parametrize("body", [b"", b"{", b"[1, 2]", b"\xff\xfe", b"null", b'{"update_id": 1}', b"[" * 100_000])
async def test_what_cannot_be_read_is_counted_and_taken(tmp_path: Path, telegram: TelegramStandIn, body: bytes) -> None:
    async with webhook_house(tmp_path, telegram) as house, aiohttp.ClientSession() as platform:
        async with platform.post(f"{house.config.web.public_url}{PATH}", data=body, headers={HEADER: SECRET}) as answer:
            assert answer.status == 200
        assert sum(house.platforms[0].intake.counts.values()) == 1


async def test_an_update_of_any_size_beyond_the_limit_is_refused_unread(tmp_path: Path, telegram: TelegramStandIn) -> None:
    async with webhook_house(tmp_path, telegram) as house, aiohttp.ClientSession() as platform:
        huge = b" " * (house.config.web.largest_post + 1)
        async with platform.post(f"{house.config.web.public_url}{PATH}", data=huge, headers={HEADER: SECRET}) as answer:
            assert answer.status == 413


async def test_what_is_on_its_way_when_the_bot_is_stopped_still_goes_out(tmp_path: Path, telegram: TelegramStandIn) -> None:
    async with telegram_house(tmp_path, telegram) as house:
        anna = telegram.person(1)
        await meet(anna, house.service.guide)
        telegram.slow_next("sendMessage", 0.5)
        anna.tap("menu/help")
        await telegram.wait_for(lambda: house.sender.waiting == 1, 5, "the answer is on its way")
    assert [sent.text for sent in anna.received][-1:] == texts(house.service.guide, "mn", "menu/help")


async def test_a_letter_that_has_become_too_old_is_given_up_and_counted(tmp_path: Path, telegram: TelegramStandIn) -> None:
    async with telegram_house(tmp_path, telegram) as house:
        anna = telegram.person(1)
        await meet(anna, house.service.guide)
        house.sender.keeps = 0.0
        telegram.fail_next("sendMessage", 500, "Internal Server Error", times=50)
        anna.tap("menu/help")
        await telegram.wait_for(lambda: house.sender.counts.get("given_up") == 1, 5, "the letter is given up")
        assert await house.service.store.waiting() == []
