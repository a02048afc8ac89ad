"""What became of each area, where it was seen to lie, and the sessions in which games were driven."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_SEEN = ("seen_x_px", "seen_y_px", "uncertainty_x_px", "uncertainty_y_px")


def upgrade() -> None:
    op.create_table(
        "capture_sessions",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("begun_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("offset_x_px", sa.Double(), nullable=True),
        sa.Column("offset_y_px", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["survey_id"], ["surveys.id"], name=op.f("fk_capture_sessions_survey_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("survey_id", "number", name=op.f("pk_capture_sessions")),
    )
    op.add_column("areas", sa.Column("state", sa.Text(), nullable=True))
    for name in _SEEN:
        op.add_column("areas", sa.Column(name, sa.Double(), nullable=True))
    op.add_column("areas", sa.Column("session", sa.Integer(), nullable=True))
    op.add_column("areas", sa.Column("settled", sa.Boolean(), server_default="true", nullable=False))
    op.create_check_constraint(op.f("ck_areas_state"), "areas", "state IN ('taken', 'hole', 'outside')")


def downgrade() -> None:
    op.drop_constraint("ck_areas_state", "areas")
    for name in ("settled", "session", *reversed(_SEEN), "state"):
        op.drop_column("areas", name)
    op.drop_table("capture_sessions")
