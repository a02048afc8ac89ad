"""Dumps of a real server, by PostgreSQL's own programs."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from imageflow_clients.postgres_dump import DumpedDatabase, PostgresPrograms, check_empty, rows_of, snapshot
from imageflow_clients.settings import Settings
from imageflow_domain.errors import Conflict, DatabaseUnavailable
from tests.databases import SharedPostgres


def database(shared_postgres: SharedPostgres) -> DumpedDatabase:
    return DumpedDatabase(name="any", url=make_url(shared_postgres.empty().get_secret_value()))


def execute(database: DumpedDatabase, *statements: str) -> None:
    with psycopg.connect(database.url.render_as_string(hide_password=False), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def programs() -> PostgresPrograms:
    return PostgresPrograms(Settings())


@pytest.fixture
def filled(shared_postgres: SharedPostgres) -> DumpedDatabase:
    """Three rows, one of which looks like a statement, and a sequence."""
    found = database(shared_postgres)
    execute(
        found,
        "CREATE TABLE things (id bigserial PRIMARY KEY, text text)",
        "INSERT INTO things (text) VALUES ('SET transaction_timeout = 0;'), (E'tab\\t and \\\\'), (NULL)",
    )
    return found


def archive_of(programs: PostgresPrograms, database: DumpedDatabase) -> bytes:
    with snapshot(database) as held, programs.dump(database, held) as stream:
        return stream.read()


def test_an_archive_brings_back_rows_and_sequences(
    programs: PostgresPrograms, filled: DumpedDatabase, shared_postgres: SharedPostgres
) -> None:
    archive = archive_of(programs, filled)
    target = database(shared_postgres)
    programs.restore(target, lambda write: write(archive))
    assert rows_of(target) == rows_of(filled) == {"public.things": 3}
    with psycopg.connect(target.url.render_as_string(hide_password=False)) as connection:
        assert connection.execute("SELECT text FROM things ORDER BY id").fetchall() == [
            ("SET transaction_timeout = 0;",),
            ("tab\t and \\",),
            (None,),
        ]
        assert connection.execute("SELECT nextval('things_id_seq')").fetchone() == (4,)


def test_rows_that_come_during_a_dump_are_neither_counted_nor_dumped(
    programs: PostgresPrograms, filled: DumpedDatabase, shared_postgres: SharedPostgres
) -> None:
    target = database(shared_postgres)
    with snapshot(filled) as held:
        execute(filled, "INSERT INTO things (text) VALUES ('late')")
        with programs.dump(filled, held) as stream:
            archive = stream.read()
    programs.restore(target, lambda write: write(archive))
    assert rows_of(target) == held.rows == {"public.things": 3}


@pytest.mark.parametrize("kept", [0, 3, 500])
def test_an_archive_that_ends_early_leaves_nothing(
    programs: PostgresPrograms, filled: DumpedDatabase, shared_postgres: SharedPostgres, kept: int
) -> None:
    archive = archive_of(programs, filled)
    target = database(shared_postgres)
    with pytest.raises(DatabaseUnavailable, match="pg_restore failed"):
        programs.restore(target, lambda write: write(archive[:kept]))
    check_empty(target)


def test_a_statement_that_fails_leaves_nothing_and_its_reason_is_said(
    programs: PostgresPrograms, filled: DumpedDatabase, shared_postgres: SharedPostgres
) -> None:
    execute(filled, "CREATE TABLE more AS SELECT generate_series(1, 300000) AS id")  # more than pipes hold
    archive = archive_of(programs, filled)
    target = database(shared_postgres)
    execute(target, "CREATE SEQUENCE things_id_seq")
    with pytest.raises(DatabaseUnavailable, match=r'psql failed: .*relation "things_id_seq" already exists'):
        programs.restore(target, lambda write: write(archive))
    check_empty(target)


def test_what_goes_wrong_with_the_archive_is_raised_and_leaves_nothing(
    programs: PostgresPrograms, filled: DumpedDatabase, shared_postgres: SharedPostgres
) -> None:
    archive = archive_of(programs, filled)
    target = database(shared_postgres)

    def pieces() -> Iterator[bytes]:
        yield archive
        raise Conflict("the store is gone")

    with pytest.raises(Conflict, match="the store is gone"):
        programs.restore(target, lambda write: [write(piece) for piece in pieces()])
    check_empty(target)


def test_a_dump_that_is_not_read_to_its_end_ends(programs: PostgresPrograms, filled: DumpedDatabase) -> None:
    execute(filled, "CREATE TABLE more AS SELECT md5(id::text) FROM generate_series(1, 300000) AS id")

    def read_one_byte() -> None:
        with snapshot(filled) as held, programs.dump(filled, held) as stream:
            stream.read(1)
            raise Conflict("no more")

    with pytest.raises(Conflict, match="no more"):
        read_one_byte()


def test_the_programs_speak_tls(programs: PostgresPrograms, filled: DumpedDatabase, tmp_path: Path) -> None:
    encrypted = filled.url.set(host="127.0.0.1", port=1, query={"sslmode": "require"})
    with (
        snapshot(filled) as held,
        pytest.raises(DatabaseUnavailable, match="Connection refused"),  # else: "SSL support is not compiled in"
        programs.dump(DumpedDatabase(name="any", url=encrypted), held) as stream,
    ):
        stream.read()
