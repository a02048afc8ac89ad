"""The event log: what happened to each subject, in order, and how far named readers of all subjects are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
oldest_program = "0.5.0"


def upgrade() -> None:
    op.create_table(
        "event_subjects",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_event_subjects")),
    )
    op.create_table(
        "events",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("octet_length(data::text) <= 2000", name=op.f("ck_events_data_small")),
        sa.PrimaryKeyConstraint("subject", "epoch", "seq", name=op.f("pk_events")),
    )
    op.create_index("ix_events_position", "events", ["position"], unique=True)
    op.create_index("ix_events_unstamped", "events", ["id"], postgresql_where=sa.text("position IS NULL"))
    op.create_index("ix_events_created_at", "events", ["created_at"])
    op.create_table(
        "event_readers",
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("reader", name=op.f("pk_event_readers")),
    )


def downgrade() -> None:
    op.drop_table("event_readers")
    op.drop_table("events")
    op.drop_table("event_subjects")
