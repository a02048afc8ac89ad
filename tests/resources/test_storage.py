import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance.ref import InstanceRef
from pydantic import SecretStr
from sqlalchemy import Engine, create_engine, event, text

from imageflow_clients.database.core.engine import migrate_database
from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import Settings
from imageflow_resources.storage import dagster_home, load_instance, make_tables

ROOT = Path(__file__).parents[2]
# Forked after the imports, which take seconds each: what counts is that processes of their own use the instance.
SEVEN_RUNS_AND_A_READER = """
import multiprocessing, sys, time
from pathlib import Path
import dagster as dg
from imageflow_clients.settings import Settings
from imageflow_resources.storage import load_instance, make_tables

@dg.asset
def first(): return None

@dg.asset(deps=[first])
def second(): return None

def run(home):
    result = dg.materialize([first, second], instance=load_instance(Settings(home=Path(home))))
    sys.exit(0 if result.success else 1)

def read(home, over):
    instance = load_instance(Settings(home=Path(home)))
    seen = 0
    while not over.wait(0.05):
        records = instance.get_run_records(limit=20)
        for record in records:
            instance.all_logs(record.dagster_run.run_id)
        seen = max(seen, len(records))
    sys.exit(0 if seen else 1)

if __name__ == "__main__":
    forks = multiprocessing.get_context("fork")
    over = forks.Event()
    reader = forks.Process(target=read, args=(sys.argv[1], over))
    runs = [forks.Process(target=run, args=(sys.argv[1],)) for _ in range(7)]
    for process in (reader, *runs):
        process.start()
    for process in runs:
        process.join()
    over.set()
    reader.join()
    sys.exit(max(abs(process.exitcode) for process in (reader, *runs)))
"""


@dg.asset
def alone() -> None:
    return None


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("IMAGEFLOW_", "DAGSTER_"))]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("a home") / "of mine"
    yield folder
    EmbeddedPostgres(folder / "postgres").stop()


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings(home=home)


def server_pid(settings: Settings) -> int:
    return int((settings.home_path / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])


def kill_server(settings: Settings) -> None:
    pid = server_pid(settings)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_seven_processes_with_a_run_each_and_a_reader_begin_on_an_empty_instance_at_once(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", SEVEN_RUNS_AND_A_READER, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    instance = load_instance(settings)
    records = instance.get_run_records()
    assert [record.dagster_run.status for record in records] == [dg.DagsterRunStatus.SUCCESS] * 7
    for record in records:
        kinds = [entry.dagster_event_type for entry in instance.all_logs(record.dagster_run.run_id)]
        assert kinds.count(dg.DagsterEventType.ASSET_MATERIALIZATION) == 2
    assert "Traceback" not in done.stderr
    EmbeddedPostgres(tmp_path / "postgres").stop()


def test_runs_partitions_and_what_steps_printed_are_there_after_a_restart(settings: Settings) -> None:
    instance = load_instance(settings)
    instance.add_dynamic_partitions("surveys", ["city-s-0001"])
    result = dg.materialize([alone], instance=instance)
    EmbeddedPostgres(settings.home_path / "postgres").stop()
    again = load_instance(settings)
    run = again.get_run_by_id(result.run_id)
    assert run is not None
    assert run.status == dg.DagsterRunStatus.SUCCESS
    assert again.get_latest_materialization_event(dg.AssetKey("alone")) is not None
    assert again.get_dynamic_partitions("surveys") == ["city-s-0001"]
    folder = settings.home_path / "dagster"
    assert list((folder / "compute_logs").rglob("*.err"))
    assert Path(again.storage_directory()).is_relative_to(folder)


def test_an_instance_that_is_opened_again_asks_the_database_only_what_it_is_asked(settings: Settings) -> None:
    """A code server opens one for each tick of a sensor."""

    def look() -> None:
        with load_instance(settings) as instance:
            instance.get_run_records(limit=1)
            for state in instance.all_instigator_state():
                instance.get_instigator_state(state.instigator_origin_id, state.selector_id)

    def note(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        asked.append(statement)

    look()
    asked: list[str] = []
    event.listen(Engine, "before_cursor_execute", note)
    try:
        look()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(asked) == 2
    assert not any("pg_catalog" in statement for statement in asked)


def test_an_instance_in_use_survives_a_killed_server(settings: Settings) -> None:
    instance = load_instance(settings)
    before = dg.materialize([alone], instance=instance)
    kill_server(settings)
    assert instance.get_run_by_id(before.run_id) is not None
    assert dg.materialize([alone], instance=instance).success


def test_a_webserver_s_instance_survives_a_killed_server(settings: Settings) -> None:
    instance = load_instance(settings)
    instance.optimize_for_webserver(statement_timeout=5000, pool_recycle=3600, max_overflow=20)
    instance.get_run_records(limit=1)
    kill_server(settings)
    instance.get_run_records(limit=1)
    assert instance.event_log_storage.get_event_records(dg.EventRecordsFilter(dg.DagsterEventType.RUN_START), limit=1)


def test_the_file_in_the_root_is_valid_and_means_the_home_of_the_environment(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = dg.materialize([alone], instance=load_instance(settings)).run_id
    monkeypatch.setenv("IMAGEFLOW_HOME", str(settings.home))
    plain = dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path), config_dir=str(ROOT)))
    assert plain.get_run_by_id(run) is not None
    assert plain.global_op_concurrency_default_limit == 1
    assert plain.run_monitoring_enabled
    assert plain.run_monitoring_settings["free_slots_after_run_end_seconds"] == 30
    assert plain.run_retries_enabled
    assert plain.run_retries_max_retries == 2
    assert not plain.run_retries_retry_on_asset_or_op_failure
    assert not plain.telemetry_enabled
    assert not plain.nux_enabled


def test_the_home_for_child_processes_means_the_same_instance_from_any_folder(
    settings: Settings, tmp_path: Path
) -> None:
    run = dg.materialize([alone], instance=load_instance(settings)).run_id
    folder = dagster_home(settings)
    code = f"import dagster as dg; assert dg.DagsterInstance.get().get_run_by_id({run!r})"
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "DAGSTER_HOME": str(folder), "PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert not any(path.is_relative_to(tmp_path) for path in tmp_path.rglob("dagster*"))


def test_a_given_database_gets_dagsters_tables_in_a_schema_of_their_own(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = EmbeddedPostgres(settings.home_path / "postgres").url("given")
    shown = url.set(drivername="postgresql").render_as_string(hide_password=False)
    monkeypatch.setenv("IMAGEFLOW_DATABASE_URL", shown)
    given = Settings(home=tmp_path / "other", database_url=SecretStr(shown))
    migrate_database(given)
    make_tables(given)
    instance = load_instance(given)
    assert dg.materialize([alone], instance=instance).success
    assert len(instance.get_run_records()) == 1
    with create_engine(url).connect() as connection:
        found = connection.execute(text("SELECT schemaname FROM pg_tables WHERE tablename IN ('runs', 'surveys')"))
        assert sorted(found.scalars()) == ["dagster", "public"]
    assert not (tmp_path / "other" / "postgres").exists()
    password = url.password
    assert password is not None
    assert password not in str(instance.get_ref())
    assert password not in "".join(path.read_text() for path in [dagster_home(given) / "dagster.yaml"])
