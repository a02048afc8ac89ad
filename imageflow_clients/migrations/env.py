"""What alembic runs: migrations on the connection that it is handed, within the caller's transaction."""

from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy import text

from imageflow_clients.database.tables import metadata


def _keep_oldest_program(ctx: MigrationContext, step: MigrationInfo, heads: object, run_args: object) -> None:  # noqa: ARG001
    """Keep which ImageFlow may use the schema that a step led to; before revision 0010 there is no place for it."""
    reached: tuple[Any, ...] = step.up_revisions if step.is_upgrade else step.down_revisions
    (oldest,) = [getattr(one.module, "oldest_program", None) for one in reached] or [None]
    if oldest is not None:
        context.get_bind().execute(text("UPDATE schema_use SET oldest_program = :oldest"), {"oldest": oldest})


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    on_version_apply=_keep_oldest_program,
)
context.run_migrations()
