"""One PostgreSQL for all tests that run at the same time, in however many sessions. Each database is a test's own.

A database with the newest schema is a copy of a template, which takes a tenth of what migrating an empty one does.
"""

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql
from pydantic import SecretStr

from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.postgres.layout import exclusive, open_lock, try_lock
from imageflow_domain.errors import DatabaseUnavailable

_TEMPLATE_S = 120.0
_STOP_S = 60.0
_SETTINGS = {
    # What survives a crash is the affair of tests that crash servers of their own.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    # It would visit hundreds of databases that are gone a moment later.
    "autovacuum": "off",
}

Fill = Callable[[SecretStr], None]
"""Makes tables in an empty database."""


class SharedPostgres:
    """The server of a folder, for every session that names the folder: the last one to close removes it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._server = EmbeddedPostgres(folder / "server")
        self._users = open_lock(folder / "users.lock")
        self._remove_unless_used()  # what sessions left that were killed
        fcntl.flock(self._users, fcntl.LOCK_SH)
        with self._connected() as connection:
            for name, value in _SETTINGS.items():
                connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
            connection.execute("SELECT pg_reload_conf()")

    def empty(self) -> SecretStr:
        """Make an empty database; return where ImageFlow connects to it."""
        return self._url(f"test_{uuid.uuid4().hex}")

    def copy(self, template: str, fill: Fill) -> SecretStr:
        """Make a copy of a template; return where ImageFlow connects to it.

        Args:
            template: The template's name: its first user in all sessions makes it.
            fill: How.
        """
        name = f"test_{uuid.uuid4().hex}"
        with exclusive(self._folder / f"{template}.lock", _TEMPLATE_S) as alone, self._connected() as connection:
            if not alone:
                raise DatabaseUnavailable(f"Another session has been making '{template}' for {_TEMPLATE_S:.0f} s.")
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [template]).fetchone():
                self._make(connection, template, fill)
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )
        return self._url(name)

    def close(self) -> None:
        """Leave the server to other sessions, or stop it and remove its folder where there are none."""
        fcntl.flock(self._users, fcntl.LOCK_UN)
        self._remove_unless_used()
        os.close(self._users)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _remove_unless_used(self) -> None:
        if try_lock(self._users, fcntl.LOCK_EX):
            deadline = time.monotonic() + _STOP_S
            while not self._server.stop():  # a process that a test started is a client until it has ended
                if time.monotonic() > deadline:
                    raise DatabaseUnavailable(f"A process has kept the tests' PostgreSQL in use for {_STOP_S:.0f} s.")
                time.sleep(0.1)
            if (self._folder / "server").exists():
                shutil.rmtree(self._folder / "server")

    def _make(self, connection: "psycopg.Connection[tuple[object, ...]]", template: str, fill: Fill) -> None:
        """Make a template under another name first: a killed session then leaves no template without tables."""
        making = sql.Identifier(f"{template}_unfinished")
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(making))
        fill(self._url(f"{template}_unfinished"))
        # Pools keep connections, and a database that has any can be neither renamed nor copied.
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(making))
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s",
            [f"{template}_unfinished"],
        )
        connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(making, sql.Identifier(template)))

    def _connected(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(self._url("postgres").get_secret_value(), autocommit=True)

    def _url(self, database: str) -> SecretStr:
        url = self._server.url(database).set(drivername="postgresql")
        return SecretStr(url.render_as_string(hide_password=False))
