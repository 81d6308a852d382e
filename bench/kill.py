"""Kills the bot with SIGKILL while people write to it, round after round, and counts what it cost them: it may cost nothing.

Each person sends a numbered row of taps and messages that lead to cards she can be told apart by. At the end every turn must have
been answered, in order, and none twice, except the one letter of hers that was on its way when the bot was killed.
Run: .venv/bin/python -m bench.kill [--rounds 30] [--seed N]. Exit status 1 when anything of this was violated.
"""

import argparse
import asyncio
import itertools
import os
import random
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import astuple, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

import aiohttp

from bot.content import put_into_words
from bot.dialogue import START, Guide, respond
from bot.load import HOUSE, load_guide
from bot.model import Conversation, Message, say
from bot.understand.fold import fold

TOKEN, SECRET = "42:KILL", "kill"
PEOPLE = 40
FIRST_PERSON = 7_000_000
LONGEST_LIFE = 1.5  # seconds from the moment the bot answers to its death
PATIENCE = 45.0  # seconds after which an answer counts as lost
NEAR = 30  # turns: an answer to one further off than this is rather one to the same card in another lap

# What `umbrella serve` runs, but with its imports done beforehand: seconds in which nothing could be killed.
STANDBY = """
import sys, bot.serve, bot.platforms.telegram
from bot.__main__ import main
if sys.stdin.readline():
    sys.exit(main(["serve"]))
"""


class Turn(NamedTuple):
    """One thing that a person does, and the messages that answer it."""

    kind: Literal["tap", "write"]
    what: str
    texts: tuple[str, ...]


class Heard(NamedTuple):
    """A message of the bot, as it reached the person."""

    text: str
    at: float


@dataclass
class Tally:
    """What became of the turns. All but `turns` and `doubled` must be 0."""

    turns: int = 0
    doubled: int = 0  # letters that came twice, as one may that is on its way at a kill
    doubled_beyond: int = 0
    lost: int = 0
    out_of_order: int = 0
    strange: int = 0  # messages that answer nothing
    faults: tuple[str, ...] = ()  # each of them, told

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    @property
    def whole(self) -> bool:
        return not (self.doubled_beyond or self.lost or self.out_of_order or self.strange)


def judge(turns: Sequence[Turn], heard: Sequence[Heard], starts: Sequence[float]) -> Tally:
    """Attribute what one person heard to her turns. `starts`: when the bot was started again."""
    tally = Tally(turns=len(turns))
    came: Counter[int] = Counter()
    told: list[str] = []
    now, following, before = -1, 0, 0.0  # the turn being answered, its next message, and when the last one came

    def name_of(number: int) -> str:
        return f"turn {number} ({turns[number].kind} {turns[number].what})"

    def nearest(text: str) -> int | None:
        ahead = range(now + 1, min(len(turns), now + NEAR))
        behind = range(now - 1, max(-1, now - NEAR), -1)
        return next((number for number in (*ahead, *behind) if turns[number].texts[0] == text), None)

    for text, at in heard:
        texts = turns[now].texts if now >= 0 else ()
        if text in texts[following : following + 1]:
            following += 1
        elif text in texts[:following]:  # her last letter once more
            if any(before < start < at for start in starts):
                tally.doubled += 1
            else:
                tally.doubled_beyond += 1
                told.append(f"{name_of(now)} answered twice, {at - before:.3f} s apart, with no start between")
            following = texts.index(text) + 1
        elif (number := nearest(text)) is not None:
            if number < now:
                tally.doubled_beyond += number in came
                tally.out_of_order += number not in came
                told.append(f"{name_of(number)} answered after {name_of(now)}{', again' if number in came else ''}")
            now, following = number, 1
        else:
            tally.strange += 1
            told.append(f"answers nothing: {text[:60]!r}")
            continue
        before = at
        if following == len(turns[now].texts):
            came[now] += 1
    lost = [number for number in range(len(turns)) if number not in came]
    tally.lost = len(lost)
    tally.faults = (*told, *(f"{name_of(number)} lost" for number in lost))
    return tally


# --- what people do -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Deck:
    """The cards by which an answer can be told: always the same, and no message of one is another's."""

    first: Turn
    taps: tuple[Turn, ...]
    writes: tuple[Turn, ...]


def make_deck(guide: Guide, laps: int = 1) -> Deck:
    library = guide.library

    def texts(name: str) -> tuple[str, ...]:
        return tuple(words.text for words in put_into_words(say(name), "mn", library))

    plain = [name for name, card in library.cards["mn"].items() if card.kind in ("article", "menu") and name != START]
    shared = Counter(text for name in (*plain, START, "talk/demo") for text in texts(name))
    own = [name for name in plain if all(shared[text] == 1 for text in texts(name))]
    labels = {fold(card.label) for card in library.cards["mn"].values()}
    known = Conversation(language="mn", met=True)

    def phrase(name: str) -> str | None:
        """What can be typed to get to this card, whatever was said before."""
        for ask in library.card("mn", name).asks[:4]:
            if fold(ask) not in labels:
                replies = respond(guide, known, Message("1", "telegram", "1", text=ask)).replies
                if [reply.name for reply in replies] == [name]:
                    return ask
        return None

    taps = [Turn("tap", name, texts(name)) for name in own]
    writes = [Turn("write", ask, texts(name)) for name in own if (ask := phrase(name))]
    return Deck(Turn("tap", START, (*texts("talk/demo"), *texts(START))), tuple(taps), tuple(writes))


@dataclass
class Person:
    """Someone who goes on writing until she is told to stop, alone or three times in a row without waiting."""

    id: int
    deck: Deck
    dice: random.Random
    telegram: "Telegram"
    turns: list[Turn] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)

    async def live(self, stop: asyncio.Event) -> None:
        await self.do([self.deck.first])
        rows: dict[str, Iterator[Turn]] = {"tap": self.shuffled(self.deck.taps), "write": self.shuffled(self.deck.writes)}
        while not stop.is_set():
            row = rows[self.dice.choice(("tap", "tap", "write"))]
            # Telegram keeps the order of taps and the order of messages, not the order of both: a row in one go is of one kind.
            ahead = list(itertools.islice(row, self.dice.choice((1, 3))))
            if not await self.do(ahead):
                return
            await asyncio.sleep(self.dice.uniform(0.0, 0.1))

    def shuffled(self, turns: Sequence[Turn]) -> Iterator[Turn]:
        """All of them, again and again, so that a card comes back only when its last answer is long past."""
        return itertools.cycle(self.dice.sample(turns, len(turns)))

    async def do(self, turns: Sequence[Turn]) -> bool:
        """Send these at once, and wait for the answer to the last. False when it does not come."""
        begun = len(self.heard)
        for turn in turns:
            await self.telegram.act(self.id, turn)
            self.turns.append(turn)
        until = time.monotonic() + PATIENCE
        while turns[-1].texts[-1] not in (heard.text for heard in self.heard[begun:]):
            if time.monotonic() > until:
                return False
            await self.listen(wait=5)
        return True

    async def listen(self, wait: int = 0) -> None:
        self.heard += await self.telegram.heard(self.id, len(self.heard), wait)


@dataclass
class Telegram:
    """The stand-in for Telegram, in its own process."""

    base: str
    session: aiohttp.ClientSession

    async def ask(self, path: str, **asked: int) -> Any:
        async with self.session.get(f"{self.base}/standin/{path}", params=asked) as response:
            response.raise_for_status()
            return await response.json()

    async def act(self, person: int, turn: Turn) -> None:
        """Returns as soon as Telegram has it, whether the bot lives or not."""
        asked = {"data": turn.what} if turn.kind == "tap" else {"text": turn.what}
        act = "tap_raw" if turn.kind == "tap" else "write"
        async with self.session.post(
            f"{self.base}/standin/act", json={"user": person, "language_code": "mn", "act": act, "with": asked}
        ) as response:
            response.raise_for_status()

    async def heard(self, person: int, after: int, wait: int) -> list[Heard]:
        asked = {"user": person, "after": after} | ({"wait": wait} if wait else {})
        return [Heard(sent["text"], sent["at"]) for sent in await self.ask("received", **asked)]


# --- the processes --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def running(*command: str, env: dict[str, str], **pipes: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of ours, which does not outlive this block."""
    process = await asyncio.create_subprocess_exec(*command, cwd=HOUSE, env=env, **pipes)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


@dataclass
class Bot:
    """`umbrella serve`, to be killed and started again over the same data."""

    home: Path
    api: str
    session: aiohttp.ClientSession
    stack: AsyncExitStack
    port: int = field(default_factory=lambda: free_port())
    starts: list[float] = field(default_factory=list)
    process: asyncio.subprocess.Process | None = None
    standby: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> Path:
        return self.home / "log"

    async def prepare(self, *, polling: bool) -> None:
        """Have a process ready that only waits to be let go."""
        settings = {
            "HOME": str(self.home / "var"),
            "TELEGRAM_TOKEN": TOKEN,
            "TELEGRAM_SECRET": SECRET,
            "TELEGRAM_API": self.api,
            "TELEGRAM_POLL_SECONDS": "5",
            "WEB_PORT": str(self.port),
            "WEB_PUBLIC_URL": "" if polling else f"http://127.0.0.1:{self.port}",
            "SEND_PER_SECOND": "1000",
            "SEND_BURST_PER_CHAT": "20",
        }
        env = clean_environment() | {f"UMBRELLA_{name}": value for name, value in settings.items()}
        log = self.stack.enter_context(self.log.open("a"))
        self.standby = await self.stack.enter_async_context(
            running(sys.executable, "-c", STANDBY, env=env, stdin=asyncio.subprocess.PIPE, stderr=log)
        )

    async def start(self) -> None:
        """Let the waiting process go, and wait until it answers."""
        assert self.standby is not None
        assert self.standby.stdin is not None
        self.process, self.standby = self.standby, None
        self.starts.append(time.monotonic())
        self.process.stdin.write(b"go\n")  # type: ignore[union-attr]
        async with asyncio.timeout(60):
            while not await self.answers():
                if self.process.returncode is not None:
                    raise RuntimeError(f"the bot did not start:\n{self.log.read_text()[-2000:]}")
                await asyncio.sleep(0.03)

    async def answers(self) -> bool:
        with suppress(aiohttp.ClientError):
            async with self.session.get(f"http://127.0.0.1:{self.port}/healthz") as response:
                return response.status == 200
        return False

    async def waiting(self) -> int:
        async with self.session.get(f"http://127.0.0.1:{self.port}/readyz") as response:
            return int((await response.json())["letters_waiting"])

    async def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        await asyncio.sleep(0.1)  # what it had said by then is heard before it is started again

    async def end(self) -> int:
        """Stop it as one stops a service. Gives back its exit status."""
        assert self.process is not None
        self.process.terminate()
        async with asyncio.timeout(15):
            return await self.process.wait()


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("UMBRELLA_")}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@asynccontextmanager
async def telegram(session: aiohttp.ClientSession) -> AsyncIterator[Telegram]:
    command = (sys.executable, "-m", "tests.standins.telegram", "--token", TOKEN, "--retry-max", "0.5", "--no-pacing")
    async with running(*command, env=clean_environment(), stdout=asyncio.subprocess.PIPE) as process:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            told = (await process.stdout.readline()).decode().split()
        yield Telegram(told[-1], session)


# --- the drill ------------------------------------------------------------------------------------------------------------


def moment(dice: random.Random) -> float:
    """How long the bot lives: mostly long enough to be busy, sometimes just long enough to take up what had waited."""
    return dice.uniform(0.0, 0.15) if dice.random() < 0.3 else dice.uniform(0.15, LONGEST_LIFE)


async def quiet(bot: Bot, api: Telegram) -> None:
    """Wait until nothing is on its way in either direction."""
    while (await api.ask("state"))["pending"] or await bot.waiting():
        await asyncio.sleep(0.05)


@dataclass(frozen=True)
class Report:
    """What a drill came to."""

    tally: Tally
    kills: int
    turning: int  # taps whose button still turns at the end
    ended: int  # exit status of the last bot, which was asked to stop


async def drill(webhook: int, polling: int, seed: int, people: int = PEOPLE) -> Report:
    """So many rounds with the webhook, then so many polled, over the same people and data."""
    dice = random.Random(seed)
    deck = make_deck(load_guide())
    modes = [False] * webhook + [True] * polling
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="kill-", ignore_cleanup_errors=True)))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(30))
        )
        api = await stack.enter_async_context(telegram(session))
        bot = Bot(home, api.base, session, stack)
        await bot.prepare(polling=modes[0])
        await bot.start()
        crowd = [Person(FIRST_PERSON + number, deck, random.Random(dice.random()), api) for number in range(people)]
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as busy:
            for person in crowd:
                busy.create_task(person.live(stop))
            for following in (*modes[1:], modes[-1]):
                preparing = asyncio.create_task(bot.prepare(polling=following))
                await asyncio.sleep(moment(dice))
                await bot.kill()
                await preparing
                await bot.start()
            stop.set()
        async with asyncio.timeout(PATIENCE):
            await quiet(bot, api)
        ended = await bot.end()
        for person in crowd:
            await person.listen()
        turning = len((await api.ask("state"))["spinning"])
    tally = Tally()
    for person in crowd:
        hers = judge(person.turns, person.heard, bot.starts)
        hers.faults = tuple(f"person {person.id}: {fault}" for fault in hers.faults)
        tally += hers
    return Report(tally, len(modes), turning, ended)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.kill", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="half of them with the webhook, half polled")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    began = time.monotonic()
    report = asyncio.run(drill(options.rounds - options.rounds // 2, options.rounds // 2, options.seed))
    tally = report.tally
    print(f"rounds {report.kills}, people {PEOPLE}, turns {tally.turns}, {time.monotonic() - began:.0f} s")
    print(f"lost {tally.lost}, out of order {tally.out_of_order}, answers to nothing {tally.strange}")
    print(f"doubled {tally.doubled} (on their way at a kill), doubled beyond that {tally.doubled_beyond}")
    print(f"buttons left turning {report.turning}; the last bot, asked to stop, ended with {report.ended}")
    for fault in tally.faults:
        print(fault)
    return 0 if tally.whole else 1


if __name__ == "__main__":
    sys.exit(main())
