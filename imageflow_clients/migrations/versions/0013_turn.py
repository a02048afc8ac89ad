"""After how far a world that wraps around begins again."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
oldest_program = "0.5.0"

_TURN = ("turn_x_px", "turn_y_px")


def upgrade() -> None:
    for name in _TURN:
        op.add_column("surveys", sa.Column(name, sa.Double(), nullable=True))


def downgrade() -> None:
    for name in reversed(_TURN):
        op.drop_column("surveys", name)
