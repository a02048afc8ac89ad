"""Tables of executions. The history is partitioned by month; what waits or is worked on has small tables of its own."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from imageflow_clients.database.core.columns import is_name, is_short, is_small, moment
from imageflow_clients.database.core.metadata import metadata

executions = Table(
    "executions",
    metadata,
    Column("id", Uuid, primary_key=True, doc="A UUID of version 7, which begins with its time."),
    Column("pipeline", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("spec", JSONB, nullable=True, doc="Of a pipeline that was sent with the request."),
    Column("parameters", JSONB, nullable=False, doc="Of every step, as they take effect."),
    Column("priority", SmallInteger, nullable=False),
    Column("principal", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("correlation", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("runner", Text, nullable=False, server_default="engine", doc="Who executes it: an engine, or Dagster."),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0", doc="Lost engines, and stores that were down."),
    Column("inputs", JSONB, nullable=False),
    Column("outputs", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("error_code", Text, nullable=True),
    Column("error", Text, nullable=True),
    Column("error_step", Text, nullable=True),
    moment("created_at"),
    Column("started_at", DateTime(timezone=True), nullable=True),
    Column("ended_at", DateTime(timezone=True), nullable=True),
    Column("estimated_end_at", DateTime(timezone=True), nullable=True),
    Column("cancel_asked_at", DateTime(timezone=True), nullable=True),
    Column("frames", JSONB, nullable=True, doc="Of a camera stream: how many were processed, dropped and failed."),
    is_name("pipeline", name="pipeline"),
    CheckConstraint("version >= 1", name="version"),
    CheckConstraint("priority BETWEEN 0 AND 2", name="priority"),
    CheckConstraint("state IN ('queued', 'running', 'completed', 'failed', 'cancelled')", name="state"),
    CheckConstraint("runner IN ('engine', 'dagster')", name="runner"),
    is_small("spec", 4_000_000),
    is_small("parameters", 4_000_000),
    is_short("client", 200),
    is_short("correlation", 200),
    is_short("principal", 200),
    Index("ix_executions_pipeline", "pipeline", "id"),
    Index("ix_executions_state", "state", "id"),
    Index("ix_executions_completed", "pipeline", "version", "id", postgresql_where=text("state = 'completed'")),
    Index("ix_executions_priority", "priority", "id"),
    Index("ix_executions_client", "client", "id"),
    Index(
        "ix_executions_error_words",
        text("to_tsvector('simple', error)"),
        postgresql_using="gin",
        postgresql_where=text("error IS NOT NULL"),
    ),
    postgresql_partition_by="RANGE (id)",
)

execution_steps = Table(
    "execution_steps",
    metadata,
    Column("execution_id", Uuid, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("attempt", Integer, nullable=False, doc="Of the execution, in which the step did this."),
    Column("rank", SmallInteger, nullable=False, doc="0 when it began, 1 when it ended."),
    Column("status", Text, nullable=False),
    Column("started_s", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("tries", JSONB, nullable=False),
    postgresql_partition_by="RANGE (execution_id)",
)

execution_logs = Table(
    "execution_logs",
    metadata,
    Column("execution_id", Uuid, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("last", Integer, primary_key=True, autoincrement=False, doc="Number of the chunk's last line."),
    Column("first", Integer, nullable=False),
    Column("lines", JSONB(none_as_null=True), nullable=True),
    Column("key", Text, nullable=True, doc="Of the object that has the lines."),
    CheckConstraint("(lines IS NULL) <> (key IS NULL)", name="lines_or_key"),
    postgresql_partition_by="RANGE (execution_id)",
)

execution_queue = Table(
    "execution_queue",
    metadata,
    Column("execution_id", Uuid, primary_key=True),
    Column("due", DateTime(timezone=True), nullable=False, doc="Creation, less what its priority is worth."),
    moment("not_before", doc="Later than now for one that waits after a failure."),
    Column("runner", Text, nullable=False, server_default="engine"),
    CheckConstraint("runner IN ('engine', 'dagster')", name="runner"),
    Index("ix_execution_queue_due", "runner", "due"),
)

execution_leases = Table(
    "execution_leases",
    metadata,
    Column("execution_id", Uuid, primary_key=True),
    Column("engine", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
    Column("due", DateTime(timezone=True), nullable=False, doc="Where it stood in the queue."),
    Index("ix_execution_leases_until", "until"),
)

execution_keys = Table(
    "execution_keys",
    metadata,
    Column("principal", Text, primary_key=True),
    Column("key", Text, primary_key=True, doc="The client's Idempotency-Key."),
    Column("execution_id", Uuid, nullable=False),
    Column(
        "request_digest", Text, nullable=False, doc="Of what was asked: the same key may not ask for anything else."
    ),
    moment("created_at"),
    is_short("key", 200),
    Index("ix_execution_keys_created_at", "created_at"),
)
