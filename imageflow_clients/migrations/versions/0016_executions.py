"""Executions: the history by month, the queue, leases and idempotency keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
oldest_program = "0.5.0"

_TIME = sa.DateTime(timezone=True)
_JSON = postgresql.JSONB()


def upgrade() -> None:
    op.create_table(
        "executions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("spec", _JSON, nullable=True),
        sa.Column("parameters", _JSON, nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("inputs", _JSON, nullable=False),
        sa.Column("outputs", _JSON, server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_step", sa.Text(), nullable=True),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("started_at", _TIME, nullable=True),
        sa.Column("ended_at", _TIME, nullable=True),
        sa.Column("estimated_end_at", _TIME, nullable=True),
        sa.Column("cancel_asked_at", _TIME, nullable=True),
        sa.CheckConstraint("pipeline ~ '^[a-z0-9_]{1,64}$'", name=op.f("ck_executions_pipeline")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_executions_version")),
        sa.CheckConstraint("priority BETWEEN 0 AND 2", name=op.f("ck_executions_priority")),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'completed', 'failed', 'cancelled')", name=op.f("ck_executions_state")
        ),
        sa.CheckConstraint("octet_length(spec::text) <= 4000000", name=op.f("ck_executions_spec_small")),
        sa.CheckConstraint("octet_length(parameters::text) <= 4000000", name=op.f("ck_executions_parameters_small")),
        sa.CheckConstraint("char_length(client) <= 200", name=op.f("ck_executions_client_short")),
        sa.CheckConstraint("char_length(correlation) <= 200", name=op.f("ck_executions_correlation_short")),
        sa.CheckConstraint("char_length(principal) <= 200", name=op.f("ck_executions_principal_short")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_executions")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index("ix_executions_pipeline", "executions", ["pipeline", "id"])
    for column in ("state", "priority", "client"):
        op.create_index(f"ix_executions_{column}", "executions", [column, "id"])
    op.create_index(
        "ix_executions_completed",
        "executions",
        ["pipeline", "version", "id"],
        postgresql_where=sa.text("state = 'completed'"),
    )
    op.create_index(
        "ix_executions_error_words",
        "executions",
        [sa.text("to_tsvector('simple', error)")],
        postgresql_using="gin",
        postgresql_where=sa.text("error IS NOT NULL"),
    )
    op.create_table(
        "execution_steps",
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_s", sa.Double(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("tries", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "step", name=op.f("pk_execution_steps")),
        postgresql_partition_by="RANGE (execution_id)",
    )
    op.create_table(
        "execution_queue",
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("due", _TIME, nullable=False),
        sa.Column("not_before", _TIME, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("execution_id", name=op.f("pk_execution_queue")),
    )
    op.create_index("ix_execution_queue_due", "execution_queue", ["due"])
    op.create_table(
        "execution_leases",
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("until", _TIME, nullable=False),
        sa.Column("due", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("execution_id", name=op.f("pk_execution_leases")),
    )
    op.create_index("ix_execution_leases_until", "execution_leases", ["until"])
    op.create_table(
        "execution_keys",
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("request_digest", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("char_length(key) <= 200", name=op.f("ck_execution_keys_key_short")),
        sa.PrimaryKeyConstraint("principal", "key", name=op.f("pk_execution_keys")),
    )
    op.create_index("ix_execution_keys_created_at", "execution_keys", ["created_at"])


def downgrade() -> None:
    for name in ("execution_keys", "execution_leases", "execution_queue", "execution_steps", "executions"):
        op.drop_table(name)
