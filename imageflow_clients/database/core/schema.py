"""Tables of no domain: which version may use the schema, which runs are alive, the event log, and the last backups."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from imageflow_clients.database.core.columns import is_small, moment
from imageflow_clients.database.core.metadata import metadata
from imageflow_domain.events import MOST_BYTES

_NOW = func.now()

schema_use = Table(
    "schema_use",
    metadata,
    Column("is_only", Boolean, primary_key=True, server_default="true"),
    Column("oldest_program", Text, nullable=False, doc="The oldest ImageFlow that may use this schema."),
    CheckConstraint("is_only", name="one_row"),
)

run_heartbeats = Table(
    "run_heartbeats",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("survey_id", Text, nullable=True),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
)

# Without foreign keys: numbering events under the subject's own row would deadlock with rows that reference it.
event_subjects = Table(
    "event_subjects",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False, doc="Which life of the subject: greater after each deletion."),
    Column("seq", BigInteger, nullable=False, doc="Of its newest event; 0 before the first of the epoch."),
    moment("changed_at"),
)

events = Table(
    "events",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("id", BigInteger, Identity(), nullable=False, doc="Grows along each subject's events, with gaps."),
    Column("position", BigInteger, nullable=True, doc="Among all events, without gaps; NULL until stamped."),
    Column("kind", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    moment("created_at"),
    is_small("data", MOST_BYTES),
    Index("ix_events_position", "position", unique=True),
    Index("ix_events_unstamped", "id", postgresql_where=text("position IS NULL")),
    Index("ix_events_created_at", "created_at"),
)

event_readers = Table(
    "event_readers",
    metadata,
    Column("reader", Text, primary_key=True),
    Column("position", BigInteger, nullable=False, doc="Of the last event that the reader is done with."),
    moment("moved_at"),
)

backups = Table(
    "backups",
    metadata,
    Column("kind", Text, primary_key=True, doc="What was backed up: the database, or the objects."),
    Column("size_bytes", BigInteger, nullable=False),
    moment("finished_at"),
)
