"""The schema of a database: bring it to this version's, and refuse one that this version may not use.

Each migration names the oldest ImageFlow that may use the schema from there on, and the database keeps that version: a
process may so go on beside a newer one, which has migrated the database under it.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version
from sqlalchemy import Connection, inspect, text

from imageflow_domain.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parents[2] / "migrations"
_LOCK = 0x696D6166  # "imaf": any number that no other code locks

Begin = Callable[[], AbstractContextManager[Connection]]
"""Opens a transaction."""


def migrate(begin: Begin) -> None:
    """Run the missing migrations in one transaction; costs one query where there are none.

    Raises `DatabaseUnavailable` for a newer schema that this version may not use.
    """
    with begin() as connection:
        if _is_usable(connection):
            return
    with begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        if not _is_usable(connection):
            upgrade(connection, newest_revision())


def check_schema(begin: Begin) -> None:
    """Raise `DatabaseUnavailable` where the schema is older than this version's, or newer and not for this version."""
    with begin() as connection:
        if _is_usable(connection):
            return
        current = current_revision(connection)
    found = "has no tables of ImageFlow yet" if current is None else f"has schema {current}"
    raise DatabaseUnavailable(
        f"The database {found}, and this ImageFlow needs schema {newest_revision()}: run `imageflow migrate`."
    )


def _is_usable(connection: Connection) -> bool:
    """Whether the schema is this version's, or a newer one that this version may use.

    Raises `DatabaseUnavailable` for a newer one that it may not use.
    """
    current, known = current_revision(connection), newest_revision()
    if current is None or current <= known:
        return current == known
    oldest, own = oldest_program(connection), version("imageflow")
    if Version(own) < Version(oldest):
        raise DatabaseUnavailable(
            f"The database has schema {current}, which needs ImageFlow {oldest} or newer: update this ImageFlow {own}."
        )
    return True


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


def oldest_program(connection: Connection) -> str:
    """Return the oldest version of ImageFlow that may use the schema, of a database at revision 0010 or later."""
    oldest: str = connection.execute(text("SELECT oldest_program FROM schema_use")).scalar_one()
    return oldest
