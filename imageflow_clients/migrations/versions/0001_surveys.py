"""Surveys, from their saves to their tiles, and the uploads and runs around them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "run_heartbeats",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("survey_id", sa.Text(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_heartbeats")),
    )
    op.create_table(
        "saves",
        sa.Column("game", sa.Text(), nullable=False),
        sa.Column("save", sa.Text(), nullable=False),
        sa.Column("surveys_begun", sa.Integer(), server_default="0", nullable=False),
        sa.Column("frames_begun", sa.Integer(), server_default="0", nullable=False),
        sa.Column("latest_survey_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("game", "save", name=op.f("pk_saves")),
    )
    op.create_table(
        "uploads",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("closing_etag", sa.Text(), nullable=False),
        sa.Column("survey_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("noticed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
        sa.UniqueConstraint("prefix", "closing_etag", name=op.f("uq_uploads_prefix_closing_etag")),
    )
    op.create_table(
        "surveys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("game", sa.Text(), nullable=False),
        sa.Column("save", sa.Text(), nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("rows", sa.SmallInteger(), nullable=False),
        sa.Column("cols", sa.SmallInteger(), nullable=False),
        sa.Column("view_width_px", sa.Integer(), nullable=False),
        sa.Column("view_height_px", sa.Integer(), nullable=False),
        sa.Column("reach_px", sa.Integer(), nullable=False),
        sa.Column("keep", sa.Text(), nullable=False),
        sa.Column("frame_number", sa.Integer(), nullable=True),
        sa.Column("native_zoom", sa.SmallInteger(), nullable=True),
        sa.Column("bounds_x_px", sa.Integer(), nullable=True),
        sa.Column("bounds_y_px", sa.Integer(), nullable=True),
        sa.Column("bounds_width_px", sa.Integer(), nullable=True),
        sa.Column("bounds_height_px", sa.Integer(), nullable=True),
        sa.Column("shift_x_px", sa.Integer(), nullable=True),
        sa.Column("shift_y_px", sa.Integer(), nullable=True),
        sa.Column("revision", sa.Text(), nullable=True),
        sa.Column("published_revision", sa.Text(), nullable=True),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cleaned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("carrier IN ('command_line', 'sensor', 'operator')", name=op.f("ck_surveys_carrier")),
        sa.CheckConstraint(
            "state IN ('planned', 'running', 'completed', 'failed', 'cancelled')", name=op.f("ck_surveys_state")
        ),
        sa.ForeignKeyConstraint(["game", "save"], ["saves.game", "saves.save"], name=op.f("fk_surveys_game_save")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_surveys")),
    )
    op.create_index("ix_surveys_game_save", "surveys", ["game", "save"], unique=False)
    op.create_index("ix_surveys_state", "surveys", ["state"], unique=False)
    op.create_table(
        "areas",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("row", sa.SmallInteger(), nullable=False),
        sa.Column("col", sa.SmallInteger(), nullable=False),
        sa.Column("x_px", sa.Double(), nullable=False),
        sa.Column("y_px", sa.Double(), nullable=False),
        sa.Column("file", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.id"], name=op.f("fk_areas_survey_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("survey_id", "row", "col", name=op.f("pk_areas")),
    )
    op.create_table(
        "blocks",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("row", sa.SmallInteger(), nullable=False),
        sa.Column("col", sa.SmallInteger(), nullable=False),
        sa.Column("captured_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cut_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cut_revision", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.id"], name=op.f("fk_blocks_survey_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("survey_id", "row", "col", name=op.f("pk_blocks")),
    )
    op.create_table(
        "coordinates",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("row", sa.SmallInteger(), nullable=False),
        sa.Column("col", sa.SmallInteger(), nullable=False),
        sa.Column("x_px", sa.Integer(), nullable=False),
        sa.Column("y_px", sa.Integer(), nullable=False),
        sa.Column("confidence", sa.REAL(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("group_number", sa.Integer(), nullable=False),
        sa.CheckConstraint("status IN ('anchored', 'ambiguous', 'unplaced')", name=op.f("ck_coordinates_status")),
        sa.ForeignKeyConstraint(
            ["survey_id"], ["surveys.id"], name=op.f("fk_coordinates_survey_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("survey_id", "row", "col", name=op.f("pk_coordinates")),
    )
    op.create_table(
        "failed_runs",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("counts", sa.Boolean(), server_default="true", nullable=False),
        sa.ForeignKeyConstraint(
            ["survey_id"], ["surveys.id"], name=op.f("fk_failed_runs_survey_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("survey_id", "layer", "run_id", name=op.f("pk_failed_runs")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("game_id", sa.Text(), nullable=False),
        sa.Column("save_data_id", sa.Text(), nullable=False),
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.id"], name=op.f("fk_jobs_survey_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("survey_id", name=op.f("uq_jobs_survey_id")),
    )
    op.create_table(
        "pair_offsets",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("reference_row", sa.SmallInteger(), nullable=False),
        sa.Column("reference_col", sa.SmallInteger(), nullable=False),
        sa.Column("moving_row", sa.SmallInteger(), nullable=False),
        sa.Column("moving_col", sa.SmallInteger(), nullable=False),
        sa.Column("dx_px", sa.Integer(), nullable=False),
        sa.Column("dy_px", sa.Integer(), nullable=False),
        sa.Column("votes", sa.Integer(), nullable=False),
        sa.Column("agreement", sa.REAL(), nullable=False),
        sa.Column("compared_px", sa.Integer(), nullable=False),
        sa.Column("decisive", sa.Boolean(), nullable=False),
        sa.Column("residual_px", sa.REAL(), nullable=True),
        sa.ForeignKeyConstraint(
            ["survey_id"], ["surveys.id"], name=op.f("fk_pair_offsets_survey_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "survey_id", "reference_row", "reference_col", "moving_row", "moving_col", name=op.f("pk_pair_offsets")
        ),
    )
    op.create_table(
        "screenshot_usage",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("row", sa.SmallInteger(), nullable=False),
        sa.Column("col", sa.SmallInteger(), nullable=False),
        sa.Column("required_tiles", sa.Integer(), nullable=False),
        sa.Column("completed_tiles", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["survey_id"], ["surveys.id"], name=op.f("fk_screenshot_usage_survey_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("survey_id", "row", "col", name=op.f("pk_screenshot_usage")),
    )
    op.create_table(
        "screenshots",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("row", sa.SmallInteger(), nullable=False),
        sa.Column("col", sa.SmallInteger(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="captured", nullable=False),
        sa.Column("captured_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("status IN ('captured', 'placed', 'deleting')", name=op.f("ck_screenshots_status")),
        sa.ForeignKeyConstraint(
            ["survey_id"], ["surveys.id"], name=op.f("fk_screenshots_survey_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("survey_id", "row", "col", name=op.f("pk_screenshots")),
    )
    op.create_table(
        "tile_dependencies",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("z", sa.SmallInteger(), nullable=False),
        sa.Column("x", sa.Integer(), nullable=False),
        sa.Column("y", sa.Integer(), nullable=False),
        sa.Column("area_ids", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.ForeignKeyConstraint(
            ["survey_id"], ["surveys.id"], name=op.f("fk_tile_dependencies_survey_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("survey_id", "z", "x", "y", name=op.f("pk_tile_dependencies")),
    )
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
    op.create_index("ix_tiles_digest", "tiles", ["digest"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_tiles_digest", table_name="tiles")
    op.drop_table("tiles")
    op.drop_table("tile_dependencies")
    op.drop_table("screenshots")
    op.drop_table("screenshot_usage")
    op.drop_table("pair_offsets")
    op.drop_table("jobs")
    op.drop_table("failed_runs")
    op.drop_table("coordinates")
    op.drop_table("blocks")
    op.drop_table("areas")
    op.drop_index("ix_surveys_state", table_name="surveys")
    op.drop_index("ix_surveys_game_save", table_name="surveys")
    op.drop_table("surveys")
    op.drop_table("uploads")
    op.drop_table("saves")
    op.drop_table("run_heartbeats")
