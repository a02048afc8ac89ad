"""Dumps of PostgreSQL by its own programs: `pg_dump` writes one, `pg_restore` and `psql` bring it into a database.

The programs are those of the embedded server, or of IMAGEFLOW_POSTGRES_PROGRAMS.
"""

import importlib.util
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql
from sqlalchemy import URL

from imageflow_clients.database.core.connecting import embedded_server, given_url, reason_of
from imageflow_clients.embedded_postgres import postgres_programs
from imageflow_clients.settings import BackupSettings, DatabaseSettings
from imageflow_domain.errors import Conflict, DatabaseUnavailable, InvalidInput

_CHUNK_BYTES = 1 << 20
_PREAMBLE_LINES = 40
_UNKNOWN_BEFORE_17 = b"SET transaction_timeout = 0;\n"
_SCHEMAS = ("public", "dagster")

Feed = Callable[[Callable[[bytes], object]], None]
"""Writes a stream to its end by the function that it is given."""


@dataclass(frozen=True, kw_only=True)
class DumpedDatabase:
    """A database of which all is dumped."""

    name: str
    url: URL


def dumped_databases(settings: DatabaseSettings) -> tuple[DumpedDatabase, ...]:
    """Return the databases of these settings: a given one holds Dagster's tables too, an embedded server has two."""
    embedded = embedded_server(settings)
    if embedded is None:
        return (DumpedDatabase(name="imageflow", url=given_url(settings)),)
    return tuple(DumpedDatabase(name=name, url=embedded.url(name)) for name in ("imageflow", "dagster"))


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One state of a database, which is dumped while transactions go on."""

    id: str
    server_version: int
    """Major version."""
    rows: Mapping[str, int]
    """Rows of each table, such as `public.surveys`."""


@contextmanager
def snapshot(database: DumpedDatabase) -> Iterator[Snapshot]:
    """Hold the present state of a database for a `with` block; raise `DatabaseUnavailable`."""
    with _connected(database) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = connection.execute("SELECT pg_export_snapshot()").fetchone()
        assert found is not None  # noqa: S101 - a function's one row
        yield Snapshot(
            id=str(found[0]), server_version=connection.info.server_version // 10_000, rows=_rows(connection)
        )


def rows_of(database: DumpedDatabase) -> Mapping[str, int]:
    """Return the rows of each table."""
    with _connected(database) as connection:
        return _rows(connection)


def check_empty(database: DumpedDatabase) -> None:
    """Raise `Conflict` where a database holds tables."""
    with _connected(database) as connection:
        tables = len(_tables(connection))
    if tables:
        place = f"{database.url.host or 'this machine'}/{database.url.database}"
        raise Conflict(f"The database '{place}' holds {tables} tables already: restore into an empty database.")


class PostgresPrograms:
    """`pg_dump`, `pg_restore` and `psql` of one version."""

    def __init__(self, settings: BackupSettings) -> None:
        """Find them; raise `InvalidInput` where the folder of the settings lacks one."""
        given = settings.postgres_programs
        self._folder = postgres_programs() if given is None else given
        self._environment = {} if given is not None else _with_tls()
        missing = [name for name in ("pg_dump", "pg_restore", "psql") if not (self._folder / name).is_file()]
        if missing:
            raise InvalidInput(
                f"'{self._folder}' lacks {', '.join(missing)}: set IMAGEFLOW_POSTGRES_PROGRAMS to the folder of "
                "PostgreSQL's programs."
            )

    def version(self) -> int:
        """Return the major version."""
        said = subprocess.run(
            [self._folder / "pg_dump", "--version"], capture_output=True, text=True, check=True
        ).stdout
        found = re.search(r"\) (\d+)", said)
        if found is None:
            raise InvalidInput(f"'{self._folder / 'pg_dump'}' does not say its version: {said.strip()}")
        return int(found[1])

    @contextmanager
    def dump(self, database: DumpedDatabase, held: Snapshot) -> Iterator[IO[bytes]]:
        """Give a snapshot's archive as a stream, which the block reads to its end.

        Raises `DatabaseUnavailable` where the programs are older than the server, and after the block where the
        archive is not whole.
        """
        own = self.version()
        if own < held.server_version:
            raise DatabaseUnavailable(
                f"The server is PostgreSQL {held.server_version}, and pg_dump here is of version {own}: set "
                f"IMAGEFLOW_POSTGRES_PROGRAMS to the folder of PostgreSQL {held.server_version}'s programs."
            )
        options = ("--format=custom", "--no-owner", "--no-privileges", f"--snapshot={held.id}")
        with self._started("pg_dump", (*options, f"--dbname={_address(database)}"), database) as process:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            yield process.stdout

    def restore(self, database: DumpedDatabase, feed: Feed) -> None:
        """Bring an archive into an empty database: all of it in one transaction, or nothing.

        Args:
            database: The empty one.
            feed: Writes the archive; called in another thread. What it raises is raised.

        Raises `DatabaseUnavailable` with what PostgreSQL or its programs say.
        """
        options = ("--exit-on-error", "--no-owner", "--no-privileges", "--file=-")
        of_psql = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-", f"--dbname={_address(database)}")
        with (
            self._started("pg_restore", options, database) as restore,
            self._started("psql", of_psql, database) as psql,
            ThreadPoolExecutor(1) as pool,
        ):
            feeding = pool.submit(_feed, restore, feed)
            _execute(restore, psql)
            feeding.result()
            if restore.wait() == 0:
                _write(psql, b"COMMIT;\n")

    @contextmanager
    def _started(
        self, program: str, options: Sequence[str], database: DumpedDatabase
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a program during the block; raise `DatabaseUnavailable` where it fails."""
        password = database.url.password
        environment = {**os.environ, **self._environment, **({} if password is None else {"PGPASSWORD": str(password)})}
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                [self._folder / program, *options],
                env=environment,
                stdin=subprocess.PIPE,
                # the results that psql prints are not needed
                stdout=subprocess.DEVNULL if program == "psql" else subprocess.PIPE,
                stderr=said,
            )
            try:
                yield process
            except BaseException:
                process.kill()
                raise
            finally:
                _close(process)
                process.wait()
            if process.returncode != 0:
                said.seek(0)
                raise DatabaseUnavailable(f"{program} failed: {_first_line(said.read())}.")


def _feed(restore: "subprocess.Popen[bytes]", feed: Feed) -> None:
    assert restore.stdin is not None  # noqa: S101 - it is a pipe
    # Where pg_restore has ended before its input, its exit status says why.
    with suppress(BrokenPipeError), restore.stdin as archive:
        feed(archive.write)


def _execute(restore: "subprocess.Popen[bytes]", psql: "subprocess.Popen[bytes]") -> None:
    """Execute the statements of an archive, in a transaction that is left open."""
    assert restore.stdout is not None  # noqa: S101 - it is a pipe
    try:
        _write(psql, b"BEGIN;\n")
        for line in islice(restore.stdout, _PREAMBLE_LINES):
            # pg_restore sets it on servers of every version, and those before 17 refuse it.
            if line != _UNKNOWN_BEFORE_17:
                _write(psql, line)
        while (chunk := restore.stdout.read(_CHUNK_BYTES)) and psql.poll() is None:
            _write(psql, chunk)
    except BaseException:
        restore.kill()  # it would wait for a reader, and `feed` for it
        raise
    if psql.poll() is not None:
        restore.kill()


def _write(psql: "subprocess.Popen[bytes]", data: bytes) -> None:
    assert psql.stdin is not None  # noqa: S101 - it is a pipe
    # Where psql has ended, its exit status says why.
    with suppress(BrokenPipeError):
        psql.stdin.write(data)
        psql.stdin.flush()


def _with_tls() -> Mapping[str, str]:
    """Return the variables that let the wheel's programs speak TLS: its own libpq was built without, psycopg's with."""
    found = importlib.util.find_spec("psycopg_binary")
    if found is None or found.origin is None:
        return {}
    libraries = sorted(Path(found.origin).parents[1].glob("psycopg_binary.libs/libpq-*.so*"))
    return {"LD_PRELOAD": str(libraries[0])} if libraries else {}


def _address(database: DumpedDatabase) -> str:
    """Return where libpq connects to, without the password: others may read the arguments of a process."""
    return database.url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)


@contextmanager
def _connected(database: DumpedDatabase) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"PostgreSQL refuses the connection: {reason_of(error)}.") from error


def _tables(connection: "psycopg.Connection[tuple[object, ...]]") -> list[tuple[str, str]]:
    found = connection.execute(
        "SELECT nspname, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
        "WHERE relkind = 'r' AND nspname = ANY(%s) ORDER BY 1, 2",
        [list(_SCHEMAS)],
    )
    return [(str(schema), str(table)) for schema, table in found]


def _rows(connection: "psycopg.Connection[tuple[object, ...]]") -> Mapping[str, int]:
    def count(schema: str, table: str) -> int:
        found = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))).fetchone()
        assert found is not None  # noqa: S101 - a count is one row
        return int(str(found[0]))

    return {f"{schema}.{table}": count(schema, table) for schema, table in _tables(connection)}


def _close(process: "subprocess.Popen[bytes]") -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):  # a program that has ended takes no more
                pipe.close()


def _first_line(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines() or ["it gave no reason"]
    return lines[0].rstrip(".")
