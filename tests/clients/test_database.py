import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import IntegrityError

from imageflow_clients.database.core.connecting import connect_with_patience
from imageflow_clients.database.core.engine import Database, migrate_database, open_database
from imageflow_clients.database.core.migrating import (
    MIGRATIONS,
    current_revision,
    downgrade,
    newest_revision,
    oldest_program,
    upgrade,
)
from imageflow_clients.database.maps import placements
from imageflow_clients.database.tables import metadata
from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import Settings
from imageflow_domain.errors import DatabaseUnavailable, InvalidInput, NotReady
from imageflow_domain.grid import Cell
from services.postgres import Postgres
from tests.clients.servers import ROOT, alive, server_pid, within

MIGRATE = """
from imageflow_clients.database.core.engine import migrate_database
from imageflow_clients.settings import Settings
migrate_database(Settings())
"""


def given(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


def test_migrating_an_empty_database_gives_exactly_the_tables_of_the_schema(empty_database: Settings) -> None:
    migrate_database(empty_database)
    with open_database(empty_database) as database, database.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        checks = text(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE contype IN ('c', 'f') AND connamespace = current_schema()::regnamespace ORDER BY conname"
        )
        migrated = connection.execute(checks).all()
        connection.execute(text("CREATE SCHEMA direct; SET search_path = direct"))
        metadata.create_all(connection)
        assert connection.execute(checks).all() == migrated != []


def test_migrations_can_be_taken_back_and_run_again(empty_database: Settings) -> None:
    migrate_database(empty_database)
    with open_database(empty_database) as database, database.begin() as connection:
        downgrade(connection, "base")
        left = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
        assert left == ["alembic_version"]
        upgrade(connection, newest_revision())
        assert current_revision(connection) == newest_revision()


def test_the_newest_revision_is_the_one_that_alembic_finds() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [newest_revision()]


def test_processes_that_migrate_an_empty_database_at_once_do_it_once(empty_database: Settings) -> None:
    several = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE],
            cwd=ROOT,
            env={**os.environ, "IMAGEFLOW_DATABASE_URL": given(empty_database)},
        )
        for _ in range(3)
    ]
    assert [process.wait() for process in several] == [0, 0, 0]
    with create_engine(given(empty_database).replace("postgresql:", "postgresql+psycopg:")).connect() as connection:
        assert current_revision(connection) == newest_revision()


@pytest.mark.parametrize("newest", [None, "0009"])
def test_a_given_database_with_an_older_schema_names_the_command_that_migrates_it(
    empty_database: Settings, newest: str | None
) -> None:
    if newest is not None:
        migrate_database(empty_database)
        with open_database(empty_database) as database, database.begin() as connection:
            downgrade(connection, newest)
    with pytest.raises(DatabaseUnavailable, match=f"needs schema {newest_revision()}: run `imageflow migrate`"):
        open_database(empty_database)
    assert migrate_database(empty_database) == (newest, newest_revision())
    open_database(empty_database).close()


def test_a_newer_schema_is_used_by_the_programs_that_it_is_for_and_refused_by_older_ones(
    empty_database: Settings,
) -> None:
    migrate_database(empty_database)
    with open_database(empty_database) as database, database.begin() as connection:
        connection.execute(text("ALTER TABLE surveys ADD COLUMN added_later integer"))
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with open_database(empty_database) as database, database.begin() as connection:
        assert oldest_program(connection) == "0.5.0"
        connection.execute(text("UPDATE schema_use SET oldest_program = '99.0.0'"))
    for use in (open_database, migrate_database):
        with pytest.raises(DatabaseUnavailable) as refused:
            use(empty_database)
        own = version("imageflow")
        assert str(refused.value) == (
            f"The database has schema 9999, which needs ImageFlow 99.0.0 or newer: update this ImageFlow {own}."
        )


def test_each_migration_keeps_the_oldest_program_that_may_use_its_schema(empty_database: Settings) -> None:
    migrate_database(empty_database)
    with open_database(empty_database) as database, database.begin() as connection:
        connection.execute(text("UPDATE schema_use SET oldest_program = 'changed'"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0009'"))
        connection.execute(text("DROP TABLE schema_use"))
        upgrade(connection, "0010")
        assert oldest_program(connection) == "0.5.0"


def test_a_block_that_raises_leaves_nothing_and_its_error_passes(empty_database: Settings) -> None:
    migrate_database(empty_database)
    with open_database(empty_database) as database:
        with pytest.raises(NotReady):
            note_then_fail(database)
        with database.begin() as connection:
            assert connection.execute(text("SELECT count(*) FROM saves")).scalar() == 0
            connection.execute(text("INSERT INTO saves (game, save) VALUES ('g', 's')"))
        with pytest.raises(IntegrityError), database.begin() as connection:
            connection.execute(text("INSERT INTO saves (game, save) VALUES ('g', 's')"))


def note_then_fail(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text("INSERT INTO saves (game, save) VALUES ('g', 's')"))
        raise NotReady("later")


def kill_within_a_transaction(database: Database, server: int) -> None:
    with database.begin() as connection:
        os.kill(server, signal.SIGKILL)
        connection.execute(text("SELECT pg_sleep(60)"))


@pytest.mark.parametrize("killed", ["server", "supervisor"])
def test_threads_whose_pool_lost_a_killed_server_go_on_with_a_fresh_one(tmp_path: Path, killed: str) -> None:
    home = tmp_path / "home"
    begun = time.monotonic()
    database = open_database(Settings(home=home))
    opened_s = time.monotonic() - begun
    entered = threading.Barrier(4)

    def hold() -> None:
        with database.begin() as connection:
            connection.execute(text("SELECT 1"))
            entered.wait()

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    old = server_pid(home / "postgres")
    victim = old if killed == "server" else int((home / "postgres" / "supervisor.lock").read_text())
    os.kill(victim, signal.SIGKILL)
    assert within(60, lambda: not alive(old))
    begun = time.monotonic()
    with database.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM surveys")).scalar() == 0
    # Making and filling the server's folder took longer than starting it again, on a busy machine too.
    assert time.monotonic() - begun < max(10, 2 * opened_s)
    with pytest.raises(DatabaseUnavailable, match="Try again"):
        kill_within_a_transaction(database, server_pid(home / "postgres"))
    with database.begin() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    database.close()
    EmbeddedPostgres(home / "postgres").stop()


@pytest.mark.parametrize(
    "url", ["mysql://root:hidden1@host/db", "hidden1", "postgresql://user:hidden1@host:port/db", "sqlite:///hidden1"]
)
def test_a_url_of_another_database_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(InvalidInput, match="must look like postgresql://") as caught:
        open_database(Settings(database_url=SecretStr(url)))
    assert "hidden1" not in str(caught.value)


def test_a_wrong_password_is_said_at_once_and_never_shown(empty_database: Settings) -> None:
    right = given(empty_database)
    wrong = right.replace(right.split(":")[2].split("@")[0], "hidden1")
    begun = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match=r"refuses the connection: password authentication failed") as caught:
        open_database(Settings(database_url=SecretStr(wrong)))
    assert time.monotonic() - begun < 5
    assert "hidden1" not in str(caught.value)


def test_a_database_that_is_down_is_one_clear_sentence_after_some_patience() -> None:
    engine = create_engine("postgresql+psycopg://user:hidden1@127.0.0.1:1/db")
    connect_with_patience(engine, None, patience_s=0.3)
    with pytest.raises(DatabaseUnavailable) as caught, Database(engine).begin():
        pass
    assert str(caught.value) == (
        "PostgreSQL at '127.0.0.1:1/db' refuses the connection: Connection refused. "
        "Start it, or correct IMAGEFLOW_DATABASE_URL."
    )


@pytest.fixture
def given_database(postgres: Postgres, tmp_path: Path) -> Iterator[Settings]:
    """A database of a server that the test may stop."""
    name = f"test_{uuid.uuid4().hex}"
    postgres.create_database(name)
    yield Settings(home=tmp_path, database_url=SecretStr(postgres.url(name)))
    if postgres.pid is None:
        postgres.start()


def test_a_given_server_that_was_killed_and_comes_back_is_waited_for(
    given_database: Settings, postgres: Postgres
) -> None:
    migrate_database(given_database)
    # On a busy machine it comes back late.
    with open_database(given_database, patience_s=300) as database:
        with database.begin() as connection:
            connection.execute(text("INSERT INTO saves (game, save) VALUES ('g', 's')"))
        postgres.stop(signal.SIGQUIT)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(count_saves, database)
            time.sleep(0.5)
            assert not asked.done()
            postgres.start()
            assert asked.result() == 1


def count_saves(database: Database) -> object:
    with database.begin() as connection:
        return connection.execute(text("SELECT count(*) FROM saves")).scalar()


def test_a_missing_database_is_said_at_once(given_database: Settings) -> None:
    missing = Settings(database_url=SecretStr(given(given_database).rpartition("/")[0] + "/missing"))
    begun = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match=r'database "missing" does not exist.*correct IMAGEFLOW_DATABASE_URL'):
        open_database(missing)
    assert time.monotonic() - begun < 5


def test_an_account_that_may_make_no_tables_is_told_so(given_database: Settings, postgres: Postgres) -> None:
    postgres.revoke(given(given_database).rpartition("/")[2])
    with pytest.raises(DatabaseUnavailable, match=r"permission denied for schema public.*docs/stores\.md"):
        migrate_database(given_database)


@pytest.mark.parametrize(("error", "told"), [(KeyboardInterrupt, False), (RuntimeError, True)])
def test_the_log_tells_failures_on_giving_back_a_connection_but_no_interruption(
    empty_database: Settings, caplog: pytest.LogCaptureFixture, error: type[BaseException], told: bool
) -> None:
    def fail(*_: object) -> None:
        raise error

    migrate_database(empty_database)
    with open_database(empty_database) as database:
        event.listen(database.engine.pool, "reset", fail)
        with suppress(KeyboardInterrupt), database.begin():
            pass
        event.remove(database.engine.pool, "reset", fail)
    assert ("Exception during reset" in caplog.text) is told


class Interrupted(BaseException):
    """As Dagster's, which psycopg does not know."""


def interrupt(*_: object) -> None:
    raise Interrupted


@pytest.mark.parametrize("moment", ["ping", "query"])
def test_an_interruption_stays_one_wherever_the_database_is_waited_for(empty_database: Settings, moment: str) -> None:
    migrate_database(empty_database)
    before = signal.signal(signal.SIGUSR1, interrupt)
    with open_database(empty_database) as database:
        with database.begin() as connection:
            backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        if moment == "ping":
            os.kill(backend, signal.SIGSTOP)
        timer = threading.Timer(0.5, signal.pthread_kill, (threading.get_ident(), signal.SIGUSR1))
        timer.start()
        try:
            with pytest.raises(Interrupted), database.begin() as connection:
                connection.execute(text("SELECT pg_sleep(60)"))
        finally:
            os.kill(backend, signal.SIGCONT)
            timer.join()
            signal.signal(signal.SIGUSR1, before)


def test_a_failure_while_an_interruption_is_handled_is_no_interruption(empty_database: Settings) -> None:
    migrate_database(empty_database)
    with open_database(empty_database) as database:
        try:
            interrupt()
        except Interrupted:
            with pytest.raises(IntegrityError), database.begin() as connection:
                connection.execute(text("INSERT INTO saves (game, save) VALUES ('g', 's'), ('g', 's')"))


def test_offsets_of_ten_thousand_screenshots_are_replaced_at_once(empty_database: Settings) -> None:
    cells = [Cell(row=row, col=col) for row in range(100) for col in range(100)]
    migrate_database(empty_database)
    with open_database(empty_database) as database, database.begin() as connection:
        placements.replace_offsets(connection, "city-large-0001", cells, [], [])
        assert placements.offsets(connection, "city-large-0001") == ()
