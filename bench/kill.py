"""Kills the bot with SIGKILL while people write to it, round after round, and counts what it cost them: it may cost nothing.

Each person sends a numbered row of taps and messages that lead to cards she can be told apart by. At the end every turn must have
been answered, in order, and none twice, except the one letter of hers that was on its way when the bot was killed.
On Telegram with the webhook and polled, and on Messenger.
Run: .venv/bin/python -m bench.kill [--rounds 30] [--seed N]. Exit status 1 when anything of this was violated.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import astuple, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple, Protocol

import aiohttp

from bot.config import load_config
from bot.content import put_into_words
from bot.dialogue import START, Guide, respond
from bot.files import HOUSE
from bot.guide import open_guide
from bot.model import Conversation, LanguageNoticed, Message, RiskNoticed, Suspected, say
from bot.understand.fold import fold
from tests.standins.messenger import APP_SECRET, PAGE_TOKEN, VERIFY_TOKEN, MessengerStandIn

TOKEN, SECRET = "42:KILL", "kill"
PEOPLE = 40
FIRST_PERSON = 7_000_000
LONGEST_LIFE = 1.5  # seconds from the moment the bot answers to its death
PATIENCE = 45.0  # seconds after which an answer counts as lost
NEAR = 30  # turns: an answer to one further off than this is rather one to the same card in another lap


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
    """What became of the turns. All but `turns`, `doubled` and `late` must be 0."""

    turns: int = 0
    doubled: int = 0  # letters that came twice, as one may that is on its way at a kill
    late: int = 0  # answered after a later one, on a platform that promises no order once a delivery has failed
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


def judge(turns: Sequence[Turn], heard: Sequence[Heard], starts: Sequence[float], *, ordered: bool = True) -> Tally:
    """Attribute what one person heard to her turns. `starts`: when the bot was started again. `ordered`: the platform brings
    what she sent in order even after it failed to; Messenger does not promise that (Meta, "Webhooks": best practices).
    """
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
                tally.out_of_order += number not in came and ordered
                tally.late += number not in came and not ordered
                if number not in came and not ordered:
                    now, following = number, 1
                    before = at
                    came[number] += following == len(turns[number].texts)
                    continue
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
    cards: tuple[dict[str, Turn], ...]  # the ways to each card: a tap, and words where some are sure to lead there


def make_deck(guide: Guide) -> Deck:
    library = guide.library

    def texts(name: str) -> tuple[str, ...]:
        return tuple(words.text for words in put_into_words(say(name), "mn", library))

    plain = [
        name
        for name, card in library.cards["mn"].items()
        if card.kind in ("article", "menu") and name != START and not name.startswith("talk/")
    ]
    shared = Counter(text for name in (*plain, START, "talk/demo") for text in texts(name))
    own = [name for name in plain if all(shared[text] == 1 for text in texts(name))]
    labels = {fold(card.label) for card in library.cards["mn"].values()}
    known = Conversation(language="mn", met=True)

    def phrase(name: str) -> str | None:
        """What can be typed to get to this card, whatever was said before."""
        for ask in library.card("mn", name).asks[:4]:
            if fold(ask) not in labels:
                replies, events = respond(guide, known, Message("1", "telegram", "1", text=ask))
                heard = any(isinstance(event, Suspected | RiskNoticed | LanguageNoticed) for event in events)
                if [reply.name for reply in replies] == [name] and not heard:
                    return ask
        return None

    def ways(name: str) -> dict[str, Turn]:
        ask = phrase(name)
        typed = {"write": Turn("write", ask, texts(name))} if ask else {}
        return {"tap": Turn("tap", name, texts(name)), **typed}

    return Deck(Turn("tap", START, (*texts("talk/demo"), *texts(START))), tuple(ways(name) for name in own))


@dataclass
class Person:
    """Someone who goes on writing until she is told to stop, alone or three times in a row without waiting."""

    id: int
    deck: Deck
    dice: random.Random
    platform: "Platform"
    turns: list[Turn] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)

    async def live(self, stop: asyncio.Event) -> None:
        await self.do([self.deck.first])
        # one row of all cards, again and again: a card comes back only when its last answer is long past
        row = itertools.cycle(self.dice.sample(self.deck.cards, len(self.deck.cards)))
        while not stop.is_set():
            # Telegram keeps the order of taps, and of messages, not of both together: what is sent in one go is of one kind
            kind = self.dice.choice(("tap", "tap", "write"))
            ahead = list(itertools.islice((ways[kind] for ways in row if kind in ways), self.dice.choice((1, 3))))
            if not await self.do(ahead):
                return
            await asyncio.sleep(self.dice.uniform(0.0, 0.1))

    async def do(self, turns: Sequence[Turn]) -> bool:
        """Send these at once, and wait for the answer to the last. False when it does not come."""
        begun = len(self.heard)
        for turn in turns:
            await self.platform.act(self.id, turn)
            self.turns.append(turn)
        until = time.monotonic() + PATIENCE
        while turns[-1].texts[-1] not in (heard.text for heard in self.heard[begun:]):
            if time.monotonic() > until:
                return False
            await self.listen(wait=5)
        return True

    async def listen(self, wait: int = 0) -> None:
        self.heard += await self.platform.heard(self.id, len(self.heard), wait)


class Platform(Protocol):
    """A stand-in for a platform, as the drill uses it."""

    async def act(self, person: int, turn: Turn) -> None:
        """Returns as soon as the platform has it, whether the bot lives or not."""

    async def heard(self, person: int, after: int, wait: int) -> list[Heard]:
        """What reached her after so many messages, once there is something, or so many seconds later."""

    async def pending(self) -> bool:
        """Whether something is on its way to the bot."""

    async def turning(self) -> int:
        """Taps whose button still turns."""


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

    async def pending(self) -> bool:
        return bool((await self.ask("state"))["pending"])

    async def turning(self) -> int:
        return len((await self.ask("state"))["spinning"])


@dataclass
class Messenger:
    """The stand-in for Messenger, in this process. Its clock is that of the drill."""

    graph: MessengerStandIn

    async def act(self, person: int, turn: Turn) -> None:
        hers = self.graph.person(str(person))
        if turn.kind == "tap":
            hers.tap_raw(turn.what)
        else:
            hers.write(turn.what)

    async def heard(self, person: int, after: int, wait: int) -> list[Heard]:
        received = self.graph.person(str(person)).received
        with suppress(TimeoutError):
            await self.graph.wait_for(lambda: len(received) > after, wait)
        return [Heard(sent.text, sent.at) for sent in received[after:]]

    async def pending(self) -> bool:
        try:
            await self.graph.settled(0.01)
        except TimeoutError:
            return True
        return False

    async def turning(self) -> int:
        return 0


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


def template() -> None:
    """Fork a bot for every line of settings, and tell its process id, then its exit status.

    Each is `umbrella serve`, but for its imports and the reading of the content, which are done once here: seconds in which
    there is nothing to lose, and which would leave no time for rounds.
    """
    import bot.platforms.messenger  # imported only when the platform is on: aiogram takes seconds
    import bot.platforms.telegram
    import bot.serve
    from bot.__main__ import main

    guide = open_guide(load_config())
    setattr(bot.serve, "open_guide", lambda *_: guide)  # noqa: B010 - mypy would not have it assigned
    print(flush=True)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os.environ.update(json.loads(line))
            os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
            os._exit(main(["serve"]))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


@dataclass
class Bot:
    """`umbrella serve`, to be killed and started again over the same data."""

    home: Path
    session: aiohttp.ClientSession
    template: asyncio.subprocess.Process
    port: int
    starts: list[float] = field(default_factory=list)
    running: int = 0  # its process id, 0 when it does not run

    async def start(self, channel: Mapping[str, str]) -> None:
        """Start it with these settings, and wait until it answers."""
        settings = {
            "HOME": str(self.home / "var"),
            "WEB_PORT": str(self.port),
            "SEND_PER_SECOND": "1000",
            "SEND_BURST_PER_CHAT": "20",
            **channel,
        }
        self.starts.append(time.monotonic())
        assert self.template.stdin is not None
        self.template.stdin.write(json.dumps({f"UMBRELLA_{name}": value for name, value in settings.items()}).encode() + b"\n")
        self.running = await self.told()
        async with asyncio.timeout(30):
            while not await self.answers():
                await asyncio.sleep(0.02)

    async def told(self) -> int:
        """The next number from the template."""
        assert self.template.stdout is not None
        line = await self.template.stdout.readline()
        if not line:
            raise RuntimeError("the bot could not be started")
        return int(line)

    async def answers(self) -> bool:
        with suppress(aiohttp.ClientError):
            async with self.session.get(f"http://127.0.0.1:{self.port}/healthz") as response:
                return response.status == 200
        return False

    async def waiting(self) -> int:
        async with self.session.get(f"http://127.0.0.1:{self.port}/readyz") as response:
            return int((await response.json())["letters_waiting"])

    async def end(self, how: signal.Signals) -> int:
        """Kill it, or ask it to stop. Gives back its exit status."""
        os.kill(self.running, how)
        async with asyncio.timeout(20):
            status = await self.told()
        self.running = 0
        await asyncio.sleep(0.1)  # what it had said by then is heard before it is started again
        return status


@asynccontextmanager
async def installed(home: Path, session: aiohttp.ClientSession) -> AsyncIterator[Bot]:
    """A bot that can be started. None is left running after this block."""
    log = home / "log"
    with log.open("a") as told:
        command, pipe = (sys.executable, "-m", "bench.kill", "--template"), asyncio.subprocess.PIPE
        async with running(*command, env=clean_environment(), stdin=pipe, stdout=pipe, stderr=told) as process:
            assert process.stdout is not None
            async with asyncio.timeout(60):
                await process.stdout.readline()
            bot = Bot(home, session, process, free_port())
            try:
                yield bot
            except Exception:
                print(log.read_text()[-3000:], file=sys.stderr)
                raise
            finally:
                if bot.running:
                    with suppress(ProcessLookupError):
                        os.kill(bot.running, signal.SIGKILL)


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


async def quiet(bot: Bot, platform: Platform) -> None:
    """Wait until nothing is on its way in either direction."""
    while await platform.pending() or await bot.waiting():
        await asyncio.sleep(0.05)


@dataclass(frozen=True)
class Report:
    """What a drill came to."""

    tally: Tally
    kills: int
    settled: bool  # nothing is on its way any more, in either direction
    turning: int  # taps whose button still turns at the end
    ended: int  # exit status of the last bot, which was asked to stop

    @property
    def good(self) -> bool:
        return self.tally.whole and self.settled and not self.turning and not self.ended


async def drill_telegram(webhook: int, polling: int, seed: int, people: int = PEOPLE) -> Report:
    """So many rounds with the webhook, then so many polled, over the same people and data."""
    async with AsyncExitStack() as stack:
        session, bot = await stack.enter_async_context(stage())
        api = await stack.enter_async_context(telegram(session))
        settings = {
            "TELEGRAM_TOKEN": TOKEN,
            "TELEGRAM_SECRET": SECRET,
            "TELEGRAM_API": api.base,
            "TELEGRAM_POLL_SECONDS": "5",
        }
        reached = settings | {"WEB_PUBLIC_URL": f"http://127.0.0.1:{bot.port}"}
        return await drill(bot, api, [reached] * webhook + [settings] * polling, seed, people)


async def drill_messenger(rounds: int, seed: int, people: int = PEOPLE) -> Report:
    """So many rounds on Messenger."""
    async with AsyncExitStack() as stack:
        _, bot = await stack.enter_async_context(stage())
        # what happens is timed by the clock that times the starts; Meta's hour of retries is made two minutes
        graph = await stack.enter_async_context(MessengerStandIn(clock=time.monotonic, pace=1 / 30))
        settings = {
            "MESSENGER_PAGE_ID": graph.page_id,
            "MESSENGER_PAGE_TOKEN": PAGE_TOKEN,
            "MESSENGER_APP_SECRET": APP_SECRET,
            "MESSENGER_VERIFY_TOKEN": VERIFY_TOKEN,
            "MESSENGER_API": graph.base,
        }

        async def reach() -> None:
            await graph.webhook(f"http://127.0.0.1:{bot.port}/channels/messenger")

        return await drill(bot, Messenger(graph), [settings] * rounds, seed, people, reach, ordered=False)


@asynccontextmanager
async def stage() -> AsyncIterator[tuple[aiohttp.ClientSession, Bot]]:
    """A bot that can be started, over data of its own, and a session to talk to it and to stand-ins."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="kill-", ignore_cleanup_errors=True)))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(30))
        )
        yield session, await stack.enter_async_context(installed(home, session))


async def nothing() -> None:
    """What is to be done once the bot runs, where there is nothing."""


async def drill(
    bot: Bot,
    platform: Platform,
    modes: Sequence[Mapping[str, str]],
    seed: int,
    people: int,
    reach: Callable[[], Awaitable[None]] = nothing,
    ordered: bool = True,
) -> Report:
    """A round for each of the modes, which are settings of the bot, over the same people and data. `reach` when it first runs."""
    dice = random.Random(seed)
    deck = make_deck(open_guide(load_config()))
    await bot.start(modes[0])
    await reach()
    crowd = [Person(FIRST_PERSON + number, deck, random.Random(dice.random()), platform) for number in range(people)]
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as busy:
        for person in crowd:
            busy.create_task(person.live(stop))
        for following in (*modes[1:], modes[-1]):
            await asyncio.sleep(moment(dice))
            await bot.end(signal.SIGKILL)
            await bot.start(following)
        stop.set()
    try:
        async with asyncio.timeout(PATIENCE):
            await quiet(bot, platform)
        settled = True
    except TimeoutError:
        settled = False
    ended = await bot.end(signal.SIGTERM)
    for person in crowd:
        await person.listen()
    turning = await platform.turning()
    tally = Tally()
    for person in crowd:
        hers = judge(person.turns, person.heard, bot.starts, ordered=ordered)
        hers.faults = tuple(f"person {person.id}: {fault}" for fault in hers.faults)
        tally += hers
    return Report(tally, len(modes), settled, turning, ended)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.kill", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="a third each: the webhook, polled, Messenger")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--template", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.template:
        template()
        return 0
    print(f"seed {options.seed}", flush=True)
    third = max(1, options.rounds // 3)
    telegram, messenger = drill_telegram(third, third, options.seed), drill_messenger(third, options.seed)
    return max(told("Telegram", telegram), told("Messenger", messenger))


def told(name: str, drilled: Coroutine[Any, Any, Report]) -> int:
    """Run a drill and print what it came to. 0 when nothing was violated."""
    began = time.monotonic()
    report = asyncio.run(drilled)
    tally = report.tally
    print(f"{name}: rounds {report.kills}, people {PEOPLE}, turns {tally.turns}, {time.monotonic() - began:.0f} s")
    print(f"lost {tally.lost}, out of order {tally.out_of_order}, answers to nothing {tally.strange}")
    print(f"answered late, as the platform brought it {tally.late}")
    print(f"doubled {tally.doubled} (on their way at a kill), doubled beyond that {tally.doubled_beyond}")
    print(f"buttons left turning {report.turning}; the last bot, asked to stop, ended with {report.ended}")
    if not report.settled:
        print(f"{PATIENCE:.0f} s after the last kill something was still on its way")
    for fault in tally.faults:
        print(fault)
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
