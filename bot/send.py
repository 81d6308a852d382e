"""Sends the letters in the outbox: try again, wait, stop or give up, as the platform's error says.

One person's letters go out in order; people do not wait for each other. A letter leaves the outbox when its last message has gone
out. After a crash a letter may go out twice (no platform offers a way to know), but never is one lost, and none out of order.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from aiolimiter import AsyncLimiter

from bot.content import Words
from bot.log import log
from bot.store import Outgoing, Store, StoreUnavailable

LONGEST_WAIT = 60.0  # seconds between two tries at most
CLOSING = 3.0  # seconds that letters under way have when the bot stops


@dataclass
class SendError(Exception):
    """Why a message was not sent, as what to do about it. At most one of these is set; none means: not acceptable, give it up."""

    kind: str  # for the log: the platform's code, never its text
    wait: float | None = None  # the platform asks for this many seconds of patience
    retry: bool = False  # it may go through later
    gone: bool = False  # this person does not want to be written to
    halt: bool = False  # nobody can be written to on this channel until staff have mended it


class Client(Protocol):
    """A platform, as the sender sees it."""

    async def send(self, address: str, words: Words, age: float) -> None:
        """Send one message, decided so many seconds ago. Raises SendError."""

    async def release(self, receipt: str) -> None:
        """Tell the platform that a tap has been dealt with. Raises nothing."""


@dataclass
class Channel:
    """A platform's client, and how it is doing."""

    client: Client
    limiter: AsyncLimiter
    paused_until: float = 0.0
    halted: str = ""  # why nothing can be sent, when that is so


@dataclass
class Sender:
    """Give it letters with `add`; it sends them by itself until it is closed."""

    store: Store
    render: Callable[[Outgoing], list[Words]]
    per_second: float
    burst_per_chat: int
    tries: int
    keeps: float  # seconds after which a letter is too old to be sent
    clock: Callable[[], float] = time.time
    channels: dict[str, Channel] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)  # for staff: sent, given up, blocked
    _queues: dict[bytes, deque[Outgoing]] = field(default_factory=dict)
    _tasks: dict[bytes, asyncio.Task[None]] = field(default_factory=dict)
    _chats: dict[bytes, AsyncLimiter] = field(default_factory=dict)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self, clients: Mapping[str, Client]) -> None:
        """Send through these platforms, by the name of the channel."""
        at_once = max(1.0, self.per_second / 10)  # so that a burst never exceeds the platform's figure by more than a tenth
        for name, client in clients.items():
            self.channels[name] = Channel(client, AsyncLimiter(at_once, at_once / self.per_second))

    async def resume(self) -> None:
        """Take up the letters that were waiting when the bot last stopped."""
        for letter in await self.store.waiting():
            self.add(letter)

    def add(self, letter: Outgoing) -> None:
        """Send this letter after those that wait for the same person."""
        if letter.channel not in self.channels or self._closing.is_set():
            return  # it stays in the outbox
        self._queues.setdefault(letter.person, deque()).append(letter)
        if letter.person not in self._tasks:
            self._tasks[letter.person] = asyncio.create_task(self._send_all(letter.person))

    def drop(self, person: bytes) -> None:
        """Send nothing more to this person."""
        self._queues.get(person, deque()).clear()

    @property
    def waiting(self) -> int:
        """How many letters have not gone out yet."""
        return sum(len(queue) for queue in self._queues.values())

    async def close(self) -> None:
        """Let what is under way go out, for a few seconds; the rest stays in the outbox."""
        self._closing.set()
        tasks = list(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=CLOSING)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _send_all(self, person: bytes) -> None:
        queue = self._queues[person]
        try:
            while queue and not self._closing.is_set():
                letter = queue[0]
                try:
                    left = await self._send_letter(letter)
                except Exception:
                    log.error("letter_failed", channel=letter.channel, exc_info=True)
                    left = await self._after(SendError("ours", retry=True), self.channels[letter.channel], letter)
                if left is None:
                    if queue and queue[0].id == letter.id:
                        queue.popleft()
                elif queue:
                    queue[0] = left
                    await self._pause(left.due - self.clock())
        finally:
            del self._tasks[person]
            if not queue:
                self._queues.pop(person, None)
                self._chats.pop(person, None)

    async def _send_letter(self, letter: Outgoing) -> Outgoing | None:
        """Send what is left of a letter. None when it is dealt with; otherwise how far it got and when it is due again."""
        channel = self.channels[letter.channel]
        if letter.receipt and not letter.sent:
            await channel.client.release(letter.receipt)
        sent = letter.sent
        try:
            for words in self.render(letter)[letter.sent :]:
                await self._take_turn(channel, letter.person)
                if self._closing.is_set():
                    return await self._later(replace(letter, sent=sent), 0.0)
                try:
                    await channel.client.send(letter.address, words, self.clock() - letter.born)
                    channel.halted = ""
                except SendError as problem:
                    if problem.wait is None and not (problem.retry or problem.gone or problem.halt):
                        self._count("refused", problem.kind)
                    else:
                        return await self._after(problem, channel, replace(letter, sent=sent))
                sent += 1
        except asyncio.CancelledError:
            await self._later(replace(letter, sent=sent), 0.0)
            raise
        self._count("sent")
        await self._keep(self.store.mark_sent(letter))
        return None

    async def _after(self, problem: SendError, channel: Channel, letter: Outgoing) -> Outgoing | None:
        """What an error asks for."""
        if problem.gone:
            self._count("blocked", problem.kind)
            self.drop(letter.person)
            await self._keep(self.store.mark_blocked(letter.person, blocked=True))
            return None
        if self.clock() - letter.born >= self.keeps:
            await self._give_up(letter, problem)
            return None
        if problem.halt:
            if not channel.halted:
                log.error("channel_halted", channel=letter.channel, kind=problem.kind)
            channel.halted = problem.kind
            return await self._later(letter, LONGEST_WAIT)
        if problem.wait is not None:
            channel.paused_until = max(channel.paused_until, self.clock() + problem.wait)
            return await self._later(letter, problem.wait)
        if letter.tries + 1 >= self.tries:
            await self._give_up(letter, problem)
            return None
        return await self._later(replace(letter, tries=letter.tries + 1), min(2.0**letter.tries, LONGEST_WAIT))

    async def _give_up(self, letter: Outgoing, problem: SendError) -> None:
        self._count("given_up", problem.kind)
        await self._keep(self.store.mark_sent(letter))

    async def _later(self, letter: Outgoing, seconds: float) -> Outgoing:
        letter = replace(letter, due=self.clock() + seconds)
        await self._keep(self.store.postpone(letter))
        return letter

    async def _keep(self, write: Awaitable[None]) -> None:
        try:
            await write
        except StoreUnavailable:
            log.warning("outbox_not_kept")  # the letter may go out once more after a restart

    async def _take_turn(self, channel: Channel, person: bytes) -> None:
        """Wait until this chat, and the channel as a whole, may be written to."""
        chat = self._chats.setdefault(person, AsyncLimiter(self.burst_per_chat, self.burst_per_chat))
        await chat.acquire()
        await self._pause(channel.paused_until - self.clock())
        await channel.limiter.acquire()

    async def _pause(self, seconds: float) -> None:
        """Wait, but not past the closing."""
        if seconds > 0:
            try:
                await asyncio.wait_for(self._closing.wait(), seconds)
            except TimeoutError:
                return

    def _count(self, what: str, kind: str = "") -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
        if what != "sent":
            log.warning(f"letter_{what}", kind=kind)
