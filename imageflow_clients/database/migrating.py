"""Brings a database to the newest schema, once, however many processes open it at the same time."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from imageflow_domain.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parents[1] / "migrations"
_LOCK = 0x696D6166  # "imaf": any number that nobody else locks


def migrate(begin: Callable[[], AbstractContextManager[Connection]]) -> None:
    """Run the missing migrations in one transaction; costs one query where there are none.

    Args:
        begin: Opens a transaction.
    """
    head = newest_revision()
    with begin() as connection:
        if current_revision(connection) == head:
            return
    with begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        current = current_revision(connection)
        if current is not None and current > head:
            raise DatabaseUnavailable(
                f"The database was written by a newer ImageFlow (schema {current}; this one knows {head}): update it."
            )
        if current != head:
            upgrade(connection, head)


def upgrade(connection: Connection, revision: str) -> None:
    """Migrate up to `revision` within the connection's transaction."""
    # Takes a quarter of a second to import, and is needed once in a database's life.
    from alembic import command

    command.upgrade(_config(connection), revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Take migrations back down to `revision`, or to "base", within the connection's transaction."""
    from alembic import command

    command.downgrade(_config(connection), revision)


def _config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def newest_revision() -> str:
    """Return the newest revision: migrations are numbered, and their files begin with the number."""
    return max(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def current_revision(connection: Connection) -> str | None:
    """Return the revision that a database is at, or None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
