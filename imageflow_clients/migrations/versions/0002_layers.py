"""Tiles in layers that show through, tile objects with their references, and what jobs and progress need."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

_CARRY_OVER = (
    "INSERT INTO tile_layers (survey_id, revision) SELECT DISTINCT survey_id, revision FROM tiles_by_survey",
    """
    INSERT INTO tiles (layer_id, z, x, y, digest)
        SELECT tile_layers.id, z, x, y, digest FROM tiles_by_survey JOIN tile_layers USING (survey_id, revision)
    """,
    "INSERT INTO tile_objects (digest, bytes) SELECT digest, max(bytes) FROM tiles_by_survey GROUP BY digest",
    # Which block cut a tile was not noted: the first block of each survey counts them all.
    """
    UPDATE blocks SET tiles_cut = (
        SELECT count(*) FROM tiles_by_survey AS cut
        WHERE cut.survey_id = blocks.survey_id AND cut.revision = blocks.cut_revision
    ) WHERE cut_revision IS NOT NULL AND blocks.row = 0 AND blocks.col = 0
    """,
    """
    UPDATE surveys SET
        tiles_planned = (SELECT count(*) FROM tile_dependencies AS needs WHERE needs.survey_id = surveys.id)
    """,
    """
    UPDATE surveys SET tiles_total = (
        SELECT count(*) FROM tiles_by_survey AS shown
        WHERE shown.survey_id = surveys.id AND shown.revision = surveys.published_revision
    ) WHERE published_revision IS NOT NULL
    """,
)


def upgrade() -> None:
    op.add_column("jobs", sa.Column("idempotency_key", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("request", postgresql.JSONB(), nullable=True))
    op.add_column("jobs", sa.Column("dag_run_id", sa.Text(), nullable=True))
    op.create_unique_constraint(op.f("uq_jobs_idempotency_key"), "jobs", ["idempotency_key"])
    op.add_column("surveys", sa.Column("placement", sa.Text(), nullable=True))
    op.add_column("surveys", sa.Column("tiles_planned", sa.Integer(), server_default="0", nullable=False))
    op.add_column("surveys", sa.Column("tiles_total", sa.Integer(), nullable=True))
    op.add_column("blocks", sa.Column("tiles_cut", sa.Integer(), server_default="0", nullable=False))
    op.add_column("tile_dependencies", sa.Column("planned", sa.Boolean(), server_default="false", nullable=False))
    op.create_table(
        "tile_layers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=True),
        sa.Column("encoding", sa.Text(), nullable=True),
        sa.Column("base_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["survey_id"], ["surveys.id"], name=op.f("fk_tile_layers_survey_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["base_id"], ["tile_layers.id"], name=op.f("fk_tile_layers_base_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tile_layers")),
        sa.UniqueConstraint("survey_id", "revision", name=op.f("uq_tile_layers_survey_id_revision")),
    )
    op.create_index("ix_tile_layers_base_id", "tile_layers", ["base_id"])
    op.create_table(
        "tile_objects",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=True),
        sa.Column("unreferenced_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_tile_objects")),
    )
    op.create_index(
        "ix_tile_objects_unreferenced_at",
        "tile_objects",
        ["unreferenced_at"],
        postgresql_where=sa.text("unreferenced_at IS NOT NULL"),
    )
    op.rename_table("tiles", "tiles_by_survey")
    op.execute("ALTER INDEX ix_tiles_digest RENAME TO ix_tiles_by_survey_digest")
    op.execute("ALTER TABLE tiles_by_survey RENAME CONSTRAINT pk_tiles TO pk_tiles_by_survey")
    op.create_table(
        "tiles",
        sa.Column("layer_id", sa.BigInteger(), nullable=False),
        sa.Column("z", sa.SmallInteger(), nullable=False),
        sa.Column("x", sa.Integer(), nullable=False),
        sa.Column("y", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("inputs", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["layer_id"], ["tile_layers.id"], name=op.f("fk_tiles_layer_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("layer_id", "z", "x", "y", name=op.f("pk_tiles")),
    )
    op.create_index("ix_tiles_digest", "tiles", ["digest"])
    for statement in _CARRY_OVER:
        op.execute(statement)
    op.drop_table("tiles_by_survey")


def downgrade() -> None:
    op.rename_table("tiles", "tiles_by_layer")
    op.execute("ALTER INDEX ix_tiles_digest RENAME TO ix_tiles_by_layer_digest")
    op.execute("ALTER TABLE tiles_by_layer RENAME CONSTRAINT pk_tiles TO pk_tiles_by_layer")
    op.create_table(
        "tiles",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("z", sa.SmallInteger(), nullable=False),
        sa.Column("x", sa.Integer(), nullable=False),
        sa.Column("y", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.id"], name=op.f("fk_tiles_survey_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("survey_id", "revision", "z", "x", "y", name=op.f("pk_tiles")),
    )
    op.create_index("ix_tiles_digest", "tiles", ["digest"])
    op.execute(
        """
        WITH RECURSIVE chain AS (
            SELECT id, id AS shown, base_id, 0 AS depth FROM tile_layers
            UNION ALL
            SELECT base.id, chain.shown, base.base_id, depth + 1
            FROM chain JOIN tile_layers AS base ON base.id = chain.base_id
        ), seen AS (
            SELECT DISTINCT ON (shown, z, x, y) shown, z, x, y, digest
            FROM chain JOIN tiles_by_layer ON layer_id = chain.id
            ORDER BY shown, z, x, y, depth
        )
        INSERT INTO tiles (survey_id, revision, z, x, y, digest, bytes)
            SELECT survey_id, revision, z, x, y, digest, coalesce(bytes, 0)
            FROM seen JOIN tile_layers ON tile_layers.id = shown JOIN tile_objects USING (digest)
        """
    )
    op.drop_table("tiles_by_layer")
    op.drop_table("tile_objects")
    op.drop_table("tile_layers")
    op.drop_column("tile_dependencies", "planned")
    op.drop_column("blocks", "tiles_cut")
    op.drop_column("surveys", "tiles_total")
    op.drop_column("surveys", "tiles_planned")
    op.drop_column("surveys", "placement")
    op.drop_constraint(op.f("uq_jobs_idempotency_key"), "jobs", type_="unique")
    op.drop_column("jobs", "dag_run_id")
    op.drop_column("jobs", "request")
    op.drop_column("jobs", "idempotency_key")
