"""The tables of tiles: revisions, their tiles, the tiles' objects, and what each tile needs."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from imageflow_clients.database.core.metadata import metadata

tile_layers = Table(
    "tile_layers",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("survey_id", Text, ForeignKey("surveys.id", ondelete="CASCADE"), nullable=False),
    Column("revision", Text, nullable=False),
    Column("placement", Text, nullable=True),
    Column("encoding", Text, nullable=True),
    Column("base_id", BigInteger, ForeignKey("tile_layers.id"), nullable=True),  # shows through where it has no row
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("survey_id", "revision"),
    Index("ix_tile_layers_base_id", "base_id"),
)

tiles = Table(
    "tiles",
    metadata,
    Column(
        "layer_id",
        BigInteger,
        ForeignKey("tile_layers.id", ondelete="CASCADE"),
        primary_key=True,
        doc="Layer of one revision's tiles, which names its survey.",
    ),
    Column("z", SmallInteger, primary_key=True, doc="Zoom; 0 shows the whole frame."),
    Column("x", Integer, primary_key=True, doc="Column of the zoom's tiles."),
    Column("y", Integer, primary_key=True, doc="Row of the zoom's tiles."),
    Column("digest", Text, nullable=True, doc="Names the tile's object; none where a tile of the layer below is gone."),
    Column("inputs", Text, nullable=True, doc="Of a native tile: digest of the screenshots that it was composed from."),
    Index("ix_tiles_digest", "digest"),
)

tile_objects = Table(
    "tile_objects",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("bytes", Integer, nullable=True),  # null: not known to be in the store
    Column("unreferenced_at", DateTime(timezone=True), nullable=True),  # since when a sweep has seen no tile of it
    Index("ix_tile_objects_unreferenced_at", "unreferenced_at", postgresql_where=text("unreferenced_at IS NOT NULL")),
)

tile_dependencies = Table(
    "tile_dependencies",
    metadata,
    Column("survey_id", Text, ForeignKey("surveys.id", ondelete="CASCADE"), primary_key=True),
    Column("z", SmallInteger, primary_key=True),
    Column("x", Integer, primary_key=True),
    Column("y", Integer, primary_key=True),
    Column("area_ids", ARRAY(Integer), nullable=False),  # row * columns of the survey + column
    Column("planned", Boolean, nullable=False, server_default="false"),  # by commanded positions, until it is placed
)
