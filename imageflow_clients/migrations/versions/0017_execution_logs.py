"""Log lines of executions, by month as executions are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
oldest_program = "0.5.0"

_PARTITIONS = """
    SELECT inhrelid::regclass::text AS name, pg_get_expr(relpartbound, inhrelid) AS bounds
    FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'executions'::regclass
"""


def upgrade() -> None:
    op.create_table(
        "execution_logs",
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("lines", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.CheckConstraint("(lines IS NULL) <> (key IS NULL)", name=op.f("ck_execution_logs_lines_or_key")),
        sa.PrimaryKeyConstraint("execution_id", "attempt", "last", name=op.f("pk_execution_logs")),
        postgresql_partition_by="RANGE (execution_id)",
    )
    # An execution of a month that is over may still be executed.
    for name, bounds in op.get_bind().execute(sa.text(_PARTITIONS)).all():
        month = name.removeprefix("executions_")
        op.execute(f"CREATE TABLE execution_logs_{month} PARTITION OF execution_logs {bounds}")


def downgrade() -> None:
    op.drop_table("execution_logs")
