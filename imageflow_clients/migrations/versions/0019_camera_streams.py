"""What became of the frames of a camera stream."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
oldest_program = "0.5.0"


def upgrade() -> None:
    op.add_column("executions", sa.Column("frames", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("executions", "frames")
