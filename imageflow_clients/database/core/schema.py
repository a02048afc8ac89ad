"""Tables of no domain: which version may use the schema, and which runs are alive."""

from sqlalchemy import Boolean, CheckConstraint, Column, DateTime, Table, Text, func

from imageflow_clients.database.core.metadata import metadata

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
