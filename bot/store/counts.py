"""What is counted, by week, for staff: nothing in it belongs to a person.

Rule 1: no word that somebody typed is kept before PEOPLE different people have typed it in one week. Until then there is only a
keyed hash of the word beside a keyed hash of the person, both made anew each week and deleted after it.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.model import Event, FeedbackGiven, NotUnderstood
from bot.store.sealing import Keys
from bot.store.tables import counts, unanswered_marks, unanswered_terms

PEOPLE = 5

_count = insert(counts)
COUNT = _count.on_conflict_do_update(
    index_elements=[counts.c.week, counts.c.what], set_={"number": counts.c.number + _count.excluded.number}
)
MARK = insert(unanswered_marks).on_conflict_do_nothing()
_term = insert(unanswered_terms)
TERM = _term.on_conflict_do_update(
    index_elements=[unanswered_terms.c.week, unanswered_terms.c.term], set_={"people": _term.excluded.people}
)
WHO = (
    select(unanswered_marks.c.term, func.count().label("people"))
    .where(unanswered_marks.c.week == bindparam("then"), unanswered_marks.c.term.in_(bindparam("marks", expanding=True)))
    .group_by(unanswered_marks.c.term)
    .having(func.count() >= PEOPLE)
)


def week_of(seconds: float) -> str:
    """The ISO week of a time, such as 2026-W48."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%G-W%V")


async def count_events(db: AsyncConnection, events: Iterable[Event], week: str) -> None:
    """Count what happened: feedback, and which card a question that was not understood came nearest to."""
    tally = Counter(what for happened in events if (what := counted_as(happened)))
    if tally:
        await db.execute(COUNT, [{"week": week, "what": what, "number": number} for what, number in tally.items()])


def counted_as(happened: Event) -> str:
    match happened:
        case FeedbackGiven(question, answer):
            return f"feedback.{question}.{answer}"
        case NotUnderstood(nearest):
            return f"unanswered.{nearest}"
    return ""


async def count_terms(db: AsyncConnection, keys: Keys, person: bytes, terms: Iterable[str], week: str) -> None:
    """Count who used these words in a question that was not understood; keep those that enough people have used."""
    marks = {keys.of_week(week, term.encode()): term for term in terms}
    if not marks:
        return
    who = keys.of_week(week, person)
    await db.execute(MARK, [{"week": week, "term": mark, "person": who} for mark in marks])
    known = (await db.execute(WHO, {"then": week, "marks": list(marks)})).all()
    if known:
        await db.execute(TERM, [{"week": week, "term": marks[row.term], "people": row.people} for row in known])


async def purge_counts(db: AsyncConnection, this_week: str, oldest: str) -> None:
    """Forget the hashes of earlier weeks, and counts from before the oldest week."""
    await db.execute(delete(unanswered_marks).where(unanswered_marks.c.week != this_week))
    await db.execute(delete(unanswered_terms).where(unanswered_terms.c.week < oldest))
    await db.execute(delete(counts).where(counts.c.week < oldest))


async def counted(db: AsyncConnection) -> list[tuple[str, str, int]]:
    """Everything counted, as (week, what, number)."""
    rows = (await db.execute(select(counts).order_by(counts.c.week, counts.c.what))).all()
    return [(row.week, row.what, row.number) for row in rows]


async def unanswered(db: AsyncConnection) -> list[tuple[str, str, int]]:
    """The words kept, as (week, word, people), the latest week and the most people first."""
    order = unanswered_terms.c.week.desc(), unanswered_terms.c.people.desc(), unanswered_terms.c.term
    rows = (await db.execute(select(unanswered_terms).order_by(*order))).all()
    return [(row.week, row.term, row.people) for row in rows]
