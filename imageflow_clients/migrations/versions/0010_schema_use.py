"""The oldest version of ImageFlow that may use the schema."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
oldest_program = "0.5.0"


def upgrade() -> None:
    table = op.create_table(
        "schema_use",
        sa.Column("is_only", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("oldest_program", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("is_only"),
        sa.CheckConstraint("is_only", name="one_row"),
    )
    op.bulk_insert(table, [{"oldest_program": oldest_program}])


def downgrade() -> None:
    op.drop_table("schema_use")
