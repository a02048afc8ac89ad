"""Resources as Dagster shows them and hands them out: what configures them, what replaces them, what stays secret."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
from dagster._core.test_utils import in_process_test_workspace
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster_graphql.test.utils import execute_dagster_graphql
from pydantic import SecretStr

from game_capture.staging import Staging
from imageflow_assets.definitions import build_defs
from imageflow_clients.database.core import heartbeats
from imageflow_clients.database.core.engine import Database, migrate_database
from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.objects import ObjectStore
from imageflow_clients.settings import DatabaseSettings, Settings
from imageflow_clients.stores import Stores
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import InvalidInput
from imageflow_domain.inference import ModelRegistry
from imageflow_resources.configured import configured_resources
from imageflow_resources.database import DatabaseResource
from imageflow_resources.games import GameDriverResource
from imageflow_resources.inference import InferenceResource, IsolationResource
from imageflow_resources.object_store import ObjectStoreResource
from imageflow_resources.stores import StoresResource, shared_stores
from tests.clients.stores import set_variables

SECRETS = {
    "IMAGEFLOW_DATABASE_URL": "postgresql://imageflow:hidden1@127.0.0.1:1/imageflow",
    "IMAGEFLOW_OBJECT_STORE_URL": "s3://hidden2",
    "IMAGEFLOW_INFERENCE_URL": "http://hidden3:hidden3@127.0.0.1:1",
    "AWS_ENDPOINT_URL": "http://hidden4:hidden4@127.0.0.1:1",
    "AWS_ACCESS_KEY_ID": "hidden5",
    "AWS_SECRET_ACCESS_KEY": "hidden6",
    "AWS_SESSION_TOKEN": "hidden7",
    "AWS_REGION": "hidden8",
}
RESOURCES = """{ allTopLevelResourceDetailsOrError(repositorySelector: {
  repositoryName: "__repository__", repositoryLocationName: "<<in_process>>"
}) { ... on ResourceDetailsList { results {
  name description
  configFields { name description }
  configuredValues { key value type }
  nestedResources { name resource { name } }
} } } }"""
OURS = ("database", "object_store", "stores", "models", "isolation", "games")

Given = Mapping[str, Any]


@pytest.fixture(autouse=True)
def _no_variables_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, {})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("resources")
    yield folder
    EmbeddedPostgres(folder / "postgres").stop()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp() as made:
        yield made


@dg.asset
def seen(
    stores: dg.ResourceParam[Stores], models: dg.ResourceParam[ModelRegistry], games: dg.ResourceParam[Staging]
) -> None:
    SEEN[:] = [stores, models, games]


SEEN: list[Any] = []


def materialise(resources: Given, **options: Any) -> tuple[Stores, ModelRegistry, Staging]:
    """Return what an asset gets of these resources."""
    dg.materialize([seen], resources=resources, **options)
    stores, models, games = SEEN
    return stores, models, games


def shown(instance: dg.DagsterInstance) -> dict[str, Any]:
    """Return what Dagster's pages ask for, resource by resource."""
    origin = LoadableTargetOrigin(module_name="tests.resources.code_location", attribute="defs")
    with in_process_test_workspace(instance, origin) as workspace:
        answer = execute_dagster_graphql(workspace, RESOURCES)
    return {one["name"]: one for one in answer.data["allTopLevelResourceDetailsOrError"]["results"]}


def values(resource: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {one["key"]: (one["type"], one["value"]) for one in resource["configuredValues"]}


def test_every_resource_and_every_field_says_what_it_is(instance: dg.DagsterInstance) -> None:
    pages = shown(instance)
    assert set(OURS) <= set(pages)
    for name in OURS:
        assert pages[name]["description"]
        assert all(field["description"] for field in pages[name]["configFields"])
        assert pages[name]["configFields"]


def test_stores_and_models_say_of_which_resources_they_are_made(instance: dg.DagsterInstance) -> None:
    pages = shown(instance)
    made_of = {name: {one["resource"]["name"] for one in pages[name]["nestedResources"]} for name in OURS}
    assert made_of["stores"] == {"database", "object_store"}
    assert made_of["models"] == {"object_store"}


def test_dagster_knows_the_variables_of_secrets_and_never_their_values(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_variables(monkeypatch, SECRETS)
    pages = shown(instance)
    assert values(pages["database"])["url"] == ("ENV_VAR", "IMAGEFLOW_DATABASE_URL")
    assert values(pages["models"])["server_url"] == ("ENV_VAR", "IMAGEFLOW_INFERENCE_URL")
    assert {key: value for key, (kind, value) in values(pages["object_store"]).items() if kind == "ENV_VAR"} == {
        "url": "IMAGEFLOW_OBJECT_STORE_URL",
        "endpoint_url": "AWS_ENDPOINT_URL",
        "region": "AWS_REGION",
        "access_key_id": "AWS_ACCESS_KEY_ID",
        "secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "session_token": "AWS_SESSION_TOKEN",
    }
    job = build_defs().resolve_implicit_global_asset_job_def()
    told = json.dumps(pages) + dg.serialize_value(job.get_job_snapshot())
    assert "hidden" not in told


def test_a_run_writes_down_no_secret(instance: dg.DagsterInstance, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = EmbeddedPostgres(home / "postgres").url("imageflow")
    given = url.set(drivername="postgresql").render_as_string(hide_password=False)
    set_variables(monkeypatch, {**SECRETS, "IMAGEFLOW_DATABASE_URL": given, "IMAGEFLOW_HOME": str(home)})
    migrate_database(Settings())
    result = dg.materialize([seen], resources=configured_resources(Settings(), {}), instance=instance)
    assert SEEN[0].database.engine.url.password == url.password
    written = "".join(dg.serialize_value(entry) for entry in instance.all_logs(result.run_id))
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.job_snapshot_id is not None
    written += dg.serialize_value(run) + dg.serialize_value(instance.get_job_snapshot(run.job_snapshot_id))
    written += "".join(path.read_text() for path in Path(instance.storage_directory()).rglob("*") if path.is_file())
    assert "hidden" not in written
    assert str(url.password) not in written


def test_what_is_not_set_needs_no_variable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, {"IMAGEFLOW_HOME": str(home)})
    stores, _, games = materialise(configured_resources(Settings(), {}))
    with stores.database.begin() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
    assert stores.objects.where("a") == str(home / "objects" / "a")
    assert stores.scratch == games.scratch == home / "scratch"
    assert stores.scratch.is_dir()


def test_a_variable_may_be_written_in_small_letters_as_settings_read_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("imageflow_object_store_url", tmp_path.as_uri())
    monkeypatch.setenv("IMAGEFLOW_HOME", str(home))
    stores, _, _ = materialise(configured_resources(Settings(), {}))
    assert stores.objects.where("a") == str(tmp_path / "a")


def test_settings_are_read_when_definitions_are_built(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEFLOW_HOME", str(home))
    monkeypatch.setenv("IMAGEFLOW_GAME_START_TIMEOUT_S", "77")
    resources = build_defs().resources
    assert resources is not None
    assert resources["games"].start_timeout_s == 77
    monkeypatch.setenv("IMAGEFLOW_STORE_DEADLINE_S", "never")
    with pytest.raises(InvalidInput, match="IMAGEFLOW_STORE_DEADLINE_S"):
        build_defs()


def test_sensors_and_runs_of_a_process_share_its_connections(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEFLOW_HOME", str(home))
    first, models, _ = materialise(configured_resources(Settings(), {}))
    second, same_models, _ = materialise(configured_resources(Settings(), {}))
    assert first == second == shared_stores(Settings())
    assert models is same_models


def test_another_configuration_has_connections_of_its_own(home: Path, tmp_path: Path) -> None:
    settings = Settings(home=home)
    other = ObjectStoreResource(url=tmp_path.as_uri(), home=str(home), deadline_s=30, requests=16)
    usual, usual_models, _ = materialise(configured_resources(settings, {}))
    stores, models, _ = materialise(configured_resources(settings, {"object_store": other}))
    assert stores.database is usual.database
    assert stores.objects is not usual.objects
    assert models is not usual_models


def test_an_asset_gets_the_database_and_the_object_store_that_are_put_in_place(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = EmbeddedPostgres(home / "postgres").url("another").set(drivername="postgresql")
    monkeypatch.setenv("SOMEBODY_ELSES", url.render_as_string(hide_password=False))
    migrate_database(DatabaseSettings(database_url=SecretStr(url.render_as_string(hide_password=False))))
    replaced = {
        "database": DatabaseResource(url=dg.EnvVar("SOMEBODY_ELSES"), home="/nowhere"),
        "object_store": ObjectStoreResource(url=tmp_path.as_uri(), home="/nowhere", deadline_s=30, requests=16),
    }
    defs = build_defs(resources=replaced)
    assert defs.resources is not None
    stores, _, _ = materialise(defs.resources)
    assert stores.database.engine.url.database == "another"
    assert stores.objects.where("a") == str(tmp_path / "a")


def test_open_clients_may_stand_in_for_their_resources(home: Path) -> None:
    opened = shared_stores(Settings(home=home))
    database, objects = Database(opened.database.engine), ObjectStore(opened.objects._store, label="stand-in")
    models, games = object(), Staging(scratch=home / "elsewhere")
    resources = build_defs(resources={"database": database, "object_store": objects, "games": games}).resources
    assert resources is not None
    stores, _, given = materialise(resources)
    assert (stores.database, stores.objects) == (database, objects)
    assert given is games
    resources = build_defs(resources={"stores": opened, "models": models}).resources
    assert resources is not None
    assert materialise(resources)[:2] == (opened, models)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("database", {"home": "/elsewhere"}),
        ("object_store", {"home": "/elsewhere", "deadline_s": 30.0, "requests": 16}),
    ],
)
def test_a_run_with_stores_of_its_own_is_refused(name: str, config: dict[str, Any], home: Path) -> None:
    resources = configured_resources(Settings(home=home), {})
    with pytest.raises(dg.DagsterResourceFunctionError) as caught:
        materialise(resources, run_config={"resources": {name: {"config": config}}})
    assert isinstance(caught.value.__cause__, InvalidInput)
    assert "leave database and object_store out of its configuration" in str(caught.value.__cause__)


def test_games_may_be_given_more_time_for_one_run(home: Path) -> None:
    resources = configured_resources(Settings(home=home), {})
    config = {"scratch": str(home), "start_timeout_s": 300.0, "settle_timeout_s": 60.0}
    _, _, games = materialise(resources, run_config={"resources": {"games": {"config": config}}})
    assert games == Staging(scratch=home, start_timeout_s=300, settle_timeout_s=60)


def test_games_have_what_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMAGEFLOW_SCRATCH", str(tmp_path))
    monkeypatch.setenv("IMAGEFLOW_GAME_DISPLAY", ":7")
    for number, name in enumerate(("DISPLAY", "START", "ANSWER", "SETTLE"), start=1):
        monkeypatch.setenv(f"IMAGEFLOW_GAME_{name}_TIMEOUT_S", str(number))
    with dg.build_resources({"games": GameDriverResource.of(Settings())}) as given:
        assert given.games == Staging(
            scratch=tmp_path / "imageflow",
            display=":7",
            display_timeout_s=1,
            start_timeout_s=2,
            answer_timeout_s=3,
            settle_timeout_s=4,
        )
    for name in ("DISPLAY", "DISPLAY_TIMEOUT_S", "START_TIMEOUT_S", "ANSWER_TIMEOUT_S", "SETTLE_TIMEOUT_S"):
        monkeypatch.delenv(f"IMAGEFLOW_GAME_{name}")
    with dg.build_resources({"games": GameDriverResource.of(Settings())}) as given:
        assert given.games == Staging(scratch=tmp_path / "imageflow")


def test_models_are_computed_by_whom_the_environment_names(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = shared_stores(Settings(home=home)).objects
    monkeypatch.setenv("IMAGEFLOW_INFERENCE_PROVIDER", "abacus")
    with (
        pytest.raises(dg.DagsterResourceFunctionError) as caught,
        dg.build_resources({"models": InferenceResource.of(Settings(), objects)}),
    ):
        pass
    assert "'abacus'" in str(caught.value.__cause__)
    monkeypatch.setenv("IMAGEFLOW_INFERENCE_URL", "not an address")
    with (
        pytest.raises(dg.DagsterResourceFunctionError) as caught,
        dg.build_resources({"models": InferenceResource.of(Settings(), objects)}),
    ):
        pass
    assert "not the address of an inference server" in str(caught.value.__cause__)


@pytest.mark.parametrize("kept", [0, 1])
def test_as_many_step_processes_are_kept_as_the_environment_says(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEFLOW_STEP_PROCESSES", str(kept))
    with dg.build_resources({"isolation": IsolationResource.of(Settings())}) as given:
        pid = given.isolation.call(os.getpid, cancellation=Cancellation())
        assert psutil.pid_exists(pid) == (kept == 1)
    assert not psutil.pid_exists(pid)


def test_the_heartbeat_of_a_run_beats_in_the_stores_that_it_was_given(home: Path, instance: dg.DagsterInstance) -> None:
    resources = configured_resources(Settings(home=home), {})
    assert isinstance(resources["stores"], StoresResource)
    result = dg.materialize([seen], resources=resources, instance=instance)
    with SEEN[0].database.begin() as connection:
        assert heartbeats.seen_at(connection, result.run_id) is not None
