"""The first tables: conversations, ids of messages answered, messages not yet sent, counts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "conversations",
        sa.Column("person", sa.LargeBinary, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("blocked", sa.Integer, nullable=False, server_default="0"),
    )
    op.create_index("ix_conversations_day", "conversations", ["day"])
    op.create_table(
        "seen",
        sa.Column("mark", sa.LargeBinary, primary_key=True),
        sa.Column("day", sa.Integer, nullable=False),
    )
    op.create_index("ix_seen_day", "seen", ["day"])
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("person", sa.LargeBinary, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("replies", sa.Text, nullable=False),
        sa.Column("sent", sa.Integer, nullable=False, server_default="0"),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("due", sa.Float, nullable=False),
        sa.Column("born", sa.Float, nullable=False),
    )
    op.create_index("ix_outbox_person", "outbox", ["person"])
    op.create_table(
        "unanswered_marks",
        sa.Column("week", sa.Text, primary_key=True),
        sa.Column("term", sa.LargeBinary, primary_key=True),
        sa.Column("person", sa.LargeBinary, primary_key=True),
    )
    op.create_table(
        "unanswered_terms",
        sa.Column("week", sa.Text, primary_key=True),
        sa.Column("term", sa.Text, primary_key=True),
        sa.Column("people", sa.Integer, nullable=False),
    )
    op.create_table(
        "counts",
        sa.Column("week", sa.Text, primary_key=True),
        sa.Column("what", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    for table in ("counts", "unanswered_terms", "unanswered_marks", "outbox", "seen", "conversations"):
        op.drop_table(table)
