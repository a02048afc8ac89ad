"""Opening the metadata database, and its transactions. Queries live in the modules beside, one a noun."""

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from imageflow_clients.database.core.connecting import (
    PATIENCE_S,
    connect_with_patience,
    embedded_server,
    given_url,
    reason_of,
    replace_lost_connections,
)
from imageflow_clients.database.core.events import logged_at_end
from imageflow_clients.database.core.migrating import check_schema, current_revision, migrate
from imageflow_clients.settings import DatabaseSettings
from imageflow_domain.errors import DatabaseUnavailable

_POOL_LOG = f"{QueuePool.__module__}.{QueuePool.__qualname__}"


class Database:
    """An engine and its transactions. Safe to share among threads; after a fork, open another."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Give a connection in a transaction: committed at the end of the block, rolled back when it raises.

        A connection that was lost before the block is replaced, also when the embedded server has to be started
        again. Raises `DatabaseUnavailable` where there is none to be had or it is lost within the block, whose work
        is then undone: the same block may be run again. An interruption (`KeyboardInterrupt` and other exceptions that
        are no `Exception`) stays one.
        """
        handled = sys.exception()
        try:
            with self.engine.begin() as connection, logged_at_end(connection):
                yield connection
        except PoolTimeout as error:
            raise DatabaseUnavailable(
                "Every connection of this process to the database is busy: try again in a moment."
            ) from error
        except DBAPIError as error:
            interruption = _interruption_behind(error, handled)
            if interruption is not None:
                raise interruption from None
            if isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated:
                raise _unavailable(error) from error
            raise

    def close(self) -> None:
        """Close every idle connection; the next transaction opens another."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_database(settings: DatabaseSettings, *, patience_s: float = PATIENCE_S) -> Database:
    """Return the metadata database.

    Starts the embedded server where no database is given, and brings that one to the newest schema; a given database is
    migrated by `migrate_database` only. Raises `DatabaseUnavailable`, also for a schema that this version cannot use,
    or `InvalidInput` for a URL that is none of PostgreSQL.

    Args:
        settings: Say which database.
        patience_s: How long a server that is away is waited for, whenever a connection is needed.
    """
    database, is_embedded = _connected(settings, patience_s)
    with _closed_on_failure(database):
        (migrate if is_embedded else check_schema)(database.begin)
    return database


def migrate_database(settings: DatabaseSettings) -> tuple[str | None, str | None]:
    """Bring a database, embedded or given, to the newest schema; return its revision before and after.

    The first is None for an empty database. Raises as `open_database` does, and `DatabaseUnavailable` where the
    database's account may not make tables.
    """
    database, _ = _connected(settings, PATIENCE_S)
    with _closed_on_failure(database), database:
        with database.begin() as connection:
            before = current_revision(connection)
        migrate(database.begin)
        with database.begin() as connection:
            return before, current_revision(connection)


def _connected(settings: DatabaseSettings, patience_s: float) -> tuple[Database, bool]:
    """Return the database, and whether it is the embedded one."""
    embedded = embedded_server(settings)
    url = given_url(settings) if embedded is None else embedded.url("imageflow")
    engine = create_engine(
        url,
        pool_size=5,
        max_overflow=15,
        connect_args={"application_name": "imageflow"},
    )
    logging.getLogger(_POOL_LOG).addFilter(_is_a_failure)
    connect_with_patience(engine, embedded, patience_s)
    replace_lost_connections(engine)
    return Database(engine), embedded is not None


@contextmanager
def _closed_on_failure(database: Database) -> Iterator[None]:
    try:
        yield
    except ProgrammingError as error:
        database.close()
        if isinstance(error.orig, InsufficientPrivilege):
            raise DatabaseUnavailable(
                f"The database's account cannot make its tables: {reason_of(error.orig)}. "
                "Grant it what docs/stores.md lists."
            ) from error
        raise
    except BaseException:  # Ctrl-C too: no other code closes the pool
        database.close()
        raise


def _interruption_behind(error: DBAPIError, handled: BaseException | None) -> BaseException | None:
    """Return the interruption whose handling failed with an error, where there is one.

    SQLAlchemy's ping of a pooled connection resets it at the end, which fails while the interrupted query goes on.

    Args:
        error: What came out of the transaction.
        handled: What was being handled when the transaction began: not its own interruption.
    """
    link: BaseException | None = error
    while isinstance(link, Exception) and link is not handled:
        link = link.__cause__ or link.__context__
    return None if link is handled else link


def _unavailable(error: DBAPIError) -> DatabaseUnavailable:
    cause = reason_of(error.orig or error)
    if re.search("No space left|Disk quota", cause):
        return DatabaseUnavailable("The disk of the database is full: free some space, then try again.")
    return DatabaseUnavailable(f"The database failed: {cause}. Try again.")


def _is_a_failure(record: logging.LogRecord) -> bool:
    """Whether the pool logs a failure, and not an interruption, which it raises again for us to handle."""
    error = record.exc_info[1] if record.exc_info else None
    return error is None or isinstance(error, Exception)
