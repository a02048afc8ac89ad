"""One run a survey: the lease that a run holds, the newest attempt at each block, maps that are withheld."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("surveys", sa.Column("withheld_revision", sa.Text(), nullable=True))
    op.add_column("surveys", sa.Column("withheld_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("surveys", sa.Column("withheld", sa.Text(), nullable=True))
    op.add_column("surveys", sa.Column("settled_run_id", sa.Text(), nullable=True))
    op.add_column("surveys", sa.Column("taken_up_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "survey_leases",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("root_run_id", sa.Text(), nullable=False),
        sa.Column("again", sa.Boolean(), nullable=False),
        sa.Column("reopened", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("done_before", sa.Integer(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["survey_id"], ["surveys.id"], name=op.f("fk_survey_leases_survey_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("survey_id", name=op.f("pk_survey_leases")),
    )
    op.create_table(
        "attempts",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("block", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.id"], name=op.f("fk_attempts_survey_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("survey_id", "layer", "block", name=op.f("pk_attempts")),
    )


def downgrade() -> None:
    op.drop_table("attempts")
    op.drop_table("survey_leases")
    for name in ("taken_up_at", "settled_run_id", "withheld", "withheld_at", "withheld_revision"):
        op.drop_column("surveys", name)
