"""PostgreSQL as a provider offers it: over TCP with password authentication, and an account with minimal rights.

Its programs are those of the wheel that ImageFlow uses for its embedded server; the server is another one.
"""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL

from imageflow_clients.embedded_postgres import postgres_programs
from imageflow_clients.postgres.account import Account, server_account
from imageflow_clients.postgres.layout import ServerFolder
from imageflow_domain.errors import Unavailable
from services.child import Child, free_port

ACCOUNT = "imageflow"
DATABASE = "imageflow"
_ROOT = "postgres"
_READY_S = 60.0
_POLL_S = 0.05


class Postgres:
    """A PostgreSQL server in a folder. It may be killed, stopped and started again on the same port."""

    name = "postgres"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._folder = ServerFolder(folder.resolve())
        self._programs = postgres_programs()
        self._account: Account = server_account(self._folder, self._programs)
        self._port = free_port()
        self._root_secret = secrets.token_hex(16)
        self._secret = secrets.token_hex(16)
        self._child: Child | None = None
        self._make_data()
        self.start()
        with self._connect() as connection:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(ACCOUNT), sql.Literal(self._secret))
            )
        self.create_database(DATABASE)

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which ImageFlow uses this server."""
        return {"IMAGEFLOW_DATABASE_URL": self.url(DATABASE)}

    @property
    def pid(self) -> int | None:
        """Of the server; `None` while it does not run."""
        return self._child.pid if self._child is not None and self._child.alive else None

    def url(self, database: str) -> str:
        """Return where ImageFlow's account connects to."""
        url = URL.create("postgresql", ACCOUNT, self._secret, "127.0.0.1", self._port, database)
        return url.render_as_string(hide_password=False)

    def create_database(self, name: str) -> None:
        """Make a database in which ImageFlow's account may make tables and schemas, and own nothing else."""
        with self._connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with self._connect(name) as connection:
            for grant in ("GRANT CREATE ON DATABASE {name} TO {account}", "GRANT CREATE ON SCHEMA public TO {account}"):
                connection.execute(sql.SQL(grant).format(name=sql.Identifier(name), account=sql.Identifier(ACCOUNT)))

    def revoke(self, name: str) -> None:
        """Take the right to make tables in a database."""
        with self._connect(name) as connection:
            connection.execute(sql.SQL("REVOKE CREATE ON SCHEMA public FROM {}").format(sql.Identifier(ACCOUNT)))

    def start(self) -> None:
        """Start it, with what it kept."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "io_method": "sync",
        }
        self._child = Child(
            [
                *(self._programs / "postgres", "-D", self._folder.data),
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ],
            log=self._folder.path / "postgres.log",
            port=self._port,
            enter=self._become_server_account,
        )
        self._await_ready()

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it; by default without waiting for those who are connected."""
        if self._child is not None:
            self._child.end(number)

    def _become_server_account(self) -> None:
        self._account.enter(signal.SIGQUIT)

    def _await_ready(self) -> None:
        """Return once it takes requests: its port is open a moment before."""
        deadline = time.monotonic() + _READY_S
        while True:
            try:
                self._connect().close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise Unavailable(f"PostgreSQL did not get ready: {error}") from error
            else:
                return
            time.sleep(_POLL_S)

    def _connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(
            host="127.0.0.1",
            port=self._port,
            user=_ROOT,
            password=self._root_secret,
            dbname=database,
            autocommit=True,
        )

    def _make_data(self) -> None:
        data, secret = self._folder.data, self._folder.path / "root.secret"
        data.mkdir(mode=0o700)
        secret.touch(mode=0o600)
        for path in (data, secret):
            os.chown(path, self._account.uid, self._account.gid)
        secret.write_text(self._root_secret)
        command = [str(self._programs / "initdb"), "-D", str(data), "-U", _ROOT, f"--pwfile={secret}"]
        done = subprocess.run(
            [
                *command,
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
            ],
            preexec_fn=self._become_server_account,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            capture_output=True,
            text=True,
            check=False,
        )
        secret.unlink()
        if done.returncode != 0:
            raise Unavailable(f"PostgreSQL's data could not be made: {done.stderr.strip()}")
