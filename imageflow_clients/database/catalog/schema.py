"""Tables of published pipelines and of components that are container images."""

from sqlalchemy import CheckConstraint, Column, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from imageflow_clients.database.core.columns import is_name, is_short, is_small, moment
from imageflow_clients.database.core.metadata import metadata

pipelines = Table(
    "pipelines",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("spec", JSONB, nullable=False),
    Column("digest", Text, nullable=False),
    Column("images", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    moment("created_at"),
    is_name("name", name="name"),
    CheckConstraint("version >= 1", name="version"),
    is_small("spec", 4_000_000),
)

components = Table(
    "components",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("image", Text, nullable=False),
    Column("manifest", JSONB, nullable=False),
    Column("digest", Text, nullable=False),
    moment("created_at"),
    is_name("name", name="name"),
    CheckConstraint("version >= 1", name="version"),
    CheckConstraint("image ~ '@sha256:[0-9a-f]{64}$'", name="image"),
    is_short("image", 512),
    is_small("manifest", 256_000),
)
