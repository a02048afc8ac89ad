"""Dagster's own storage on a PostgreSQL of another provider, reached over TCP by an account that owns nothing."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType, TickData, TickStatus
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from pydantic import SecretStr
from sqlalchemy import URL, create_engine, make_url, text

from imageflow_clients.database.core.engine import migrate_database
from imageflow_clients.settings import Settings
from imageflow_resources.pools import set_pools
from imageflow_resources.storage import load_instance, migrate_instance
from services.postgres import Postgres

SURVEYS = dg.DynamicPartitionsDefinition(name="surveys")


@dg.asset(partitions_def=SURVEYS, pool="tiles")
def mapped() -> None:
    return None


@pytest.fixture
def settings(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    name = f"dagster_{uuid.uuid4().hex}"
    postgres.create_database(name)
    monkeypatch.setenv("IMAGEFLOW_DATABASE_URL", postgres.url(name))
    settings = Settings(home=tmp_path / "home", database_url=SecretStr(postgres.url(name)), tiles_pool=3)
    migrate_database(settings)
    migrate_instance(settings)
    return settings


def test_runs_events_partitions_pools_and_ticks_are_kept_in_the_given_database(
    settings: Settings, postgres: Postgres
) -> None:
    instance = load_instance(settings)
    set_pools(instance, settings)
    instance.add_dynamic_partitions("surveys", ["city-s-0001", "city-s-0002"])
    done = dg.materialize([mapped], partition_key="city-s-0002", instance=instance)
    sensor = InstigatorState(sensor_origin(), InstigatorType.SENSOR, InstigatorStatus.RUNNING)
    instance.add_instigator_state(sensor)
    instance.create_tick(
        TickData(
            sensor.instigator_origin_id,
            "watch",
            InstigatorType.SENSOR,
            TickStatus.SKIPPED,
            1_800_000_000.0,
            selector_id=sensor.selector_id,
        )
    )
    postgres.stop()
    postgres.start()
    again = load_instance(settings)
    run = again.get_run_by_id(done.run_id)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert again.get_dynamic_partitions("surveys") == ["city-s-0001", "city-s-0002"]
    assert again.get_materialized_partitions(dg.AssetKey("mapped")) == {"city-s-0002"}
    assert again.event_log_storage.get_concurrency_info("tiles").slot_count == 3
    assert again.event_log_storage.get_concurrency_info("tiles").active_slot_count == 0
    (state,) = again.all_instigator_state()
    ticks = again.get_ticks(state.instigator_origin_id, state.selector_id)
    assert [one.status for one in ticks] == [TickStatus.SKIPPED]
    with create_engine(url_of(settings)).connect() as connection:
        schemas = connection.execute(
            text("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename IN ('runs', 'event_logs', 'job_ticks')")
        ).scalars()
        assert list(schemas) == ["dagster"]
    assert not (settings.home_path / "postgres").exists()


def test_times_of_runs_are_utc_whatever_time_zone_the_account_has(settings: Settings) -> None:
    url = url_of(settings)
    with create_engine(url).begin() as connection:
        connection.execute(text(f"ALTER ROLE {url.username} IN DATABASE {url.database} SET timezone = 'Asia/Tokyo'"))
    instance = load_instance(settings)
    run = instance.run_storage.add_run(dg.DagsterRun(job_name="any", run_id=str(uuid.uuid4())))
    instance.report_run_failed(run)
    record = instance.get_run_record_by_id(run.run_id)
    assert record is not None
    for told in (record.create_timestamp, record.update_timestamp):
        assert abs(datetime.now(UTC) - told) < timedelta(minutes=1)


def url_of(settings: Settings) -> URL:
    assert settings.database_url is not None
    return make_url(settings.database_url.get_secret_value()).set(drivername="postgresql+psycopg")


def sensor_origin() -> RemoteInstigatorOrigin:
    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="imageflow_assets.definitions"))
    return RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), "watch")
