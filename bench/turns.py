"""Tells how many turns a second one process keeps, beside what the same machine does at best and at worst in the same minute.

A turn is one Telegram update, or one Messenger post: posted to the webhook, committed (SQLite, WAL, synchronous=FULL), 200
answered, the letter handed to the sender. Beside it stand (a) a bare uvicorn handler that checks an HMAC and echoes, (b) a bare
group-commit loop without HTTP, (c) the same turn with one commit each. Rounds alternate, house and baseline, and only medians of
ratios are to be believed: figures drift with the machine. Run: .venv/bin/python -m bench.turns [--quick]
"""

import argparse
import asyncio
import hmac
import itertools
import json
import os
import random
import socket
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, cast
from unittest.mock import patch

import msgspec
import uvicorn
import uvloop
from sqlalchemy import bindparam, event, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.config import load_config
from bot.files import HOUSE
from bot.load import load_library
from bot.model import Conversation, Message
from bot.serve import open_house, server_config
from bot.store import Decide, Kept, Letter, Outgoing, Store, dump, restore
from bot.store.sqlite import set_pragmas
from bot.store.tables import conversations, metadata, outbox, seen
from bot.train import train
from bot.web.messenger import PATH as MESSENGER_PATH
from bot.web.telegram import HEADER, PATH

KEY = b"bench"
SECRET = "bench"
CHATS = 1000
FIRST_CHAT = 7_000_000_000  # as long as a Telegram id of today
LEVELS = (1, 8, 64)
TAPS = ("menu/signs", "signs/list", "help/hotlines", "menu/travel", "travel/korea", "help/counsellor", "menu/help", "menu/about")
TARGETS = {"of_bare": 0.12, "of_commits": 0.4, "times_each": 6.0}
P99_MS = 60.0
UPDATE_IDS = itertools.count(100_000_001)


@dataclass(frozen=True)
class Plan:
    """How long to look."""

    seconds: float  # a round
    pairs: int  # of rounds, at 64 in flight
    other_pairs: int  # at the rest
    typed_levels: tuple[int, ...]
    sent_turns: int  # in a round that really sends


FULL = Plan(seconds=0.85, pairs=5, other_pairs=3, typed_levels=LEVELS, sent_turns=500)
QUICK = Plan(seconds=0.3, pairs=3, other_pairs=1, typed_levels=LEVELS[-1:], sent_turns=60)


@dataclass(frozen=True)
class Round:
    """What one round came to."""

    rate: float  # turns a second
    p50: float  # ms
    p99: float
    faults: int = 0
    busy: float = 0.0  # how much of a core the load generator took: near 1 it measures itself


def summed_up(taken: list[float], elapsed: float, faults: int = 0, busy: float = 0.0) -> Round:
    ordered = sorted(taken) or [0.0]
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 for share in (0.5, 0.99)]
    return Round(len(taken) / elapsed, at[0], at[1], faults, busy)


# --- what is posted -------------------------------------------------------------------------------------------------------


class Bodies:
    """Requests as the platforms make them: letters beyond ASCII escaped, a tap with the message it stood under."""

    def __init__(self) -> None:
        library = load_library(HOUSE / "content")
        self.phrases = [json.dumps(ask) for card in library.cards["mn"].values() for ask in card.asks[:3]]
        random.Random(1).shuffle(self.phrases)
        keyboard = [[{"text": library.card("mn", name).label, "callback_data": name}] for name in TAPS]
        self.under = json.dumps({"inline_keyboard": keyboard})
        self.text = json.dumps(library.part("mn", "signs/list").messages[0])

    def of(self, kind: str) -> Callable[[int, int], bytes]:
        """The requests of this kind, by number and chat."""
        return {"taps": self.tap, "typed": self.typed, "messenger": self.messenger}[kind]

    def tap(self, number: int, chat: int) -> bytes:
        person = f'"id":{chat},"first_name":"Person","language_code":"mn"'
        return request(
            PATH, f"{HEADER}: {SECRET}",
            f'{{"update_id":{number},"callback_query":{{"id":"{30064771072000000 + number}","from":{{"is_bot":false,{person}}},'
            f'"message":{{"message_id":{number},"from":{{"id":42,"is_bot":true,"first_name":"Bot","username":"sm_bot"}},'
            f'"chat":{{"type":"private",{person}}},"date":1790000000,"text":{self.text},"reply_markup":{self.under}}},'
            f'"chat_instance":"-3921000000000000000","data":"{TAPS[number % len(TAPS)]}"}}}}',
        )  # fmt: skip

    def typed(self, number: int, chat: int) -> bytes:
        person = f'"id":{chat},"first_name":"Person","language_code":"mn"'
        return request(
            PATH, f"{HEADER}: {SECRET}",
            f'{{"update_id":{number},"message":{{"message_id":{number},"from":{{"is_bot":false,{person}}},'
            f'"chat":{{"type":"private",{person}}},"date":1790000000,"text":{self.phrases[number % len(self.phrases)]}}}}}',
        )  # fmt: skip

    def messenger(self, number: int, chat: int) -> bytes:
        """A quick reply on Messenger, signed as Meta signs."""
        posted = (
            f'{{"object":"page","entry":[{{"id":"1","time":1790000000000,"messaging":[{{"sender":{{"id":"{chat}"}},'
            f'"recipient":{{"id":"1"}},"timestamp":1790000000000,"message":{{"mid":"m_{number}","text":"\\u0422\\u0438\\u0439\\u043c",'
            f'"quick_reply":{{"payload":"{TAPS[number % len(TAPS)]}"}}}}}}]}}]}}'
        )
        signed = hmac.digest(SECRET.encode(), posted.encode(), "sha256").hex()
        return request(MESSENGER_PATH, f"X-Hub-Signature-256: sha256={signed}", posted)


def request(path: str, header: str, body: str) -> bytes:
    """A post, with the signature that the bare handler checks beside the platform's own."""
    posted = body.encode()
    signed = hmac.digest(KEY, posted, "sha256").hex()
    return (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n{header}\r\n"
        f"x-signature: {signed}\r\ncontent-length: {len(posted)}\r\n\r\n"
    ).encode() + posted


def requests(body: Callable[[int, int], bytes], line: int, lines: int) -> Iterator[bytes]:
    """Posts for one connection, without end. No chat is on two connections: a person does not wait behind herself."""
    for chat in itertools.cycle(range(line, CHATS, lines)):
        yield body(next(UPDATE_IDS), FIRST_CHAT + chat)


class Line(asyncio.Protocol):
    """One kept-alive connection that posts, waits for the answer, and posts the next. Bare, so that it costs little."""

    def __init__(self, posts: Iterator[bytes]) -> None:
        self.posts, self.taken, self.faults = posts, list[float](), 0
        self.until, self.sent, self.answer = 0.0, 0.0, b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def run(self, until: float) -> None:
        self.until = until
        self.post()

    def post(self) -> None:
        request = next(self.posts, None)
        if request is None:
            self.end()
            return
        self.sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.answer += data
        end = self.answer.find(b"\r\n\r\n")
        if end < 0:
            return
        at = self.answer.find(b"content-length: ")
        length = int(self.answer[at + 16 : self.answer.index(b"\r\n", at)]) if 0 <= at < end else 0
        if len(self.answer) < end + 4 + length:
            return
        now = time.perf_counter()
        self.taken.append(now - self.sent)
        self.faults += not self.answer.startswith(b"HTTP/1.1 200")
        self.answer = b""
        if now < self.until:
            self.post()
        else:
            self.end()

    def end(self) -> None:
        self.transport.close()
        if not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.faults += 1
            self.done.set_result(None)


async def load(port: int, body: Callable[[int, int], bytes], lines: int, seconds: float, turns: int | None = None) -> Round:
    """Post on so many connections, for so many seconds or until so many turns are answered."""
    loop = asyncio.get_running_loop()
    ready = []
    for number in range(lines):
        posts = requests(body, number, lines)
        own = None if turns is None else turns // lines + (number < turns % lines)
        _, line = await loop.create_connection(partial(Line, itertools.islice(posts, own)), "127.0.0.1", port)
        ready.append(line)
    started, worked = time.perf_counter(), time.process_time()
    for line in ready:
        line.run(started + seconds)
    await asyncio.gather(*(line.done for line in ready))
    elapsed = time.perf_counter() - started
    taken = [each for line in ready for each in line.taken]
    return summed_up(taken, elapsed, sum(line.faults for line in ready), (time.process_time() - worked) / elapsed)


# --- the processes that are measured: each tells its port in its first line, and ends when its input does ------------------


async def orders() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def listening() -> socket.socket:
    """A socket that listens on a free port already, so that no one who is told the port comes too early."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", 0))
    taken.listen(1024)
    return taken


async def serve(app: ASGIApp, on: socket.socket) -> None:
    """Serve as bot.serve does, until the input ends."""
    server = uvicorn.Server(server_config(app))
    serving = asyncio.create_task(server.serve(sockets=[on]))
    print(on.getsockname()[1], flush=True)
    await (await orders()).read()
    server.should_exit = True
    await serving


async def run_bare(_: argparse.Namespace) -> None:
    """(a)"""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        signed = next((value for name, value in scope["headers"] if name == b"x-signature"), b"")
        good = hmac.compare_digest(signed, hmac.digest(KEY, body, "sha256").hex().encode())
        length = str(len(body)).encode()
        await send({"type": "http.response.start", "status": 200 if good else 403, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": body})

    await serve(app, listening())


class OneCommitEach(Store):
    """(c): the same turn, kept in a transaction of its own, the ordinary way: SQLAlchemy Core, statements built once."""

    SEEN = select(seen.c.mark).where(seen.c.mark == bindparam("known"))
    STATE = select(conversations.c.state).where(conversations.c.person == bindparam("who"))
    _upsert = insert(conversations)
    KEEP_STATE = _upsert.on_conflict_do_update(
        index_elements=[conversations.c.person], set_={"state": _upsert.excluded.state, "day": _upsert.excluded.day}
    )
    KEEP_SEEN, KEEP_OUTBOX = seen.insert(), outbox.insert()
    LOCK = asyncio.Lock()  # SQLite takes one writer at a time; without it the others are told that the database is locked

    async def turn(self, message: Message, decide: Decide, *, sends: bool) -> Kept | None:
        person = self.keys.pseudonym(message.channel, message.address)
        mark = self.keys.mark(message.channel, message.id)
        async with self.LOCK, self._engine.begin() as db:
            if (await db.execute(self.SEEN, {"known": mark})).first():
                return None
            row = (await db.execute(self.STATE, {"who": person})).first()
            conversation = restore(row.state) if row else Conversation()
            answer = decide(conversation)
            then = conversation.after(answer.events)
            self._next_id += 1
            letter = Letter(then.language, tuple(answer.replies))
            outgoing = Outgoing(self._next_id, person, message.channel, message.address, message.receipt, letter)
            sealed = self.keys.seal(f"{message.address}\n{message.receipt}", person)
            replies = msgspec.json.encode(letter).decode()
            await db.execute(self.KEEP_SEEN, {"mark": mark, "day": 1})
            await db.execute(self.KEEP_STATE, {"person": person, "state": dump(then), "day": 1})
            kept = {
                "id": outgoing.id,
                "person": person,
                "channel": "telegram",
                "sealed": sealed,
                "replies": replies,
                "due": 0,
                "born": 0,
            }
            await db.execute(self.KEEP_OUTBOX, kept)
        return Kept(answer, then.language, outgoing)


async def run_house(options: argparse.Namespace) -> None:
    """The bot itself, from bot.serve. With --one-commit-each it is (c)."""
    on = listening()
    port = on.getsockname()[1]
    config = load_config(
        environ={
            "UMBRELLA_HOME": mkdtemp(dir=options.home),  # in the directory that the parent takes away
            "UMBRELLA_MODEL": str(load_config().models.resolve()),
            "UMBRELLA_WEB_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "UMBRELLA_TELEGRAM_TOKEN": "42:BENCH",
            "UMBRELLA_TELEGRAM_SECRET": SECRET,
            "UMBRELLA_TELEGRAM_API": options.sink,
            "UMBRELLA_MESSENGER_PAGE_ID": "1",
            "UMBRELLA_MESSENGER_PAGE_TOKEN": "bench",
            "UMBRELLA_MESSENGER_APP_SECRET": SECRET,
            "UMBRELLA_MESSENGER_VERIFY_TOKEN": SECRET,
            "UMBRELLA_MESSENGER_API": options.sink,
        }
    )
    with patch("bot.serve.Store", OneCommitEach if options.one_commit_each else Store):
        async with open_house(config) as house:
            handed = deque[Outgoing](maxlen=1)

            if options.send:
                # the platform's limits are taken away: what the sender itself costs is looked at
                house.sender.per_second, house.sender.burst_per_chat = 1e6, 1_000_000
                house.sender.open({platform.name: platform.client for platform in house.platforms})
            else:
                house.service.send = handed.append
            await serve(house.app(), on)


async def run_sink(_: argparse.Namespace) -> None:
    """A Bot API that answers every call at once and looks at nothing."""
    said = {"message_id": 1, "date": 1790000000, "chat": {"id": 1, "type": "private"}, "text": "."}

    def answer(result: object) -> bytes:
        body = json.dumps({"ok": True, "result": result}).encode()
        return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body

    message, yes = answer(said), answer(True)

    class Call(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport, self.asked = cast(asyncio.Transport, transport), b""

        def data_received(self, data: bytes) -> None:
            self.asked += data
            while (end := self.asked.find(b"\r\n\r\n")) >= 0:
                head = self.asked[:end].lower()
                at = head.find(b"content-length:")
                length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
                if len(self.asked) < end + 4 + length:
                    return
                self.asked = self.asked[end + 4 + length :]
                self.transport.write(message if b"/sendmessage " in head else yes)

    server = await asyncio.get_running_loop().create_server(Call, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await (await orders()).read()
    server.close()


class Commits:
    """(b): read state, write state, seen, outbox, for as many as wait, in one commit. Nothing is decided."""

    SEEN = select(seen.c.mark).where(seen.c.mark.in_(bindparam("marks", expanding=True)))
    STATES = select(conversations.c.person, conversations.c.state).where(
        conversations.c.person.in_(bindparam("people", expanding=True))
    )
    _upsert = insert(conversations)
    KEEP_STATE = _upsert.on_conflict_do_update(
        index_elements=[conversations.c.person], set_={"state": _upsert.excluded.state, "day": _upsert.excluded.day}
    )
    STATE = json.dumps({"language": "mn", "met": True, "trail": list(TAPS), "said": [["signs/list", []]] * 2})
    LETTER = json.dumps(["mn", [["signs/list", [["help/emergency", "help"], ["menu/main", "menu"], ["back", "back"]]]]])

    def __init__(self, db: AsyncConnection) -> None:
        self.db = db
        self.waiting: list[tuple[bytes, bytes, asyncio.Future[None]]] = []
        self.wake = asyncio.Event()
        self.ids = itertools.count(1)

    async def run(self) -> None:
        while True:
            await self.wake.wait()
            self.wake.clear()
            while self.waiting:
                batch, self.waiting = self.waiting, []
                await self.keep(batch)
                for _, _, future in batch:
                    future.set_result(None)

    async def keep(self, batch: Sequence[tuple[bytes, bytes, asyncio.Future[None]]]) -> None:
        people = list({person for person, _, _ in batch})
        async with self.db.begin():
            (await self.db.execute(self.SEEN, {"marks": [mark for _, mark, _ in batch]})).all()
            (await self.db.execute(self.STATES, {"people": people})).all()
            await self.db.execute(seen.insert(), [{"mark": mark, "day": 1} for _, mark, _ in batch])
            await self.db.execute(self.KEEP_STATE, [{"person": person, "state": self.STATE, "day": 1} for person in people])
            letter = self.LETTER
            letters = [
                {
                    "id": next(self.ids),
                    "person": person,
                    "channel": "telegram",
                    "sealed": bytes(60),
                    "replies": letter,
                    "due": 0,
                    "born": 0,
                }
                for person, _, _ in batch
            ]
            await self.db.execute(outbox.insert(), letters)

    async def load(self, lines: int, seconds: float) -> Round:
        loop = asyncio.get_running_loop()
        taken = list[float]()
        started = time.perf_counter()

        async def line(number: int) -> None:
            for chat in itertools.cycle(range(number, CHATS, lines)):
                began = time.perf_counter()
                if began > started + seconds:
                    return
                future: asyncio.Future[None] = loop.create_future()
                self.waiting.append((chat.to_bytes(16), os.urandom(16), future))
                self.wake.set()
                await future
                taken.append(time.perf_counter() - began)

        await asyncio.gather(*(line(number) for number in range(lines)))
        return summed_up(taken, time.perf_counter() - started)


async def run_commits(options: argparse.Namespace) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{options.home}/commits.db")
    event.listen(engine.sync_engine, "connect", set_pragmas)
    async with engine.begin() as db:
        await db.run_sync(metadata.create_all)
    async with engine.connect() as db:
        commits = Commits(db)
        running = asyncio.create_task(commits.run())
        print(0, flush=True)
        asked = await orders()
        while order := await asked.readline():
            lines, seconds = order.split()
            result = await commits.load(int(lines), float(seconds))
            print(json.dumps([result.rate, result.p50, result.p99]), flush=True)
        running.cancel()
    await engine.dispose()


ROLES = {"bare": run_bare, "house": run_house, "sink": run_sink, "commits": run_commits}


# --- the measuring --------------------------------------------------------------------------------------------------------


@dataclass
class Child:
    """One of the processes above."""

    process: asyncio.subprocess.Process
    port: int

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def order(self, order: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{order}\n".encode())
        return json.loads(await self.process.stdout.readline())


@asynccontextmanager
async def child(role: str, *options: str) -> AsyncIterator[Child]:
    """A process in this role, ready. It ends with this block, whatever happens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.turns", "--role", role, *options,
        cwd=HOUSE, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            told = await process.stdout.readline()
        if not told:
            raise RuntimeError(f"{role} did not start")
        yield Child(process, int(told))
    finally:
        process.stdin.close()  # may be closed already: that is no fault
        try:
            async with asyncio.timeout(8):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


@dataclass
class Bench:
    """The processes, and one way to run a round in each."""

    plan: Plan
    bodies: Bodies
    bare: Child
    commits: Child
    house: Child
    each: Child
    sending: Child

    async def warm_up(self) -> None:
        """Every chat has met the bot, and every branch has been run, before anything is measured."""
        houses = (self.house, self.each, self.sending)
        await asyncio.gather(*(load(house.port, self.bodies.tap, 64, 60.0, CHATS) for house in houses))
        for kind in (self.bodies.tap, self.bodies.typed, self.bodies.messenger):
            await asyncio.gather(*(load(house.port, kind, 8, 60.0, 16) for house in (*houses, self.bare)))
        await self.commits.order("64 0.3")
        await self.all_sent()

    async def all_sent(self) -> None:
        """Wait until the sender has no letter left."""
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.sending.port)
            writer.write(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
            report = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])
            writer.close()
            if not report["letters_waiting"]:
                return
            await asyncio.sleep(0.02)

    async def group_commit(self, lines: int) -> Round:
        return Round(*await self.commits.order(f"{lines} {self.plan.seconds}"))

    async def compare(self, kind: str, lines: int, pairs: int) -> dict[str, list[tuple[Round, Round]]]:
        """Pairs of rounds, the house and one baseline: A B A B."""
        body = self.bodies.of(kind)
        baselines: dict[str, Callable[[], Awaitable[Round]]] = {
            "of_bare": lambda: load(self.bare.port, body, lines, self.plan.seconds),
            "of_commits": lambda: self.group_commit(lines),
            "times_each": lambda: load(self.each.port, body, lines, self.plan.seconds),
        }
        found: dict[str, list[tuple[Round, Round]]] = {name: [] for name in baselines}
        for _ in range(pairs):
            for name, baseline in baselines.items():
                ours = await load(self.house.port, body, lines, self.plan.seconds)
                found[name].append((ours, await baseline()))
        return found

    async def answered(self, kind: str, lines: int) -> tuple[Round, float]:
        """A round that really sends: what was acknowledged, and turns a second until the last message was out."""
        body = self.bodies.of(kind)
        turns = max(self.plan.sent_turns * lines // 64, self.plan.sent_turns // 4)
        began = time.perf_counter()
        acknowledged = await load(self.sending.port, body, lines, 30.0, turns)
        await self.all_sent()
        return acknowledged, turns / (time.perf_counter() - began)


@asynccontextmanager
async def started(plan: Plan) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        under = stack.enter_context(TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True))
        sink = await stack.enter_async_context(child("sink"))
        home, api = ("--home", under), ("--sink", f"http://127.0.0.1:{sink.port}")
        asked = (
            ("bare",),
            ("commits", *home),
            ("house", *home, *api),
            ("house", *home, *api, "--one-commit-each"),
            ("house", *home, *api, "--send"),
        )
        ready = await asyncio.gather(*(stack.enter_async_context(child(*options)) for options in asked))
        for each in ready:  # all are told to end at once, before each is waited for
            stack.callback(each.end)
        yield Bench(plan, Bodies(), *ready)


NAMES = {"of_bare": "(a) bare uvicorn", "of_commits": "(b) bare group commit", "times_each": "(c) one commit each"}


def middle(rounds: Sequence[Round]) -> Round:
    return Round(
        median(each.rate for each in rounds),
        median(each.p50 for each in rounds),
        median(each.p99 for each in rounds),
        sum(each.faults for each in rounds),
        median(each.busy for each in rounds),
    )


def show(name: str, lines: int, found: Round, ratio: str = "", note: str = "") -> None:
    faults = f"  {found.faults} FAULTS" if found.faults else ""
    print(f"{name:34} {lines:4} {found.rate:9,.0f} {found.p50:8.2f} {found.p99:8.2f}  {ratio:>7}  {note}{faults}", flush=True)


async def measure(plan: Plan) -> dict[str, dict[str, dict[str, float]]]:
    """Measure all, print the table as it comes, and give back the ratios."""
    told: dict[str, dict[str, dict[str, float]]] = {}
    async with started(plan) as bench:
        await bench.warm_up()
        print("house: letters are handed to a sender that only takes them. ratio: house / baseline, median of pairs.")
        print(f"{'':34} {'at':>4} {'turns/s':>9} {'p50 ms':>8} {'p99 ms':>8}  {'ratio':>7}", flush=True)
        for kind in ("taps", "typed", "messenger"):
            for lines in LEVELS if kind == "taps" else plan.typed_levels if kind == "typed" else LEVELS[-1:]:
                pairs = await bench.compare(kind, lines, plan.pairs if lines == LEVELS[-1] else plan.other_pairs)
                ours = middle([mine for found in pairs.values() for mine, _ in found])
                show(f"{kind}: house", lines, ours, note=f"load generator {ours.busy:.0%} of a core")
                ratios = {}
                for name, found in pairs.items():
                    ratios[name] = median(mine.rate / theirs.rate for mine, theirs in found)
                    theirs = middle([other for _, other in found])
                    busy = f"load generator {theirs.busy:.0%} of a core" if theirs.busy else ""
                    show(f"  {NAMES[name]}", lines, theirs, f"{ratios[name]:.2f}", busy)
                figures = {**ratios, "turns_s": ours.rate, "p50": ours.p50, "p99": ours.p99}
                told.setdefault(kind, {})[str(lines)] = {name: round(value, 3) for name, value in figures.items()}
        print("house, really sending (to a loopback Bot API in another process, platform limits off):")
        for kind, lines in (("taps", 1), ("taps", 8), ("taps", 64), ("typed", 64)):
            rounds = [await bench.answered(kind, lines) for _ in range(min(plan.other_pairs, 2))]
            answered = median(rate for _, rate in rounds)
            acknowledged = middle([found for found, _ in rounds])
            show(f"{kind}: house, acknowledged", lines, acknowledged, note=f"{answered:,.0f} answered/s")
            told[kind][str(lines)]["answered_s"] = round(answered, 1)
    return told


def judge(told: dict[str, dict[str, dict[str, float]]]) -> None:
    """Say which targets are met. Nothing fails by it: speed is looked at, never a test."""
    for kind in ("taps", "messenger"):
        found = told[kind][str(LEVELS[-1])]
        for name, target in TARGETS.items():
            met = "met" if found[name] >= target else "NOT MET"
            print(f"target: {kind} at 64, house / {NAMES[name]}: {found[name]:.3f}, at least {target}: {met}")
        met = "met" if found["p99"] < P99_MS else "NOT MET"
        print(f"target: {kind} at 64, p99 {found['p99']:.1f} ms, under {P99_MS:.0f}: {met}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.turns", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a rough look, under 40 s")
    parser.add_argument("--role", choices=list(ROLES), help=argparse.SUPPRESS)
    parser.add_argument("--home", help=argparse.SUPPRESS)
    parser.add_argument("--sink", help=argparse.SUPPRESS)
    parser.add_argument("--send", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--one-commit-each", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        uvloop.run(ROLES[options.role](options))
        return
    train(load_config().models)
    began = time.perf_counter()
    told = uvloop.run(measure(QUICK if options.quick else FULL))
    judge(told)
    print(f"{time.perf_counter() - began:.0f} s in all")
    print(json.dumps(told))


if __name__ == "__main__":
    main()
