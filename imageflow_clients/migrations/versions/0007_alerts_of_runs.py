"""Alerts of failed runs, which need not be of a product or a batch; each run raises one."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_BEFORE = "kind IN ('inspection_failed', 'pictures_failed', 'quality_drift')"


def upgrade() -> None:
    op.alter_column("alerts", "product", nullable=True)
    op.alter_column("alerts", "batch_id", nullable=True)
    op.drop_constraint("ck_alerts_kind", "alerts")
    op.create_check_constraint(
        op.f("ck_alerts_kind"),
        "alerts",
        "kind IN ('inspection_failed', 'pictures_failed', 'quality_drift', 'run_failed')",
    )
    op.create_check_constraint(
        op.f("ck_alerts_batch"),
        "alerts",
        "kind = 'run_failed' OR (product IS NOT NULL AND batch_id IS NOT NULL)",
    )
    op.create_index("ix_alerts_run", "alerts", ["cause"], unique=True, postgresql_where=sa.text("kind = 'run_failed'"))


def downgrade() -> None:
    op.execute("DELETE FROM alerts WHERE kind = 'run_failed'")
    op.drop_index("ix_alerts_run", "alerts")
    op.drop_constraint("ck_alerts_batch", "alerts")
    op.drop_constraint("ck_alerts_kind", "alerts")
    op.create_check_constraint(op.f("ck_alerts_kind"), "alerts", _BEFORE)
    op.alter_column("alerts", "batch_id", nullable=False)
    op.alter_column("alerts", "product", nullable=False)
