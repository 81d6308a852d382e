"""Talks to Telegram's servers: sends, polls for updates, sets the bot up. Imported only when Telegram is on: aiogram is heavy.

Updates are polled raw and read one by one: out of the box one update that cannot be decoded would stop them all (aiogram#1840).
The offset moves only past updates whose turn is committed, so that none is lost when we are killed.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    TelegramAPIError,
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.types import BotCommand

from bot.channels.telegram import write
from bot.content import Words
from bot.log import log
from bot.send import SendError
from bot.store import StoreUnavailable

WANTED = ["message", "edited_message", "callback_query", "my_chat_member", "channel_post"]
UPDATE_ID = re.compile(rb'"update_id"\s*:\s*(\d+)')
LONGEST_WAIT = 30.0
TIMEOUT = 20.0  # seconds that one call may take


class _Polled(msgspec.Struct):
    ok: bool = False
    result: list[msgspec.Raw] = msgspec.field(default_factory=list)
    error_code: int = 0
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)


_polled = msgspec.json.Decoder(_Polled)


@dataclass
class TelegramClient:
    """One bot at one Bot API server."""

    token: str
    api: str
    _bot: Bot = field(init=False)

    def __post_init__(self) -> None:
        server = TelegramAPIServer.from_base(self.api)
        self._bot = Bot(self.token, session=AiohttpSession(api=server, timeout=TIMEOUT, limit=64))

    async def send(self, address: str, words: Words, _age: float) -> None:
        """Send one message. Raises SendError, as the Bot API's codes ask: 429 wait, 403 gone, 401 halt, 5xx and network retry."""
        try:
            for payload in write(address, words):
                await self._bot.send_message(**payload)
        except TelegramAPIError as problem:
            raise what_to_do(problem) from None

    async def release(self, receipt: str) -> None:
        """Stop the spinner on a tapped button. A tap older than Telegram remembers needs no answer."""
        try:
            await self._bot.answer_callback_query(receipt)
        except TelegramAPIError as problem:
            log.debug("tap_not_released", kind=type(problem).__name__)

    async def leave(self, address: str, words: Sequence[Words], *, say_why: bool) -> None:
        """Leave a group or channel, saying why where that may be said."""
        try:
            if say_why:
                for spoken in words:
                    await self._bot.send_message(int(address), spoken.text)
            await self._bot.leave_chat(int(address))
        except TelegramAPIError as problem:
            log.info("group_not_left", kind=type(problem).__name__)

    async def set_up(self, texts: "Texts", webhook: str, secret: str) -> None:
        """Tell Telegram the bot's commands and descriptions in each language, and how updates reach us. May be repeated."""
        for language, commands in texts.commands.items():
            code = None if language == texts.default else language
            described = [BotCommand(command=name, description=what) for name, what in commands.items()]
            await self._bot.set_my_commands(described, language_code=code)
            await self._bot.set_my_description(texts.description[language], language_code=code)
            await self._bot.set_my_short_description(texts.short[language], language_code=code)
        if webhook:
            await self._bot.set_webhook(webhook, secret_token=secret, allowed_updates=WANTED)
        else:
            await self._bot.delete_webhook(drop_pending_updates=False)

    async def poll(self, accept: Callable[[bytes], Awaitable[None]], seconds: int, stop: asyncio.Event) -> None:
        """Fetch updates until told to stop, and give each, raw, to `accept`, in order. Runs through any outage of either side."""
        offset, failures = 0, 0
        while not stop.is_set():
            asking = asyncio.ensure_future(self._updates(offset, seconds))
            stopping = asyncio.ensure_future(stop.wait())
            await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not asking.done():
                asking.cancel()
                return
            try:
                updates = asking.result()
                offset = await take(updates, accept, offset)
                failures = 0
            except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError, StoreUnavailable, PollRefused) as problem:
                failures += 1
                wait = problem.wait if isinstance(problem, PollRefused) and problem.wait else min(2.0**failures / 2, LONGEST_WAIT)
                log.warning(
                    "poll_failed", channel="telegram", kind=str(getattr(problem, "code", type(problem).__name__)), seconds=wait
                )
                await wait_for(stop, wait)

    async def _updates(self, offset: int, seconds: int) -> list[msgspec.Raw]:
        """The raw updates that wait, from this offset on, asking for at most so many seconds."""
        assert isinstance(self._bot.session, AiohttpSession)  # noqa: S101 - for the type checker: it is ours
        session = await self._bot.session.create_session()
        url = self._bot.session.api.api_url(self.token, "getUpdates")
        asked = {"offset": offset, "timeout": seconds, "allowed_updates": WANTED}
        async with session.post(url, json=asked, timeout=aiohttp.ClientTimeout(seconds + TIMEOUT)) as response:
            polled = read_polled(await response.read())
        if not polled.ok:
            raise PollRefused(polled.error_code, float(polled.parameters.get("retry_after", 0)))
        return polled.result

    async def close(self) -> None:
        await self._bot.session.close()


def read_polled(body: bytes) -> _Polled:
    """Telegram's answer, its updates still raw.

    Half a surrogate pair in one update makes the strict decoder refuse them all; the standard one reads it, and the update alone
    is refused later. Raises DecodeError when the answer is no JSON at all.
    """
    try:
        return _polled.decode(body)
    except msgspec.DecodeError:
        try:
            loose = json.loads(body)
            return _Polled(ok=bool(loose["ok"]), result=[msgspec.Raw(json.dumps(update).encode()) for update in loose["result"]])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise msgspec.DecodeError("not the answer of a Bot API") from None


@dataclass
class PollRefused(Exception):
    """Telegram would not give us updates: 409 means that somebody else polls with this token, or that a webhook is set."""

    code: int
    wait: float


@dataclass(frozen=True)
class Texts:
    """What Telegram shows of the bot outside the chat, by language."""

    default: str
    commands: dict[str, dict[str, str]]
    description: dict[str, str]
    short: dict[str, str]


async def take(updates: Sequence[msgspec.Raw], accept: Callable[[bytes], Awaitable[None]], offset: int) -> int:
    """Accept these updates, together but begun in order. The next offset: past the last one before which all are committed.

    Raises StoreUnavailable when not even the first could be kept.
    """
    done = await asyncio.gather(*(accept(bytes(raw)) for raw in updates), return_exceptions=True)
    for raw, result in zip(updates, done, strict=True):
        if isinstance(result, StoreUnavailable):
            raise result
        if isinstance(result, BaseException):
            log.error("update_failed", channel="telegram", exc_info=result)
        if found := UPDATE_ID.search(bytes(raw)):
            offset = max(offset, int(found[1]) + 1)
    return offset


async def wait_for(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def what_to_do(problem: TelegramAPIError) -> SendError:
    """The Bot API's error as what to do about it. Source: core.telegram.org/bots/api#making-requests; 403 texts as observed."""
    match problem:
        case TelegramRetryAfter(retry_after=seconds):
            return SendError("429", wait=float(seconds))
        case TelegramForbiddenError():
            return SendError("403", gone=True)
        case TelegramUnauthorizedError() | TelegramNotFound():  # the token is not, or no longer, a bot's
            return SendError("401", halt=True)
        case TelegramBadRequest() if "chat not found" in problem.message:
            return SendError("400", gone=True)
        case TelegramNetworkError() | TelegramServerError():
            return SendError("5xx", retry=True)
        case TelegramBadRequest():
            return SendError("400")
        case _:
            return SendError(type(problem).__name__, retry=True)
