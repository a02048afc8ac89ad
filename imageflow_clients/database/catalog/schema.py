"""Tables of published pipelines."""

from sqlalchemy import CheckConstraint, Column, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from imageflow_clients.database.core.columns import is_name, is_small, moment
from imageflow_clients.database.core.metadata import metadata

pipelines = Table(
    "pipelines",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("spec", JSONB, nullable=False),
    Column("digest", Text, nullable=False),
    moment("created_at"),
    is_name("name", name="name"),
    CheckConstraint("version >= 1", name="version"),
    is_small("spec", 4_000_000),
)
