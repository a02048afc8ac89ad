"""Components that are container images, and the images that a published pipeline uses."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
oldest_program = "0.5.0"


def upgrade() -> None:
    op.create_table(
        "components",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("manifest", postgresql.JSONB(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("name ~ '^[a-z0-9_]{1,64}$'", name="name"),
        sa.CheckConstraint("version >= 1", name="version"),
        sa.CheckConstraint("image ~ '@sha256:[0-9a-f]{64}$'", name="image"),
        sa.CheckConstraint("char_length(image) <= 512", name="image_short"),
        sa.CheckConstraint("octet_length(manifest::text) <= 256000", name="manifest_small"),
        sa.PrimaryKeyConstraint("name", "version"),
    )
    op.add_column(
        "pipelines", sa.Column("images", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("pipelines", "images")
    op.drop_table("components")
