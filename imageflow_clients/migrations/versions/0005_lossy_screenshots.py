"""Lossy screenshots: fractions of offsets, what they are sure to, and what a survey's screenshots have in common."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

_PAIR = ("rest_x_px", "rest_y_px", "sigma_px", "noise")


def upgrade() -> None:
    op.add_column("surveys", sa.Column("noise", sa.REAL(), nullable=True))
    op.add_column("surveys", sa.Column("whole_pixels", sa.Boolean(), server_default="true", nullable=False))
    op.add_column("surveys", sa.Column("overlays", postgresql.JSONB(), nullable=True))
    for name in _PAIR:
        op.add_column("pair_offsets", sa.Column(name, sa.REAL(), server_default="0", nullable=False))
    op.create_table(
        "pair_refusals",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("reference_row", sa.SmallInteger(), nullable=False),
        sa.Column("reference_col", sa.SmallInteger(), nullable=False),
        sa.Column("moving_row", sa.SmallInteger(), nullable=False),
        sa.Column("moving_col", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "reason IN ('little_overlap', 'plain', 'repeated', 'different')", name=op.f("ck_pair_refusals_reason")
        ),
        sa.ForeignKeyConstraint(
            ["survey_id"], ["surveys.id"], name=op.f("fk_pair_refusals_survey_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "survey_id",
            "reference_row",
            "reference_col",
            "moving_row",
            "moving_col",
            name=op.f("pk_pair_refusals"),
        ),
    )
    op.add_column("coordinates", sa.Column("sigma_px", sa.REAL(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_table("pair_refusals")
    op.drop_column("coordinates", "sigma_px")
    for name in _PAIR:
        op.drop_column("pair_offsets", name)
    for name in ("overlays", "whole_pixels", "noise"):
        op.drop_column("surveys", name)
