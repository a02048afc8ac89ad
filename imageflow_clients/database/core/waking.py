"""Waiting for what is notified, on one direct connection: no pooler between, which would not pass it on."""

import threading
from collections.abc import Sequence
from typing import Self

import psycopg
from psycopg import sql
from sqlalchemy import Engine
from sqlalchemy.exc import TimeoutError as PoolTimeout

from imageflow_clients.database.core.connecting import reason_of
from imageflow_domain.errors import DatabaseUnavailable


class Bell:
    """Waits for notifications of a channel. One thread waits; another may close it meanwhile."""

    def __init__(self, engine: Engine, channel: str) -> None:
        self._engine = engine
        self._channel = channel
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._waiting = threading.Lock()
        self._is_closed = False

    def wait(self, timeout_s: float) -> Sequence[str]:
        """Return what the channel is notified of, or nothing after `timeout_s`.

        Returns at once, and nothing, when it has just connected, as earlier notifications were not received. Raises
        `DatabaseUnavailable` where the database is not there; the next call connects again.
        """
        received: Sequence[str] = ()
        with self._waiting:
            if self._connection is None:
                self._connection = self._listen()
            else:
                received = self._wait(self._connection, timeout_s)
        if self._is_closed:
            self.close()
        return received

    def close(self) -> None:
        """Close the connection, at the end of a wait that is under way."""
        self._is_closed = True
        if self._waiting.acquire(blocking=False):
            try:
                self._disconnect()
            finally:
                self._waiting.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait(self, connection: "psycopg.Connection[tuple[object, ...]]", timeout_s: float) -> Sequence[str]:
        try:
            return [each.payload for each in connection.notifies(timeout=timeout_s, stop_after=1)]
        except psycopg.OperationalError as error:
            self._disconnect()
            raise DatabaseUnavailable(f"The database failed: {reason_of(error)}. Try again.") from error

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _listen(self) -> "psycopg.Connection[tuple[object, ...]]":
        # By the engine: it waits for a server that is away, and starts the embedded one.
        try:
            borrowed = self._engine.raw_connection()
        except PoolTimeout as error:
            raise DatabaseUnavailable("Every connection of this process to the database is busy.") from error
        connection = borrowed.driver_connection
        assert isinstance(connection, psycopg.Connection)  # noqa: S101 - the one driver that engines have here
        borrowed.detach()
        try:
            connection.autocommit = True
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
        except psycopg.Error as error:
            connection.close()  # the pool does not, for one that is detached
            raise DatabaseUnavailable(f"The database failed: {reason_of(error)}. Try again.") from error
        return connection
