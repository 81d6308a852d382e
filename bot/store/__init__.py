"""What is kept under a keyed pseudonym, each for its time: conversations, ids of messages answered, letters to send, counts.

Rule 5: a turn is one transaction. Seen-before, conversation and outgoing messages are committed together or not at all.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from sqlalchemy import bindparam, delete, event, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from bot.model import Answer, Conversation, Event, Message, Reply
from bot.store.counts import count_events, count_terms, counted, purge_counts, unanswered, week_of
from bot.store.sealing import Keys
from bot.store.sqlite import Batch, database_file, empty_log, probe, set_pragmas
from bot.store.tables import conversations, outbox, seen
from bot.store.writer import GroupWriter, StoreUnavailable

__all__ = ["Kept", "Outgoing", "Store", "StoreUnavailable"]

DAY = 86_400

Decide = Callable[[Conversation], Answer]


class Letter(NamedTuple):
    """What the bot says in one turn, by name, and in which language."""

    language: str
    replies: tuple[Reply, ...]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Replies that wait to be sent to one person."""

    id: int
    person: bytes
    channel: str
    address: str
    receipt: str
    letter: Letter
    sent: int = 0
    tries: int = 0
    due: float = 0.0
    born: float = 0.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A turn that has been committed: the answer, its language, and the letter that waits, where the channel sends letters."""

    answer: Answer
    language: str
    outgoing: Outgoing | None = None


@dataclass(frozen=True, slots=True)
class _Turn:
    message: Message
    decide: Decide
    sends: bool
    person: bytes
    mark: bytes


@dataclass(frozen=True, slots=True)
class _Sent:
    id: int


@dataclass(frozen=True, slots=True)
class _Postponed:
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class _Blocked:
    person: bytes
    blocked: bool


@dataclass(frozen=True, slots=True)
class _Purge:
    conversations_before: int  # day
    seen_before: int  # day
    outbox_before: float  # seconds
    counts_before: float  # seconds


@dataclass(frozen=True, slots=True)
class _Forget:
    person: bytes


@dataclass(frozen=True, slots=True)
class _Unanswered:
    person: bytes
    terms: tuple[str, ...]


_Work = _Unanswered | _Turn | _Sent | _Postponed | _Blocked | _Forget | _Purge

# Statements are built once: building them for each turn costs more than running them.
STATES = select(conversations.c.person, conversations.c.state).where(
    conversations.c.person.in_(bindparam("people", expanding=True))
)
# What every turn needs goes to the driver as it is, many turns at once: see `Batch`.
KNOWN = "SELECT mark, NULL FROM seen WHERE mark IN (%s) UNION ALL SELECT person, state FROM conversations WHERE person IN (%s)"
KEEP_SEEN = "INSERT INTO seen (mark, day) VALUES (?, ?)"
KEEP_STATE = (
    "INSERT INTO conversations (person, state, day) VALUES (?, ?, ?) "
    "ON CONFLICT (person) DO UPDATE SET state = excluded.state, day = excluded.day, blocked = 0"
)
KEEP_OUTBOX = "INSERT INTO outbox (id, person, channel, sealed, replies, due, born) VALUES (?, ?, ?, ?, ?, ?, ?)"
FORGET = delete(conversations).where(conversations.c.person == bindparam("gone"))
FORGET_OUTBOX = delete(outbox).where(outbox.c.person == bindparam("gone"))
SENT = delete(outbox).where(outbox.c.id == bindparam("done"))
POSTPONE = (
    update(outbox)
    .where(outbox.c.id == bindparam("late"))
    .values(sent=bindparam("sent_"), tries=bindparam("tries_"), due=bindparam("due_"))
)
BLOCK = update(conversations).where(conversations.c.person == bindparam("who")).values(blocked=bindparam("blocked_"))
_encode = msgspec.json.encode
_conversation = msgspec.json.Decoder(Conversation)
_letter = msgspec.json.Decoder(Letter)


def dump(conversation: Conversation) -> str:
    """The conversation as JSON."""
    return _encode(conversation).decode()


def restore(state: str) -> Conversation:
    """The conversation that was dumped. Fields that an older version did not have are at their defaults."""
    return _conversation.decode(state)


class Store:
    """Open it before use, close it after. Everything that writes goes through one group writer."""

    def __init__(self, url: str, keys: Keys, clock: Callable[[], float] = time.time) -> None:
        self.keys = keys
        self._clock = clock
        self._url = url
        self._engine = create_async_engine(url)
        event.listen(self._engine.sync_engine, "connect", set_pragmas)
        self._writer: GroupWriter[_Work] = GroupWriter(self._commit)
        self._connection: AsyncConnection | None = None
        self._next_id = 1

    async def open(self) -> None:
        """Bring the tables up to date and start writing. Raises StoreUnavailable when the database cannot be opened."""
        from bot.store.migrate import migrate  # alembic is needed here alone

        try:
            if (path := database_file(self._url)) is not None:
                probe(path)
            async with self._engine.begin() as db:
                await db.run_sync(migrate)
                self._next_id = (await db.execute(select(func.coalesce(func.max(outbox.c.id), 0)))).scalar_one() + 1
        except Exception as problem:
            await self._engine.dispose()
            raise StoreUnavailable(f"the database cannot be opened: {type(problem).__name__}: {problem}") from problem
        self._writer.start()

    async def close(self) -> None:
        """Commit what is waiting and let go of the database."""
        await self._writer.close()
        if self._connection is not None:
            await self._connection.close()
        await self._engine.dispose()

    async def turn(self, message: Message, decide: Decide, *, sends: bool) -> Kept | None:
        """One message, one transaction: `decide` answers it and what happened is kept. None when it was answered before.

        `sends`: the replies wait in the outbox. Raises StoreUnavailable when nothing could be kept, and what `decide` raises.
        Messages of one person are answered in the order in which this is called.
        """
        person = self.keys.pseudonym(message.channel, message.address)
        mark = self.keys.mark(message.channel, message.id)
        kept = await self._writer.submit(_Turn(message, decide, sends, person, mark))
        return kept if isinstance(kept, Kept) else None

    async def conversation(self, channel: str, address: str) -> Conversation | None:
        """What is remembered of this person, or None. Raises StoreUnavailable."""
        person = self.keys.pseudonym(channel, address)
        try:
            async with self._engine.connect() as db:
                row = (await db.execute(STATES, {"people": [person]})).first()
        except Exception as problem:
            raise StoreUnavailable(type(problem).__name__) from problem
        return restore(row.state) if row else None

    async def mark_sent(self, letter: Outgoing) -> None:
        await self._writer.submit(_Sent(letter.id))

    async def postpone(self, letter: Outgoing) -> None:
        """Keep how far this letter got and when it is due again."""
        await self._writer.submit(_Postponed(letter))

    async def mark_blocked(self, person: bytes, *, blocked: bool) -> None:
        """The person does not want to be written to, or does again. Nothing that waits for her is sent."""
        await self._writer.submit(_Blocked(person, blocked))

    async def forget(self, channel: str, address: str) -> None:
        """Delete everything about this person."""
        await self._writer.submit(_Forget(self.keys.pseudonym(channel, address)))

    async def purge(self, *, conversations_days: int, seen_days: int, outbox_hours: int, counts_weeks: int) -> None:
        """Forget what has been kept for its time, and take it out of the files."""
        now = self._clock()
        today = int(now // DAY)
        before = now - outbox_hours * 3600, now - counts_weeks * 7 * DAY
        await self._writer.submit(_Purge(today - conversations_days, today - seen_days, *before))

    async def waiting(self) -> list[Outgoing]:
        """Every letter that waits to be sent, oldest first."""
        async with self._engine.connect() as db:
            rows = (await db.execute(select(outbox).order_by(outbox.c.id))).all()
        letters = []
        for row in rows:
            address, _, receipt = self.keys.unseal(row.sealed, row.person).partition("\n")
            letter = _letter.decode(row.replies)
            how_far = row.sent, row.tries, row.due, row.born
            letters.append(Outgoing(row.id, row.person, row.channel, address, receipt, letter, *how_far))
        return letters

    async def ready(self) -> bool:
        """Whether the database answers and can be written to."""
        if not self._writer.running:
            return False
        try:
            async with self._engine.connect() as db:
                await db.execute(select(1))
        except Exception:
            return False
        return True

    async def _commit(self, works: list[_Work]) -> list[object]:
        if self._connection is None:
            self._connection = await self._engine.connect()
        try:
            async with self._connection.begin():
                results = await self._do(self._connection, works)
        except BaseException:
            broken, self._connection = self._connection, None
            await broken.invalidate()
            raise
        if any(isinstance(work, _Purge) for work in works):
            await empty_log(self._connection)
        return results

    async def _do(self, db: AsyncConnection, works: list[_Work]) -> list[object]:
        turns = [work for work in works if isinstance(work, _Turn)]
        kept = iter(await self._turns(db, turns) if turns else [])
        results: list[object] = [next(kept) if isinstance(work, _Turn) else None for work in works]
        if done := [{"done": work.id} for work in works if isinstance(work, _Sent)]:
            await db.execute(SENT, done)
        if late := [postponed(work.outgoing) for work in works if isinstance(work, _Postponed)]:
            await db.execute(POSTPONE, late)
        for work in works:
            match work:
                case _Blocked(person, blocked):
                    await db.execute(BLOCK, {"who": person, "blocked_": int(blocked)})
                    if blocked:
                        await db.execute(FORGET_OUTBOX, {"gone": person})
                case _Forget(person):
                    await db.execute(FORGET, {"gone": person})
                    await db.execute(FORGET_OUTBOX, {"gone": person})
                case _Unanswered(person, terms):
                    await count_terms(db, self.keys, person, terms, week_of(self._clock()))
                case _Purge():
                    await purge_counts(db, week_of(self._clock()), week_of(work.counts_before))
                    await db.execute(delete(conversations).where(conversations.c.day < work.conversations_before))
                    await db.execute(delete(seen).where(seen.c.day < work.seen_before))
                    await db.execute(delete(outbox).where(outbox.c.born < work.outbox_before))
        return results

    async def _turns(self, db: AsyncConnection, turns: Sequence[_Turn]) -> list[Kept | Exception | None]:
        """Answer these messages in order, and keep what happened."""
        batch = await Batch.on(db)
        known = await batch.read(KNOWN, [turn.mark for turn in turns], list({turn.person for turn in turns}))
        answered = {key for key, state in known if state is None}
        states = {key: restore(state) for key, state in known if state is not None}
        before = set(states)
        results: list[Kept | Exception | None] = []
        marks, letters, events = [], [], list[Event]()
        now = self._clock()
        day = int(now // DAY)
        for turn in turns:
            if turn.mark in answered:
                results.append(None)
                continue
            conversation = states.get(turn.person, Conversation())
            try:
                answer = turn.decide(conversation)
            except Exception as problem:  # one person's turn that fails must not undo the others'
                results.append(problem)
                continue
            answered.add(turn.mark)
            then = conversation.after(answer.events)
            states[turn.person] = then
            marks.append((turn.mark, day))
            events += answer.events
            language = then.language or conversation.language  # a person who was forgotten is still told so in her language
            letter = self._letter_for(turn, answer, language, now) if turn.sends and answer.replies else None
            if letter:
                letters.append(letter)
            results.append(Kept(answer, language, letter))
        changed = {turn.person for turn, result in zip(turns, results, strict=True) if isinstance(result, Kept)}
        await self._keep(db, batch, {person: states[person] for person in changed}, before, marks, letters, day)
        await count_events(db, events, week_of(now))
        return results

    async def _keep(
        self,
        db: AsyncConnection,
        batch: Batch,
        states: dict[bytes, Conversation],
        before: set[bytes],
        marks: list[tuple[bytes, int]],
        letters: list[Outgoing],
        day: int,
    ) -> None:
        nothing = Conversation()
        forgotten = [{"gone": person} for person, state in states.items() if state == nothing and person in before]
        kept = [(person, dump(state), day) for person, state in states.items() if state != nothing]
        if marks:
            await batch.write(KEEP_SEEN, marks)
        if forgotten:
            await db.execute(FORGET, forgotten)
            await db.execute(FORGET_OUTBOX, forgotten)
        if kept:
            await batch.write(KEEP_STATE, kept)
        if letters:
            await batch.write(KEEP_OUTBOX, [self._row(letter) for letter in letters])

    def _letter_for(self, turn: _Turn, answer: Answer, language: str, now: float) -> Outgoing:
        number, self._next_id = self._next_id, self._next_id + 1
        message = turn.message
        letter = Letter(language, tuple(answer.replies))
        return Outgoing(number, turn.person, message.channel, message.address, message.receipt, letter, due=now, born=now)

    def _row(self, letter: Outgoing) -> tuple[object, ...]:
        sealed = self.keys.seal(f"{letter.address}\n{letter.receipt}", letter.person)
        return letter.id, letter.person, letter.channel, sealed, _encode(letter.letter).decode(), letter.due, letter.born

    async def note_unanswered(self, message: Message, terms: Iterable[str]) -> None:
        """Count these folded words of a question that was not understood. None is kept before enough people have used it."""
        person = self.keys.pseudonym(message.channel, message.address)
        await self._writer.submit(_Unanswered(person, tuple(terms)))

    async def counted(self) -> list[tuple[str, str, int]]:
        """Everything counted, as (week, what, number)."""
        async with self._engine.connect() as db:
            return await counted(db)

    async def unanswered(self) -> list[tuple[str, str, int]]:
        """What questions that were not understood had in common, as (week, folded word, how many people)."""
        async with self._engine.connect() as db:
            return await unanswered(db)


def postponed(letter: Outgoing) -> dict[str, object]:
    return {"late": letter.id, "sent_": letter.sent, "tries_": letter.tries, "due_": letter.due}
