"""The tables: what is kept, and for how long. No column holds a person's words, a platform's id in the clear, or a time of day.

A day is a whole number of days since 1970-01-01 UTC: a clock time would single people out.
"""

from sqlalchemy import BigInteger, Column, Float, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData()

conversations = Table(
    "conversations",
    metadata,
    Column("person", LargeBinary, primary_key=True),  # keyed pseudonym
    Column("state", Text, nullable=False),  # bot.model.Conversation as JSON
    Column("day", Integer, nullable=False, index=True),  # of the last message; kept keep.conversations_days more
    Column("blocked", Integer, nullable=False, server_default="0"),  # 1: the person does not want to be written to
)

seen = Table(
    "seen",
    metadata,
    Column("mark", LargeBinary, primary_key=True),  # keyed hash of channel and message id; kept keep.seen_days
    Column("day", Integer, nullable=False, index=True),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("person", LargeBinary, nullable=False, index=True),
    Column("channel", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # the address, and what the channel wants back, sealed for this person
    Column("replies", Text, nullable=False),  # names of replies and the language: never a person's words
    Column("sent", Integer, nullable=False, server_default="0"),  # how many of its messages have gone out
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("due", Float, nullable=False),  # seconds since 1970
    Column("born", Float, nullable=False),  # seconds since 1970; deleted when sent, or keep.outbox_hours later
)

unanswered_marks = Table(
    "unanswered_marks",
    metadata,
    Column("week", Text, primary_key=True),  # only this week's are kept
    Column("term", LargeBinary, primary_key=True),  # keyed hash of a folded word of a question that was not understood
    Column("person", LargeBinary, primary_key=True),  # keyed hash, another each week, so that people are told apart
)

unanswered_terms = Table(
    "unanswered_terms",
    metadata,
    Column("week", Text, primary_key=True),  # kept keep.counts_weeks
    Column("term", Text, primary_key=True),  # a folded word that at least five people have typed
    Column("people", Integer, nullable=False),
)

counts = Table(
    "counts",
    metadata,
    Column("week", Text, primary_key=True),  # ISO week, such as 2026-W48: no row belongs to a person; kept keep.counts_weeks
    Column("what", Text, primary_key=True),
    Column("number", Integer, nullable=False),
)
