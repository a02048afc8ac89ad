"""Who executes an execution: an engine, or a run of Dagster."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
oldest_program = "0.5.0"


def upgrade() -> None:
    for table in ("executions", "execution_queue"):
        op.add_column(table, sa.Column("runner", sa.Text(), server_default="engine", nullable=False))
        op.create_check_constraint(op.f(f"ck_{table}_runner"), table, "runner IN ('engine', 'dagster')")
    op.drop_index("ix_execution_queue_due", "execution_queue")
    op.create_index("ix_execution_queue_due", "execution_queue", ["runner", "due"])


def downgrade() -> None:
    op.drop_index("ix_execution_queue_due", "execution_queue")
    op.create_index("ix_execution_queue_due", "execution_queue", ["due"])
    for table in ("executions", "execution_queue"):
        op.drop_constraint(op.f(f"ck_{table}_runner"), table)
        op.drop_column(table, "runner")
