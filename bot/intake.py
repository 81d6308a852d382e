"""A raw Telegram update becomes a turn, whether it was polled or brought to the webhook.

An update that cannot be read is counted and passed over: it must not stand in the way of the others.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from bot.channels.telegram import CHANNEL, Blocked, Crowd, read
from bot.content import Words
from bot.log import log
from bot.model import Message, say
from bot.send import Sender, SendError
from bot.service import Service, in_words, without_memory
from bot.store import StoreUnavailable

QUIET = 600.0  # seconds between two words about danger to one person while nothing can be kept
REMEMBERED = 10_000  # people

_update = msgspec.json.Decoder(dict[str, object])


class Telegram(Protocol):
    """What is needed of Telegram's client here."""

    async def send(self, address: str, words: Words) -> None: ...

    async def release(self, receipt: str) -> None: ...

    async def leave(self, address: str, words: Sequence[Words], *, say_why: bool) -> None: ...


@dataclass
class Intake:
    """`accept` takes updates one by one, in the order in which they came."""

    service: Service
    sender: Sender
    client: Telegram
    counts: dict[str, int] = field(default_factory=dict)
    _warned: dict[str, float] = field(default_factory=dict)

    async def accept(self, raw: bytes) -> None:
        """Deal with one update. When this returns, its turn is committed. Raises StoreUnavailable when it could not be."""
        try:
            found = read(_update.decode(raw))
        except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
            self._count("unreadable")
            log.warning("update_unreadable", channel=CHANNEL)
            return
        match found:
            case Message():
                try:
                    if not await self.service.accept(found) and found.receipt:
                        await self.client.release(found.receipt)
                except StoreUnavailable:
                    await self._warn(found)
                    raise
            case Blocked(address, blocked):
                person = self.service.store.keys.pseudonym(CHANNEL, address)
                if blocked:
                    self.sender.drop(person)
                await self.service.store.mark_blocked(person, blocked=blocked)
            case Crowd(address, joined):
                words = in_words([say("talk/group")], self.service.guide.language, self.service.guide.library)
                await self.client.leave(address, words, say_why=joined)
            case None:
                self._count("ignored")

    async def _warn(self, message: Message) -> None:
        """Nothing can be kept: say the emergency number all the same, but not at every one of Telegram's repeats."""
        now = time.monotonic()
        if now - self._warned.get(message.address, -QUIET) < QUIET:
            return
        if len(self._warned) >= REMEMBERED:
            self._warned.clear()
        self._warned[message.address] = now
        for words in without_memory(self.service.guide, message).words:
            try:
                await self.client.send(message.address, words)
            except SendError as problem:
                log.warning("word_about_danger_not_sent", channel=CHANNEL, kind=problem.kind)

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
