"""Verdicts and alerts come of the event log: the outbox of verdicts goes, and what waited in it is carried over.

The two readers begin here, and not with their first look: events that come in between are theirs.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
oldest_program = "0.5.0"

_GATHER = """
    INSERT INTO verification_events (batch_id, verifications, newest_at)
    SELECT batch_id, count(*), max(created_at) FROM outbox WHERE event_id IS NULL GROUP BY batch_id
"""

_READERS = """
    INSERT INTO event_readers (reader, position)
    SELECT reader, (SELECT coalesce(max(position), 0) FROM events) FROM unnest(ARRAY['verdicts', 'alerts']) AS reader
"""

# Until now alerts were raised with a report, or by a look at what had failed.
_REPORT_UNALERTED = """
    WITH told AS (
        SELECT 'batch/' || b.id AS subject, 'given_up' AS kind, jsonb_build_object('attempts', b.attempts) AS data
        FROM batches AS b
        WHERE b.state = 'failed' AND NOT EXISTS (
            SELECT FROM alerts AS a
            WHERE a.batch_id = b.id AND a.kind = 'inspection_failed' AND a.cause = 'attempt ' || b.attempts
        )
        UNION ALL
        SELECT 'batch/' || b.id, 'inspected', jsonb_build_object('inspection', i.id)
        FROM batches AS b JOIN inspections AS i ON i.id = b.inspection_id
        WHERE b.state = 'inspected' AND i.done_at IS NOT NULL AND i.reported_at IS NULL
    ), numbered AS (
        INSERT INTO event_subjects (subject, epoch, seq)
        SELECT subject, cast(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint), 1 FROM told
        ON CONFLICT (subject) DO UPDATE SET seq = event_subjects.seq + 1, changed_at = now()
        RETURNING subject, epoch, seq
    )
    INSERT INTO events (subject, epoch, seq, kind, data)
    SELECT subject, epoch, seq, kind, data FROM numbered JOIN told USING (subject)
"""

# Which verdicts an open row counts is not kept: they are the newest before those that were not read yet.
_BACK_INTO_OUTBOX = """
    WITH unread AS (
        SELECT cast(data ->> 'verification' AS bigint) AS id FROM events
        WHERE subject LIKE 'batch/%' AND kind = 'verdict'
          AND coalesce(position > (SELECT r.position FROM event_readers AS r WHERE r.reader = 'verdicts'), true)
    ), read AS (
        SELECT v.id, row_number() OVER (PARTITION BY e.id ORDER BY v.id DESC) AS place, e.verifications
        FROM verification_events AS e
        JOIN inspections AS i ON i.batch_id = e.batch_id
        JOIN verifications AS v ON v.inspection_id = i.id
        WHERE e.sealed_at IS NULL AND v.id NOT IN (SELECT id FROM unread)
    )
    INSERT INTO outbox (verification_id, batch_id, created_at)
    SELECT v.id, i.batch_id, v.created_at
    FROM verifications AS v JOIN inspections AS i ON i.id = v.inspection_id
    WHERE v.id IN (SELECT id FROM unread UNION ALL SELECT id FROM read WHERE place <= verifications)
"""

_COUNTS = ("verified_pictures", "pictures", "disagreements")


def upgrade() -> None:
    op.add_column("verification_events", sa.Column("newest_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("verification_events", sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE verification_events SET newest_at = created_at, sealed_at = created_at")
    op.alter_column("verification_events", "newest_at", nullable=False)
    for column in _COUNTS:
        op.alter_column("verification_events", column, nullable=True)
    op.execute(_GATHER)
    op.create_check_constraint(
        op.f("ck_verification_events_sealed"),
        "verification_events",
        "(sealed_at IS NOT NULL) = (num_nonnulls(verified_pictures, pictures, disagreements) = 3)",
    )
    op.create_check_constraint(
        op.f("ck_verification_events_reported"), "verification_events", "sealed_at IS NOT NULL OR reported_at IS NULL"
    )
    op.create_index(
        "ix_verification_events_open",
        "verification_events",
        ["batch_id"],
        unique=True,
        postgresql_where=sa.text("sealed_at IS NULL"),
    )
    op.drop_index("ix_outbox_waiting", "outbox", postgresql_where=sa.text("event_id IS NULL"))
    op.drop_table("outbox")
    op.execute(_READERS)
    op.execute(_REPORT_UNALERTED)


def downgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("verification_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_outbox_batch_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["event_id"], ["verification_events.id"], name=op.f("fk_outbox_event_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["verification_id"], ["verifications.id"], name=op.f("fk_outbox_verification_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("verification_id", name=op.f("pk_outbox")),
    )
    op.create_index(
        "ix_outbox_waiting", "outbox", ["batch_id", "created_at"], postgresql_where=sa.text("event_id IS NULL")
    )
    op.execute(_BACK_INTO_OUTBOX)
    op.execute("DELETE FROM verification_events WHERE sealed_at IS NULL")
    # Another upgrade begins with what is stamped after it: those would count again then.
    op.execute("DELETE FROM events WHERE position IS NULL AND subject LIKE 'batch/%'")
    op.execute("DELETE FROM event_readers WHERE reader IN ('verdicts', 'alerts')")
    op.drop_index("ix_verification_events_open", "verification_events")
    op.drop_constraint("ck_verification_events_reported", "verification_events")
    op.drop_constraint("ck_verification_events_sealed", "verification_events")
    for column in _COUNTS:
        op.alter_column("verification_events", column, nullable=False)
    op.drop_column("verification_events", "sealed_at")
    op.drop_column("verification_events", "newest_at")
