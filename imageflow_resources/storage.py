"""Where Dagster keeps its records: one instance under the settings' `home`, the same for every process of ours.

`dagster.yaml` names these classes, so that plain `dagster dev` in the repository, the stack and the command line share
runs, partitions and logs without any environment variable.

Runs and events go to PostgreSQL: to the database `dagster` of the embedded server, or, where IMAGEFLOW_DATABASE_URL
is given, to the schema `dagster` of that database (the account needs the right to create it).
"""

import threading
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Self

import dagster as dg
import yaml
from dagster._config import Field
from dagster._config.config_schema import UserConfigSchema
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.schedule_storage import PostgresScheduleStorage
from sqlalchemy import URL, Connection, Engine, create_engine, text
from typing_extensions import override

from imageflow_clients.database.core.connecting import connect_with_patience, embedded_server, given_url
from imageflow_clients.settings import Settings
from imageflow_domain.errors import DatabaseUnavailable
from imageflow_resources.instance_settings import settings_of

_SCHEMA = "dagster"
_LOCK = 0x64616773  # "dags": any number that no other code locks
_WHOLE = "tables are whole"
_CONFIG = {"home": Field(str, is_required=False)}
_CUSTOM = ("local_artifact_storage", "compute_logs")
_TURN = threading.Lock()
_ENGINES: dict[URL, Engine] = {}
"""One for each database: Dagster makes and drops instances all the time, each with three storages."""
_WHOLE_ONES: set[URL] = set()
"""Databases whose tables were seen to be there: a code server would look anew for each tick."""


def load_instance(settings: Settings) -> dg.DagsterInstance:
    """Return Dagster's instance of these settings; the database's URL is always taken from the environment."""
    folder = _dagster_folder(settings)
    file = _config_file()
    config = {name: value for name, value in _config(settings).items() if name in {"storage", *_CUSTOM}}
    reference = InstanceRef.from_dir(str(folder), config_dir=str(file.parent), overrides=config)
    return dg.DagsterInstance.from_ref(reference)


def make_tables(settings: Settings) -> None:
    """Make Dagster's tables where they are not there yet."""
    engine = _shared_engine(settings)
    with engine.connect() as connection:
        if not _is_whole(connection):
            _make_tables(engine, connection)


def check_tables(settings: Settings) -> None:
    """Raise `DatabaseUnavailable` where Dagster's tables are not there."""
    with _shared_engine(settings).connect() as connection:
        if not _is_whole(connection):
            raise DatabaseUnavailable("The database has no tables of Dagster yet: run `imageflow migrate`.")


def migrate_instance(settings: Settings) -> None:
    """Make Dagster's tables, or bring them to its version, in the database that the environment names."""
    make_tables(settings)
    with load_instance(settings) as instance:
        instance.upgrade()


def dagster_home(settings: Settings) -> Path:
    """Return a folder for the DAGSTER_HOME of child processes: it means this instance from any working directory."""
    folder = _dagster_folder(settings)
    written = folder / f"dagster.yaml.{threading.get_ident()}"
    written.write_text(yaml.safe_dump(_config(settings)), encoding="utf-8")
    written.replace(folder / "dagster.yaml")
    return folder


class ImageFlowStorage(DagsterStorage, ConfigurableClass):
    """Dagster's runs, events and schedules in PostgreSQL; survives a crash of the embedded server."""

    def __init__(self, settings: Settings, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        engine = _shared_engine(settings)
        if engine.url not in _WHOLE_ONES:
            check_tables(settings) if settings.database_url is not None else make_tables(settings)
            _WHOLE_ONES.add(engine.url)
        self._runs = _Runs(engine)
        self._events = _Events(engine)
        self._schedules = _Schedules(engine)
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    @override
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    @override
    def config_type(cls) -> UserConfigSchema:
        return _CONFIG

    @classmethod
    @override
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        return cls(settings_of(config_value), inst_data)

    @property
    @override
    def run_storage(self) -> PostgresRunStorage:
        return self._runs

    @property
    @override
    def event_log_storage(self) -> PostgresEventLogStorage:
        return self._events

    @property
    @override
    def schedule_storage(self) -> PostgresScheduleStorage:
        return self._schedules


class ImageFlowArtifacts(LocalArtifactStorage):
    """Dagster's files of runs."""

    @classmethod
    @override
    def config_type(cls) -> UserConfigSchema:
        return _CONFIG

    @classmethod
    @override
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        return cls(str(_dagster_folder(settings_of(config_value))), inst_data)


class ImageFlowComputeLogs(LocalComputeLogManager):
    """What steps print."""

    @classmethod
    @override
    def config_type(cls) -> UserConfigSchema:
        return _CONFIG

    @classmethod
    @override
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        return cls(str(_dagster_folder(settings_of(config_value)) / "compute_logs"), inst_data=inst_data)


class _SharedEngine:
    """Mixed into Dagster's storages: they connect through the engine of the process, never through one of their own."""

    def __init__(self, engine: Engine, *, make_tables: bool = False) -> None:
        self._shared = engine
        url = engine.url.render_as_string(hide_password=False)
        super().__init__(url, should_autocreate_tables=make_tables)  # type: ignore[call-arg]  # of the class beside it

    @property
    def _engine(self) -> Engine:
        return self._shared

    @_engine.setter
    def _engine(self, made: Engine) -> None:
        made.dispose()


def _once(look: Callable[..., bool]) -> Callable[..., bool]:
    """Make Dagster ask once in a process whether a database has a part of the layout; what is there stays.

    It asks several times for each tick, for which PostgreSQL lists all its tables.
    """
    there: set[tuple[object, ...]] = set()

    @wraps(look)
    def has(storage: _SharedEngine, *what: object) -> bool:
        part = (storage._shared.url, *(each for each in what if isinstance(each, str)))
        if part not in there and look(storage, *what):
            there.add(part)
        return part in there

    return has


class _Runs(_SharedEngine, PostgresRunStorage):
    has_built_index = _once(PostgresRunStorage.has_built_index)
    has_run_stats_index_cols = _once(PostgresRunStorage.has_run_stats_index_cols)


class _Events(_SharedEngine, PostgresEventLogStorage):
    pass


class _Schedules(_SharedEngine, PostgresScheduleStorage):
    has_built_index = _once(PostgresScheduleStorage.has_built_index)
    has_instigators_table = _once(PostgresScheduleStorage.has_instigators_table)
    _has_instigators_table = _once(PostgresScheduleStorage._has_instigators_table)


def _shared_engine(settings: Settings) -> Engine:
    embedded = embedded_server(settings)
    url = (_in_schema(given_url(settings)) if embedded is None else embedded.url("dagster")).set(
        drivername="postgresql+psycopg2"  # Dagster's NOTIFY is a syntax error with psycopg 3
    )
    with _TURN:
        if url not in _ENGINES:
            engine = create_engine(
                url,
                isolation_level="AUTOCOMMIT",
                pool_pre_ping=True,
                pool_size=2,
                max_overflow=50,
                pool_use_lifo=True,
                connect_args={"application_name": "dagster"},
            )
            connect_with_patience(engine, embedded)
            _ENGINES[url] = engine
        return _ENGINES[url]


def _in_schema(url: URL) -> URL:
    """Return the URL of Dagster's own schema, in UTC.

    Dagster writes times of runs as the session's time of day, and reads them back as UTC.
    """
    given = url.query.get("options", ())
    options = " ".join([given] if isinstance(given, str) else given)
    return url.update_query_dict({"options": f"{options} -csearch_path={_SCHEMA} -ctimezone=UTC".strip()})


def _is_whole(connection: Connection) -> bool:
    """Whether all of Dagster's tables are there; its own three looks at their names take ten times as long."""
    comment = connection.execute(text("SELECT obj_description(to_regclass('alembic_version'), 'pg_class')")).scalar()
    return bool(comment == _WHOLE)


def _make_tables(engine: Engine, connection: Connection) -> None:
    # Dagster by itself does not bear several processes that begin on an empty database at once.
    connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
    try:
        if not _is_whole(connection):
            if "search_path" in str(engine.url.query.get("options", "")):
                connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}"))
            for storage in (_Runs, _Events, _Schedules):
                storage(engine, make_tables=True)
            connection.execute(text(f"COMMENT ON TABLE alembic_version IS '{_WHOLE}'"))
    finally:
        connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})


def _dagster_folder(settings: Settings) -> Path:
    folder = settings.home_path / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _config_file() -> Path:
    """Return `dagster.yaml`: beside this module where it was installed, in the repository's root otherwise."""
    installed = Path(__file__).with_name("dagster.yaml")
    return installed if installed.exists() else Path(__file__).parents[1] / "dagster.yaml"


def _config(settings: Settings) -> dict[str, Any]:
    """Return what `dagster.yaml` says, with the home spelt out."""
    config: dict[str, Any] = yaml.safe_load(_config_file().read_text(encoding="utf-8"))
    for part in (config["storage"]["custom"], *(config[name] for name in _CUSTOM)):
        part["config"] = {"home": str(settings.home_path)}
    return config
