"""How every engine of ours connects: with patience, and by starting the embedded server where that is the one."""

import re
import select
import time
from typing import Any

from sqlalchemy import URL, Engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError

from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import DatabaseSettings
from imageflow_domain.errors import DatabaseUnavailable, InvalidInput

PATIENCE_S = 15.0
_PAUSE_S = 0.1
_TIMEOUT_S = 5
_TRUSTED_S = 10.0
"""A connection that was idle for longer is asked whether its server still answers."""
# Failures that do not pass by waiting; libpq gives no code for them, only text.
_FINAL = re.compile(
    r"authentication failed|does not exist|no pg_hba\.conf entry|no password supplied|invalid|resolve host"
)
_WHERE = re.compile(r"^(?:connection failed: )?connection to server .*? failed: (?:FATAL: +)?", re.DOTALL)


def embedded_server(settings: DatabaseSettings) -> EmbeddedPostgres | None:
    """Return the embedded server of these settings, or None where a database is given."""
    return EmbeddedPostgres(settings.home_path / "postgres") if settings.database_url is None else None


def given_url(settings: DatabaseSettings) -> URL:
    """Return the given database's URL for psycopg 3; raise `InvalidInput` where it is none of PostgreSQL."""
    if settings.database_url is None:
        raise InvalidInput("IMAGEFLOW_DATABASE_URL is not set.")
    try:
        url = make_url(settings.database_url.get_secret_value())
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.get_backend_name() not in {"postgresql", "postgres"}:
        raise InvalidInput("IMAGEFLOW_DATABASE_URL must look like postgresql://user:password@host:5432/name.")
    return url.set(drivername="postgresql+psycopg")


def connect_with_patience(engine: Engine, embedded: EmbeddedPostgres | None, patience_s: float = PATIENCE_S) -> None:
    """Make `engine` try for `patience_s` to connect, and start the embedded server if it is down.

    Its failures are `DatabaseUnavailable`. Being connected costs nothing more than without.
    """

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _record: object, arguments: list[Any], parameters: dict[str, Any]) -> Any:
        parameters.setdefault("connect_timeout", _TIMEOUT_S)
        deadline = time.monotonic() + patience_s
        while True:
            try:
                return dialect.connect(*arguments, **parameters)
            except dialect.loaded_dbapi.Error as error:
                reason = reason_of(error)
                if _FINAL.search(reason) or time.monotonic() > deadline:
                    raise DatabaseUnavailable(_sentence(engine.url, embedded, reason)) from error
            if embedded is not None:
                begun = time.monotonic()
                embedded.ensure_running()
                deadline += time.monotonic() - begun  # a busy machine takes its time to start it
            time.sleep(_PAUSE_S)


def replace_lost_connections(engine: Engine) -> None:
    """Make the pool of `engine` replace connections that were lost while they were idle.

    A server that ends a connection sends so: what there is to read on a connection tells it without a round trip.
    """

    @event.listens_for(engine, "checkin")
    def note(_connection: object, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def check(connection: Any, record: Any, _proxy: object) -> None:
        idle_since = record.info.get("idle_since")
        if idle_since is None:  # it was just made
            return
        if time.monotonic() - idle_since < _TRUSTED_S and not _has_something_to_read(connection):
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError("The connection was lost while it was idle.") from error


def _has_something_to_read(connection: Any) -> bool:
    """Whether the server sent something, or closed the connection."""
    if connection.closed:
        return True
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))


def reason_of(error: BaseException) -> str:
    """Return the first line of what a driver's error says, without the address."""
    lines = _WHERE.sub("", str(error)).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")


def _sentence(url: URL, embedded: EmbeddedPostgres | None, reason: str) -> str:
    if embedded is not None:
        return f"The embedded PostgreSQL refuses the connection: {reason}. Try again in a moment."
    place = f"{url.host or url.query.get('host', 'localhost')}:{url.port or 5432}/{url.database or ''}"
    return f"PostgreSQL at '{place}' refuses the connection: {reason}. Start it, or correct IMAGEFLOW_DATABASE_URL."
