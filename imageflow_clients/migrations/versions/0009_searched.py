"""Screenshots that were found by searching after the placement, and the offsets that tie them."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_FOUND_OFF = ("found_off_x_px", "found_off_y_px")


def upgrade() -> None:
    op.add_column("pair_offsets", sa.Column("searched", sa.Boolean(), server_default="false", nullable=False))
    for name in _FOUND_OFF:
        op.add_column("coordinates", sa.Column(name, sa.Integer(), nullable=True))


def downgrade() -> None:
    for name in reversed(_FOUND_OFF):
        op.drop_column("coordinates", name)
    # without the column they would count as offsets between neighbours
    op.execute("DELETE FROM pair_offsets WHERE searched")
    op.drop_column("pair_offsets", "searched")
