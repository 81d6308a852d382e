"""What a platform brings, raw, becomes turns, whether it was polled or brought to a webhook.

What cannot be read is counted and passed over: it must not stand in the way of the rest.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from bot.channels import messenger, telegram
from bot.channels.telegram import Blocked, Crowd
from bot.content import Words
from bot.log import log
from bot.model import Message, say
from bot.send import Client, Sender, SendError
from bot.service import Service, in_words, without_memory
from bot.store import StoreUnavailable

QUIET = 600.0  # seconds between two words about danger to one person while nothing can be kept
REMEMBERED = 10_000  # people

_object = msgspec.json.Decoder(dict[str, object])


class Telegram(Client, Protocol):
    """What is needed of Telegram's client here."""

    async def leave(self, address: str, words: Sequence[Words], *, say_why: bool) -> None: ...


@dataclass
class Intake:
    """What every platform's intake has in common: messages become turns, and danger is answered though nothing can be kept."""

    service: Service
    sender: Sender
    client: Client
    counts: dict[str, int] = field(default_factory=dict)
    _warned: dict[str, float] = field(default_factory=dict)

    async def take(self, message: Message) -> bool:
        """Answer a message. False when it was answered before. Raises StoreUnavailable when nothing could be kept."""
        try:
            return await self.service.accept(message)
        except StoreUnavailable:
            await self.warn(message)
            raise

    async def warn(self, message: Message) -> None:
        """Nothing can be kept: say the emergency number all the same, but not at every one of the platform's repeats."""
        now = time.monotonic()
        if message.hand or now - self._warned.get(message.address, -QUIET) < QUIET:
            return
        if len(self._warned) >= REMEMBERED:
            self._warned.clear()
        self._warned[message.address] = now
        for words in without_memory(self.service.guide, message).words:
            try:
                await self.client.send(message.address, words, 0.0)
            except SendError as problem:
                log.warning("word_about_danger_not_sent", channel=message.channel, kind=problem.kind)

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def unreadable(self, channel: str) -> None:
        self.count("unreadable")
        log.warning("update_unreadable", channel=channel)


@dataclass
class TelegramIntake(Intake):
    """`accept` takes updates one by one, in the order in which they came."""

    client: Telegram

    async def accept(self, raw: bytes) -> None:
        """Deal with one update. When this returns, its turn is committed. Raises StoreUnavailable when it could not be."""
        try:
            found = telegram.read(_object.decode(raw))
        except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
            return self.unreadable(telegram.CHANNEL)
        match found:
            case Message():
                if not await self.take(found) and found.receipt:
                    await self.client.release(found.receipt)
            case Blocked(address, blocked):
                person = self.service.store.keys.pseudonym(telegram.CHANNEL, address)
                if blocked:
                    self.sender.drop(person)
                await self.service.store.mark_blocked(person, blocked=blocked)
            case Crowd(address, joined):
                words = in_words([say("talk/group")], self.service.guide.language, self.service.guide.library)
                await self.client.leave(address, words, say_why=joined)
            case None:
                self.count("ignored")


@dataclass
class MessengerIntake(Intake):
    """`accept` takes whole posts, each of which may hold many things."""

    async def accept(self, raw: bytes) -> None:
        """Deal with one post. When this returns, its turns are committed. Raises StoreUnavailable when one could not be."""
        try:
            found = list(messenger.read(loosely(raw)))
        except (ValueError, TypeError, RecursionError):
            return self.unreadable(messenger.CHANNEL)
        for _ in range(found.count(None)):
            self.count("ignored")
        turns = [self.take(message) for message in found if message is not None]  # begun, and kept, in their order
        for done in await asyncio.gather(*turns, return_exceptions=True):
            if isinstance(done, StoreUnavailable):
                raise done
            if isinstance(done, BaseException):
                log.error("update_failed", channel=messenger.CHANNEL, exc_info=done)


def loosely(raw: bytes) -> dict[str, Any]:
    """The post. Half a surrogate pair in one text must not cost the others: it is read as the sign for an unreadable letter."""
    post = json.loads(raw)
    if not isinstance(post, dict):
        raise TypeError("not an object")
    mended: dict[str, Any] = json.loads(
        json.dumps(post, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )
    return mended
