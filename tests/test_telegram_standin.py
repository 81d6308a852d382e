"""The Telegram stand-in is believed only because clients written by others decode it and webhooks meet its order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from telegram import Bot, BotCommand, BotCommandScopeAllPrivateChats, InlineKeyboardButton, InlineKeyboardMarkup, Message, Update
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, NetworkError, RetryAfter, TelegramError, TimedOut
from telegram.ext import Application, ApplicationBuilder, TypeHandler
from telegram.request import HTTPXRequest

from tests.standins.telegram import TEST_TOKEN, Call, TelegramStandIn

ROOT = Path(__file__).parent.parent
SAMPLES: list[dict[str, Any]] = json.loads((ROOT / "tests/channels/telegram_samples.json").read_text(encoding="utf-8"))
BAT = 7000001
KEYBOARD = InlineKeyboardMarkup(
    [[InlineKeyboardButton("Монгол", callback_data="lang:mn"), InlineKeyboardButton("English", callback_data="lang:en")]]
)


@pytest.fixture(autouse=True)
def _times_as_timedelta(monkeypatch: pytest.MonkeyPatch) -> None:
    """python-telegram-bot's own switch to its coming type; without it reading a wait is a deprecation."""
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


@pytest_asyncio.fixture
async def telegram() -> AsyncIterator[TelegramStandIn]:
    async with TelegramStandIn(token="42:TEST", pacing=False) as standin:
        yield standin


@asynccontextmanager
async def client(telegram: TelegramStandIn, token: str = TEST_TOKEN, read_timeout: float = 5.0) -> AsyncIterator[Bot]:
    """python-telegram-bot's client, initialised only by the calls a test makes."""
    request = HTTPXRequest(read_timeout=read_timeout)
    polls = HTTPXRequest(read_timeout=read_timeout)
    bot = Bot(token, base_url=f"{telegram.base}/bot", request=request, get_updates_request=polls)
    await request.initialize()
    await polls.initialize()
    try:
        yield bot
    finally:
        await request.shutdown()
        await polls.shutdown()


@pytest_asyncio.fixture
async def bot(telegram: TelegramStandIn) -> AsyncIterator[Bot]:
    async with client(telegram) as ready:
        yield ready


@dataclass
class Receiver:
    """A bot's webhook: notes what comes, and answers as the test's `reply` says."""

    url: str = ""
    seen: list[dict[str, Any]] = field(default_factory=list)
    secrets: list[str | None] = field(default_factory=list)
    first: asyncio.Event = field(default_factory=asyncio.Event)
    cuts: int = 0
    running: int = 0
    most_running: int = 0
    reply: Callable[[dict[str, Any]], Awaitable[web.Response]] | None = None

    async def handle(self, request: web.Request) -> web.Response:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            update = await request.json()
            self.seen.append(update)
            self.secrets.append(request.headers.get("X-Telegram-Bot-Api-Secret-Token"))
            self.first.set()
            if self.cuts > 0 and request.transport is not None:
                self.cuts -= 1
                request.transport.abort()
            return await self.reply(update) if self.reply is not None else web.Response()
        finally:
            self.running -= 1

    @property
    def texts(self) -> list[str]:
        return [update["message"]["text"] for update in self.seen]


@asynccontextmanager
async def listening(receiver: Receiver, port: int = 0) -> AsyncIterator[Receiver]:
    app = web.Application()
    app.router.add_post("/hook", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- polling and decoding, by python-telegram-bot ----------------------------------------------------------------------


async def test_python_telegram_bot_polls_and_decodes_every_platform_sample(telegram: TelegramStandIn) -> None:
    seen: asyncio.Queue[Update] = asyncio.Queue()

    async def keep(update: Update, _: object) -> None:
        await seen.put(update)

    builder: ApplicationBuilder[Any, Any, Any, Any, Any, Any] = Application.builder()
    app = builder.token("42:TEST").base_url(f"{telegram.base}/bot").build()
    app.add_handler(TypeHandler(Update, keep))
    assert app.updater is not None
    async with app:
        await app.start()
        await app.updater.start_polling(poll_interval=0.0, timeout=5)
        ids = [telegram.deliver(sample) for sample in SAMPLES]
        async with asyncio.timeout(10):
            updates = [await seen.get() for _ in SAMPLES]
        await app.updater.stop()
        await app.stop()

    assert [update.update_id for update in updates] == ids == [sample["update_id"] for sample in SAMPLES]
    assert updates[0].message is not None
    assert updates[0].message.text == "/start src_poster1"
    assert updates[3].callback_query is not None
    assert updates[3].callback_query.data == "lang:mn"
    assert updates[5].my_chat_member is not None
    assert updates[5].my_chat_member.new_chat_member.status == "kicked"
    assert updates[9].message is not None
    assert updates[9].message.caption == "Энэ гэрээ зөв үү?"
    assert telegram.pending == []


async def test_every_act_of_a_person_is_decoded_as_the_kind_it_is(telegram: TelegramStandIn, bot: Bot) -> None:
    bat = telegram.person(BAT, language_code="mn")
    bat.write("/start src_poster1")
    bat.send_voice()
    bat.send_photo(caption="Гэрээ")
    bat.send_sticker()
    bat.send_location()
    bat.send_contact()
    bat.send_document()
    bat.edit("Засав", message_id=1)
    bat.block()
    bat.unblock()
    bat.join_group(-1002000000001, "Counsellors")
    updates = await bot.get_updates(timeout=0)
    start = updates[0].message
    assert start is not None
    assert start.from_user is not None
    assert (start.text, start.from_user.language_code, start.entities[0].type) == ("/start src_poster1", "mn", "bot_command")
    fields = ["voice", "photo", "sticker", "location", "contact", "document"]
    for update, name in zip(updates[1:7], fields, strict=True):
        assert update.message is not None
        assert getattr(update.message, name), name
    assert updates[7].edited_message is not None
    assert updates[7].edited_message.text == "Засав"
    changes = [update.my_chat_member for update in updates if update.my_chat_member]
    assert [(change.chat.type, change.new_chat_member.status) for change in changes] == [
        ("private", "kicked"), ("private", "member"), ("supergroup", "member"),
    ]  # fmt: skip
    last = updates[-1].message
    assert last is not None
    assert [member.id for member in last.new_chat_members] == [42]


async def test_an_update_is_repeated_until_an_offset_confirms_it(telegram: TelegramStandIn, bot: Bot) -> None:
    person = telegram.person(BAT)
    first, second = person.write("нэг")["update_id"], person.write("хоёр")["update_id"]
    assert [update.update_id for update in await bot.get_updates(timeout=0)] == [first, second]
    assert [update.update_id for update in await bot.get_updates(limit=1, timeout=0)] == [first]
    assert [update.update_id for update in await bot.get_updates(offset=second, timeout=0)] == [second]
    assert await bot.get_updates(offset=second + 1, timeout=0) == ()
    assert telegram.pending == []


async def test_a_confirmed_update_comes_again_when_the_test_repeats_it(telegram: TelegramStandIn, bot: Bot) -> None:
    update_id = telegram.person(BAT).write("нэг")["update_id"]
    await bot.get_updates(timeout=0)
    assert await bot.get_updates(offset=update_id + 1, timeout=0) == ()
    telegram.repeat_last()
    assert [update.update_id for update in await bot.get_updates(offset=update_id + 1, timeout=0)] == [update_id]
    assert await bot.get_updates(offset=update_id + 1, timeout=0) == ()
    telegram.repeat_polls()
    assert [update.update_id for update in await bot.get_updates(offset=update_id + 1, timeout=0)] == [update_id]


async def test_a_long_poll_answers_as_soon_as_a_person_writes(telegram: TelegramStandIn, bot: Bot) -> None:
    poll = asyncio.create_task(bot.get_updates(timeout=20))
    await telegram.wait_for(lambda: telegram.counters["getUpdates"] == 1)
    started = time.monotonic()
    telegram.person(BAT).write("Сайн уу")
    (update,) = await poll
    assert time.monotonic() - started < 2
    assert update.message is not None
    assert update.message.text == "Сайн уу"


async def test_a_second_poller_is_told_nothing_and_the_older_one_is_told_of_the_conflict(
    telegram: TelegramStandIn, bot: Bot
) -> None:
    older = asyncio.create_task(bot.get_updates(timeout=20))
    await telegram.wait_for(lambda: telegram.counters["getUpdates"] == 1)
    async with client(telegram) as rival:
        newer = asyncio.create_task(rival.get_updates(timeout=20))
        with pytest.raises(Conflict, match="terminated by other getUpdates request; make sure that only one bot"):
            await older
        telegram.person(BAT).write("хэн нь вэ?")
        assert len(await newer) == 1


async def test_a_poll_is_refused_while_a_webhook_is_set_and_the_waiting_one_is_ended(telegram: TelegramStandIn, bot: Bot) -> None:
    waiting = asyncio.create_task(bot.get_updates(timeout=20))
    await telegram.wait_for(lambda: telegram.counters["getUpdates"] == 1)
    await bot.set_webhook("https://bot.example.mn/hook")
    with pytest.raises(Conflict, match="terminated by setWebhook request"):
        await waiting
    with pytest.raises(Conflict, match="can't use getUpdates method while webhook is active"):
        await bot.get_updates()
    await bot.delete_webhook()
    assert await bot.get_updates(timeout=0) == ()


async def test_allowed_updates_holds_back_the_kinds_that_were_not_asked_for(telegram: TelegramStandIn, bot: Bot) -> None:
    await bot.get_updates(timeout=0, allowed_updates=["message"])
    person = telegram.person(BAT)
    person.block()
    person.unblock()
    person.write("энд")
    (update,) = await bot.get_updates(timeout=0)
    assert update.message is not None
    assert telegram.counters["update:unwanted"] == 2


async def test_raw_bytes_reach_the_bot_untouched(telegram: TelegramStandIn) -> None:
    raw = b'{"update_id": 5, "message" : {"message_id":1, "chat":{"id":7}, "future_field":{"a":[1]}}}'
    assert telegram.deliver_raw(raw) == 5
    unreadable = telegram.deliver_raw(b"not json at all")
    assert telegram.pending == [5, unreadable]
    async with aiohttp.ClientSession() as session, session.get(f"{telegram.base}/bot42:TEST/getUpdates?timeout=0") as answer:
        assert await answer.read() == b'{"ok":true,"result":[' + raw + b",not json at all]}"


async def test_the_same_offset_asked_again_at_once_gets_a_single_update() -> None:
    async with TelegramStandIn() as paced, client(paced) as bot:
        person = paced.person(BAT)
        person.write("нэг")
        person.write("хоёр")
        assert [len(await bot.get_updates(timeout=0)) for _ in range(2)] == [2, 1]
        await bot.set_webhook("https://bot.example.mn/hook")
        with pytest.raises(RetryAfter):
            await bot.set_webhook("https://bot.example.mn/other")


# --- sending and editing -----------------------------------------------------------------------------------------------


async def test_a_sent_message_is_decoded_and_the_person_can_tap_it_and_see_the_edit(telegram: TelegramStandIn, bot: Bot) -> None:
    bat = telegram.person(BAT)
    sent = await bot.send_message(BAT, "<b>Хэлээ</b> сонгоно уу &amp; үргэлжлүүл", parse_mode="HTML", reply_markup=KEYBOARD)
    assert (sent.text, sent.chat.id, sent.from_user and sent.from_user.id) == ("Хэлээ сонгоно уу & үргэлжлүүл", BAT, 42)
    assert (sent.entities[0].type, sent.entities[0].length) == ("bold", 5)
    assert sent.reply_markup == KEYBOARD
    shown = await bat.next()
    assert (shown.labels, shown.data) == (["Монгол", "English"], ["lang:mn", "lang:en"])

    bat.tap("Монгол")
    (update,) = await bot.get_updates(timeout=0)
    query = update.callback_query
    assert query is not None
    assert isinstance(query.message, Message)
    assert (query.data, query.message.message_id) == ("lang:mn", sent.message_id)
    assert bat.taps[0].released_at is None
    assert await bot.answer_callback_query(query.id, text="Болсон")
    assert bat.taps[0].released_at is not None

    edited = await bot.edit_message_text("Монгол хэл", BAT, sent.message_id)
    assert isinstance(edited, Message)
    assert edited.text == "Монгол хэл"
    assert edited.edit_date is not None
    seen = await bat.next_edit()
    assert (seen.text, seen.earlier_texts, seen.labels) == ("Монгол хэл", ["Хэлээ сонгоно уу & үргэлжлүүл"], [])
    await bot.edit_message_reply_markup(BAT, sent.message_id, reply_markup=KEYBOARD)
    assert (await bat.next_edit()).labels == ["Монгол", "English"]


async def test_a_photo_is_taken_as_an_upload(telegram: TelegramStandIn, bot: Bot) -> None:
    person = telegram.person(BAT)
    sent = await bot.send_photo(BAT, b"\x89PNG not really", caption="Зураг", filename="map.png")
    assert sent.photo
    assert sent.caption == "Зураг"
    assert (await person.next()).params["photo"].size == 15


async def test_messages_of_both_sides_can_be_deleted_for_forty_eight_hours(telegram: TelegramStandIn, bot: Bot) -> None:
    person = telegram.person(BAT)
    written = person.write("миний нууц")["message"]["message_id"]
    sent = await bot.send_message(BAT, "хариу")
    assert await bot.delete_message(BAT, written)
    assert await bot.delete_messages(BAT, [sent.message_id, 999])
    assert person.visible == []
    assert person.last.deleted
    with pytest.raises(BadRequest, match=r"(?i)message to delete not found"):
        await bot.delete_message(BAT, written)
    old = await bot.send_message(BAT, "хуучин")
    telegram.age_messages(BAT, 48 * 3600 + 1)
    with pytest.raises(BadRequest, match=r"(?i)message can't be deleted"):
        await bot.delete_message(BAT, old.message_id)


async def test_commands_and_descriptions_are_kept_for_each_language_and_scope(telegram: TelegramStandIn, bot: Bot) -> None:
    everyone = [BotCommand("help", "Help")]
    mongolian = [BotCommand("help", "Тусламж"), BotCommand("forget_me", "Мэдээллээ устгах")]
    await bot.set_my_commands(everyone)
    await bot.set_my_commands(mongolian, scope=BotCommandScopeAllPrivateChats(), language_code="mn")
    assert list(await bot.get_my_commands()) == everyone
    assert list(await bot.get_my_commands(BotCommandScopeAllPrivateChats(), "mn")) == mongolian
    assert [command["command"] for command in telegram.commands_seen_by(telegram.person(1, "mn"))] == ["help", "forget_me"]
    assert [command["command"] for command in telegram.commands_seen_by(telegram.person(2, "en"))] == ["help"]
    await bot.set_my_description("Аюулгүй шилжин суурьших", language_code="mn")
    await bot.set_my_short_description("Товч", language_code="mn")
    await bot.set_my_name("Мөрөөдлийн шүхэр", language_code="mn")
    assert (await bot.get_my_description("mn")).description == "Аюулгүй шилжин суурьших"
    assert (await bot.get_my_short_description("mn")).short_description == "Товч"
    assert (await bot.get_my_name("mn")).name == "Мөрөөдлийн шүхэр"
    assert (await bot.get_my_name("en")).name == "Safe Migration"
    for bad in (BotCommand("Help", "x"), BotCommand("тусламж", "x"), BotCommand("a" * 32, "x" * 256)):
        if bad.command == "a" * 32:
            assert await bot.set_my_commands([bad])
        else:
            with pytest.raises(BadRequest):
                await bot.set_my_commands([bad])
    with pytest.raises(BadRequest):
        await bot.set_my_commands(everyone, language_code="mongolian")


async def test_a_group_the_bot_has_left_refuses_its_messages(telegram: TelegramStandIn, bot: Bot) -> None:
    telegram.person(BAT).join_group(-500)
    assert (await bot.send_message(-500, "сайн уу")).chat.type == "group"
    assert await bot.leave_chat(-500)
    with pytest.raises(Forbidden, match="not a member of the group chat"):
        await bot.send_message(-500, "баяртай")


# --- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "markup", "words"),
    [
        ("", None, "message text is empty"),
        ("  \n", None, "text must be non-empty"),
        ("я" * 4097, None, "message is too long"),
        ("😀" * 2049, None, "message is too long"),
        ("x", [[("ok", "я" * 33)]], "button_data_invalid"),
        ("x", [[("ok", "")]], "button_data_invalid"),
        ("x", [[("", "a")]], "text must be non-empty"),
        ("x", [[("ok", "a")]] * 101, "reply markup is too long"),
    ],
)
async def test_a_message_telegram_would_not_take_is_a_bad_request(
    telegram: TelegramStandIn, bot: Bot, text: str, markup: list[list[tuple[str, str]]] | None, words: str
) -> None:
    telegram.person(BAT)
    rows = [[InlineKeyboardButton(label, callback_data=data) for label, data in row] for row in markup or []]
    with pytest.raises(BadRequest, match=f"(?i){words}"):
        await bot.send_message(BAT, text, reply_markup=InlineKeyboardMarkup(rows))
    assert telegram.person(BAT).received == []


async def test_the_longest_text_and_data_and_keyboard_are_taken(telegram: TelegramStandIn, bot: Bot) -> None:
    telegram.person(BAT)
    rows = [[InlineKeyboardButton("ok", callback_data="я" * 32)]] * 100
    assert await bot.send_message(BAT, "я" * 4096, reply_markup=InlineKeyboardMarkup(rows))


async def test_markup_telegram_does_not_know_is_a_bad_request(telegram: TelegramStandIn, bot: Bot) -> None:
    telegram.person(BAT)
    for text in ("<h1>x</h1>", "<b>x", "2 < 3", "x</b>"):
        with pytest.raises(BadRequest, match=r"(?i)can't parse entities"):
            await bot.send_message(BAT, text, parse_mode="HTML")


async def test_a_person_who_blocked_the_bot_is_forbidden_and_an_unknown_chat_is_a_bad_request(
    telegram: TelegramStandIn, bot: Bot
) -> None:
    person = telegram.person(BAT)
    person.block()
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        await bot.send_message(BAT, "сонсож байна уу?")
    person.unblock()
    assert await bot.send_message(BAT, "тавтай морил")
    telegram.person(8, started=False)
    with pytest.raises(Forbidden, match="can't initiate conversation"):
        await bot.send_message(8, "танихгүй")
    with pytest.raises(BadRequest, match=r"(?i)chat not found"):
        await bot.send_message(123456, "хэн бэ")


async def test_an_edit_that_changes_nothing_and_one_of_a_foreign_message_are_bad_requests(
    telegram: TelegramStandIn, bot: Bot
) -> None:
    written = telegram.person(BAT).write("миний")["message"]["message_id"]
    sent = await bot.send_message(BAT, "хариу", reply_markup=KEYBOARD)
    with pytest.raises(BadRequest, match=r"(?i)message is not modified"):
        await bot.edit_message_text("хариу", BAT, sent.message_id, reply_markup=KEYBOARD)
    with pytest.raises(BadRequest, match=r"(?i)message is not modified"):
        await bot.edit_message_reply_markup(BAT, sent.message_id, reply_markup=KEYBOARD)
    with pytest.raises(BadRequest, match=r"(?i)message can't be edited"):
        await bot.edit_message_text("миний биш", BAT, written)
    with pytest.raises(BadRequest, match=r"(?i)message to edit not found"):
        await bot.edit_message_text("байхгүй", BAT, 999)


async def test_a_tap_answered_twice_or_too_late_or_never_made_is_too_old(telegram: TelegramStandIn, bot: Bot) -> None:
    person = telegram.person(BAT)
    await bot.send_message(BAT, "хэл", reply_markup=KEYBOARD)
    answered, late = (person.tap("lang:mn")["callback_query"]["id"] for _ in range(2))
    assert await bot.answer_callback_query(answered)
    with pytest.raises(BadRequest, match=r"(?i)query is too old"):
        await bot.answer_callback_query(answered)
    telegram.expire_taps()
    for query_id in (late, "1"):
        with pytest.raises(BadRequest, match=r"(?i)query is too old"):
            await bot.answer_callback_query(query_id)


async def test_a_wrong_token_is_unauthorized_and_an_unknown_method_is_not_found(telegram: TelegramStandIn, bot: Bot) -> None:
    async with client(telegram, token="42:WRONG") as stranger:
        with pytest.raises(InvalidToken):
            await stranger.get_me()
    with pytest.raises(InvalidToken):  # python-telegram-bot's class for every 404
        await bot.do_api_request("sendTelepathy")
    async with aiohttp.ClientSession() as session, session.post(f"{telegram.base}/bot42:WRONG/getMe") as answer:
        assert answer.status == 401
        assert await answer.json() == {"ok": False, "error_code": 401, "description": "Unauthorized"}


# --- faults ------------------------------------------------------------------------------------------------------------


async def test_a_fault_ordered_by_the_test_meets_the_next_call_alone(telegram: TelegramStandIn, bot: Bot) -> None:
    person = telegram.person(BAT)
    telegram.fail_next("sendMessage", 429, "Too Many Requests: retry after 7", retry_after=7)
    telegram.fail_next("sendMessage", 500, "Internal Server Error")
    with pytest.raises(RetryAfter) as refusal:
        await bot.send_message(BAT, "нэг")
    assert refusal.value.retry_after == timedelta(seconds=7)
    with pytest.raises(NetworkError):
        await bot.send_message(BAT, "нэг")
    assert person.received == []
    assert await bot.send_message(BAT, "нэг")


async def test_a_lost_reply_leaves_the_work_done_and_a_lost_request_leaves_it_undone(telegram: TelegramStandIn, bot: Bot) -> None:
    person = telegram.person(BAT)
    telegram.lose_reply_next("sendMessage")
    with pytest.raises(NetworkError):
        await bot.send_message(BAT, "ирсэн")
    telegram.lose_request_next("sendMessage")
    with pytest.raises(NetworkError):
        await bot.send_message(BAT, "ирээгүй")
    assert [sent.text for sent in person.received] == ["ирсэн"]


async def test_an_unreadable_and_a_slow_answer_are_errors_of_the_client_after_work_done(telegram: TelegramStandIn) -> None:
    person = telegram.person(BAT)
    async with client(telegram, read_timeout=0.3) as bot:
        telegram.bad_json_next("sendMessage")
        with pytest.raises(TelegramError, match="Invalid server response"):
            await bot.send_message(BAT, "нэг")
        telegram.slow_next("sendMessage", 30)
        with pytest.raises(TimedOut):
            await bot.send_message(BAT, "хоёр")
    assert [sent.text for sent in person.received] == ["нэг", "хоёр"]


async def test_a_rate_limit_refuses_one_chat_for_the_whole_time_it_named_and_no_longer() -> None:
    async with TelegramStandIn(rate_limit=(30, 1)) as telegram, client(telegram) as bot:
        telegram.person(1)
        telegram.person(2)
        await bot.send_message(1, "нэг")
        with pytest.raises(RetryAfter) as refusal:
            await bot.send_message(1, "хоёр")
        refused_at = time.monotonic()
        assert refusal.value.retry_after == timedelta(seconds=1)
        assert await bot.send_message(2, "нөгөө хүнд болно")
        async with asyncio.timeout(5):
            while telegram.person(1).last.text != "гурав":
                with contextlib.suppress(RetryAfter):
                    await bot.send_message(1, "гурав")
        assert telegram.person(1).last.at - refused_at >= 0.9
        assert telegram.counters["too_early"] >= 1


async def test_a_server_that_was_away_comes_back_on_its_port_with_what_it_knew(telegram: TelegramStandIn, bot: Bot) -> None:
    person = telegram.person(BAT)
    await telegram.stop()
    with pytest.raises(NetworkError):
        await bot.get_me()
    person.write("байна уу")
    await telegram.start()
    assert len(await bot.get_updates(timeout=0)) == 1


async def test_the_ledger_holds_every_call_with_its_time_and_parameters(telegram: TelegramStandIn, bot: Bot) -> None:
    telegram.person(BAT)
    before = time.monotonic()
    await bot.send_message(BAT, "нэг")
    (call,) = telegram.calls
    assert isinstance(call, Call)
    at, method, params = call
    assert before <= at <= time.monotonic()
    assert (method, params["text"], params.number("chat_id")) == ("sendMessage", "нэг", BAT)
    assert (telegram.counters["sendMessage"], telegram.counters["sendMessage:200"]) == (1, 1)


# --- aiogram -----------------------------------------------------------------------------------------------------------


async def test_aiogram_sends_decodes_and_raises_its_own_errors(telegram: TelegramStandIn) -> None:
    from aiogram import Bot as AiogramBot
    from aiogram import exceptions, types
    from aiogram.client.session.aiohttp import AiohttpSession
    from aiogram.client.telegram import TelegramAPIServer

    person = telegram.person(BAT)
    async with AiogramBot("42:TEST", AiohttpSession(api=TelegramAPIServer.from_base(telegram.base))) as bot:
        assert (await bot.get_me()).username == "sm_bot"
        for sample in SAMPLES:
            telegram.deliver(sample)
        updates = await bot.get_updates(timeout=0)
        assert [update.update_id for update in updates] == [sample["update_id"] for sample in SAMPLES]
        button = types.InlineKeyboardButton(text="Тийм", callback_data="yes")
        sent = await bot.send_message(
            BAT, "Үргэлжлүүлэх үү?", reply_markup=types.InlineKeyboardMarkup(inline_keyboard=[[button]])
        )
        assert sent.reply_markup is not None
        query_id = person.tap("yes")["callback_query"]["id"]
        assert await bot.answer_callback_query(query_id)
        edited = await bot.edit_message_text("За", chat_id=BAT, message_id=sent.message_id)
        assert isinstance(edited, types.Message)
        photo = types.BufferedInputFile(b"\x89PNG", "map.png")
        assert (await bot.send_photo(BAT, photo)).photo
        assert await bot.set_my_commands([types.BotCommand(command="help", description="Тусламж")], language_code="mn")
        telegram.fail_next("sendMessage", 429, "Too Many Requests: retry after 3", retry_after=3)
        with pytest.raises(exceptions.TelegramRetryAfter) as refusal:
            await bot.send_message(BAT, "нэг")
        assert refusal.value.retry_after == 3
        person.block()
        with pytest.raises(exceptions.TelegramForbiddenError):
            await bot.send_message(BAT, "нэг")
        telegram.bad_json_next("getMe")
        with pytest.raises(exceptions.ClientDecodeError):
            await bot.get_me()


# --- webhook -----------------------------------------------------------------------------------------------------------


async def test_the_webhook_gets_one_persons_messages_one_at_a_time_in_order_with_the_secret(
    telegram: TelegramStandIn, bot: Bot
) -> None:
    person = telegram.person(BAT)
    async with listening(Receiver()) as receiver:
        gate = asyncio.Event()

        async def hold(_: dict[str, Any]) -> web.Response:
            await gate.wait()
            return web.Response()

        receiver.reply = hold
        await bot.set_webhook(receiver.url, secret_token="s3cret_-")
        for text in ("нэг", "хоёр", "гурав"):
            person.write(text)
        async with asyncio.timeout(5):
            await receiver.first.wait()
        assert receiver.texts == ["нэг"]
        assert (await bot.get_webhook_info()).pending_update_count == 3
        gate.set()
        await telegram.wait_for(lambda: not telegram.pending)
        assert receiver.texts == ["нэг", "хоёр", "гурав"]
        assert receiver.most_running == 1
        assert set(receiver.secrets) == {"s3cret_-"}


async def test_a_tap_and_a_text_of_one_person_and_two_persons_are_delivered_at_the_same_time(
    telegram: TelegramStandIn, bot: Bot
) -> None:
    bat, dorj = telegram.person(BAT), telegram.person(8)
    await bot.send_message(BAT, "хэл", reply_markup=KEYBOARD)
    async with listening(Receiver()) as receiver:
        together = asyncio.Barrier(3)

        async def meet(_: dict[str, Any]) -> web.Response:
            async with asyncio.timeout(5):
                await together.wait()
            return web.Response()

        receiver.reply = meet
        await bot.set_webhook(receiver.url)
        bat.tap("lang:mn")
        bat.write("Сайн уу")
        dorj.write("Би ч бас")
        await telegram.wait_for(lambda: not telegram.pending)
        assert receiver.most_running == 3
        assert {delivery.key for delivery in telegram.deliveries} == {f"callback:{BAT}", f"chat:{BAT}", "chat:8"}


async def test_a_refused_update_is_resent_at_once_then_after_doubling_waits_and_holds_back_its_chat_alone() -> None:
    async with (
        TelegramStandIn(retry_first=0.1, pacing=False) as telegram,
        client(telegram) as bot,
        listening(Receiver()) as receiver,
    ):
        failures = iter([500, 500, 500, 500])

        async def refuse(update: dict[str, Any]) -> web.Response:
            return web.Response(status=next(failures, 200) if update["message"]["chat"]["id"] == BAT else 200)

        receiver.reply = refuse
        await bot.set_webhook(receiver.url)
        telegram.person(BAT).write("нэг")
        telegram.person(BAT).write("хоёр")
        telegram.person(8).write("би хүлээхгүй")
        await telegram.wait_for(lambda: len(telegram.pending) == 2)
        await telegram.wait_for(lambda: not telegram.pending)
        tries = [delivery for delivery in telegram.deliveries if delivery.key == f"chat:{BAT}"]
        assert [(delivery.attempt, delivery.status) for delivery in tries] == [
            (1, 500), (2, 500), (3, 500), (4, 500), (5, 200), (1, 200),
        ]  # fmt: skip
        waits = [later.started - earlier.ended for earlier, later in pairwise(tries[:5])]
        assert waits[0] < 0.1 <= waits[1]
        assert waits[2] >= 0.2
        assert waits[3] >= 0.4
        info = await bot.get_webhook_info()
        assert info.last_error_message == "Wrong response from the webhook: 500 Internal Server Error"


async def test_the_webhook_waits_as_long_as_retry_after_asks_and_drops_what_would_expire_before() -> None:
    async with TelegramStandIn(expiry=3.0, pacing=False) as telegram, client(telegram) as bot, listening(Receiver()) as receiver:
        answers = iter([web.Response(status=503, headers={"Retry-After": "1"}), web.Response()])

        async def ask_to_wait(update: dict[str, Any]) -> web.Response:
            if update["message"]["text"] == "хоцорсон":
                return web.Response(status=503, headers={"Retry-After": "60"})
            return next(answers)

        receiver.reply = ask_to_wait
        await bot.set_webhook(receiver.url)
        telegram.person(BAT).write("хүлээе")
        telegram.person(8).write("хоцорсон")
        await telegram.wait_for(lambda: not telegram.pending)
        kept = [delivery for delivery in telegram.deliveries if delivery.key == f"chat:{BAT}"]
        assert kept[1].started - kept[0].ended >= 1.0
        assert telegram.counters["webhook:expired"] == 1


async def test_an_update_outlives_a_bot_that_is_down_and_reaches_the_restarted_one(telegram: TelegramStandIn, bot: Bot) -> None:
    port = free_port()
    await bot.set_webhook(f"http://127.0.0.1:{port}/hook")
    telegram.person(BAT).write("сонсож байна уу?")
    await telegram.wait_for(lambda: telegram.counters["webhook:failed"] >= 2)
    assert (await bot.get_webhook_info()).last_error_message == "Connection refused"
    async with listening(Receiver(), port) as restarted:
        await telegram.wait_for(lambda: not telegram.pending)
        assert restarted.texts == ["сонсож байна уу?"]


async def test_an_update_whose_connection_broke_before_the_answer_is_delivered_again(telegram: TelegramStandIn, bot: Bot) -> None:
    async with listening(Receiver(cuts=2)) as receiver:
        await bot.set_webhook(receiver.url)
        telegram.person(BAT).write("унасан уу?")
        await telegram.wait_for(lambda: not telegram.pending)
        assert receiver.texts == ["унасан уу?"] * 3
        assert (await bot.get_webhook_info()).last_error_message == "Webhook connection closed"


async def test_a_delivered_update_comes_again_when_the_test_repeats_it_and_a_waiting_one_when_the_webhook_moves(
    telegram: TelegramStandIn, bot: Bot
) -> None:
    person = telegram.person(BAT)
    person.write("хүлээж байсан")
    async with listening(Receiver()) as receiver:
        await bot.set_webhook(receiver.url)
        await telegram.wait_for(lambda: not telegram.pending)
        telegram.repeat_last()
        await telegram.wait_for(lambda: not telegram.pending)
        assert receiver.seen[0] == receiver.seen[1]
    async with listening(Receiver()) as moved:
        await bot.set_webhook(moved.url)
        person.write("шинэ хаяг")
        await telegram.wait_for(lambda: not telegram.pending)
        assert moved.texts == ["шинэ хаяг"]


@pytest.mark.parametrize("encoding", ["json", "form", "multipart"])
async def test_a_method_written_into_the_answer_of_the_webhook_is_executed(
    telegram: TelegramStandIn, bot: Bot, encoding: str
) -> None:
    call = {"method": "sendMessage", "chat_id": str(BAT), "text": "шууд"}

    async def answer(_: dict[str, Any]) -> web.Response:
        if encoding == "json":
            return web.json_response(call)
        if encoding == "form":
            return web.Response(text=urlencode(call), content_type="application/x-www-form-urlencoded")
        parts = aiohttp.MultipartWriter("form-data")
        for name, value in call.items():
            parts.append(value).set_content_disposition("form-data", name=name)
        return web.Response(body=parts)

    async with listening(Receiver(reply=answer)) as receiver:
        await bot.set_webhook(receiver.url)
        person = telegram.person(BAT)
        person.write("асуулт")
        assert (await person.next()).text == "шууд"


async def test_in_privacy_mode_a_group_shows_the_bot_commands_mentions_and_replies_only() -> None:
    async with TelegramStandIn(privacy_mode=True) as telegram, client(telegram) as bot:
        person = telegram.person(BAT)
        person.join_group(-500)
        for text in ("зүгээр яриа", "/help", "@sm_bot туслаач"):
            person.write(text, chat_id=-500)
        updates = await bot.get_updates(timeout=0)
        assert [update.message.text for update in updates if update.message and update.message.text] == [
            "/help",
            "@sm_bot туслаач",
        ]


async def test_a_webhook_telegram_would_not_take_is_a_bad_request(bot: Bot) -> None:
    with pytest.raises(BadRequest, match=r"(?i)HTTPS URL must be provided"):
        await bot.set_webhook("http://bot.example.mn/hook")
    with pytest.raises(BadRequest, match=r"(?i)only on ports 80, 88, 443 or 8443"):
        await bot.set_webhook("https://bot.example.mn:9443/hook")
    with pytest.raises(BadRequest, match=r"(?i)unallowed characters"):
        await bot.set_webhook("https://bot.example.mn/hook", secret_token="нууц")


# --- a process of its own ----------------------------------------------------------------------------------------------


async def test_the_stand_in_runs_as_a_process_that_another_script_drives_over_http() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.standins.telegram", "--token", "42:TEST",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            ready = (await process.stdout.readline()).decode().split()
        assert ready[:-1] == ["telegram", "stand-in", "ready", "on"]
        base = ready[-1]

        async with aiohttp.ClientSession() as session:

            async def post(path: str, **body: Any) -> Any:
                async with session.post(f"{base}/{path}", json=body) as answer:
                    assert answer.status == 200, await answer.text()
                    return await answer.json()

            async def get(path: str) -> Any:
                async with session.get(f"{base}/{path}") as answer:
                    assert answer.status == 200, await answer.text()
                    return await answer.json()

            await post("standin/write", user=BAT, text="Сайн уу", language_code="mn")
            await post("standin/deliver", **SAMPLES[1])
            await post("standin/act", user=BAT, act="send_photo", **{"with": {"caption": "гэрээ"}})
            assert len((await get("bot42:TEST/getUpdates?timeout=0"))["result"]) == 3
            await post("standin/fail", method="sendMessage", error_code=429, description="Too Many Requests", retry_after=1)
            markup = {"inline_keyboard": [[{"text": "Тийм", "callback_data": "yes"}]]}
            async with session.post(f"{base}/bot42:TEST/sendMessage", json={"chat_id": BAT, "text": "?"}) as refused:
                assert refused.status == 429
            await post("bot42:TEST/sendMessage", chat_id=BAT, text="Үнэн үү?", reply_markup=markup)
            (shown,) = await get(f"standin/received?user={BAT}&wait=5")
            assert (shown["text"], shown["buttons"][0][0]["data"]) == ("Үнэн үү?", "yes")
            assert (await post("standin/tap", user=BAT, data="yes"))["callback_query"]["data"] == "yes"
            assert [call["method"] for call in await get("standin/calls?method=sendMessage")] == ["sendMessage"] * 2
            assert (await get("standin/state"))["counters"]["sendMessage:429"] == 1
            async with session.post(f"{base}/standin/tap", json={"user": BAT, "data": "no"}) as answer:
                assert answer.status == 400
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0
