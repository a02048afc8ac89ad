"""Dagster loads everything, sensors run without being switched on, and an operator plans a survey from its pages."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from PIL import Image

from imageflow_assets.definitions import build_defs, defs
from imageflow_assets.inspection.assets import ASSETS
from imageflow_assets.inspection.sensors import SENSORS
from imageflow_assets.map.assets import BY_LAYER
from imageflow_assets.map.partitions import SURVEYS
from imageflow_assets.map.sensors import notice_map_uploads, request_surveys
from imageflow_assets.pipelines.sensors import execute_long_running
from imageflow_clients.dagster import LOCATION
from imageflow_clients.database.core import heartbeats
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Grid
from imageflow_domain.survey import Carrier, Layer, Survey, SurveyState
from imageflow_pipelines.engine import NoModels
from imageflow_resources.database import DatabaseResource
from imageflow_resources.object_store import ObjectStoreResource
from imageflow_surveys import states
from tests.clients.servers import ROOT
from tests.surveys.cities import city, driver_of_city

SMALL_CITY = {"view": [320, 256], "drift_px": 8, "paused": True}


def test_all_definitions_load() -> None:
    dg.Definitions.validate_loadable(defs)
    dg.Definitions.validate_loadable(build_defs(resources={"stores": object()}))


def test_the_worker_of_every_run_beats_whatever_part_of_a_job_it_is_to_do() -> None:
    """Who opens the stores beats; a run of ours that does not is taken for dead."""
    silent = [
        f"{job.name}.{op.name}"
        for job in defs.get_repository_def().get_all_jobs()
        for op in job.graph.iterate_op_defs()
        if "stores" not in op.required_resource_keys
    ]
    assert silent == []


def test_dagster_loads_our_code_under_one_name() -> None:
    (loaded,) = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    assert loaded["python_module"]["location_name"] == LOCATION


def test_there_is_one_asset_a_layer_partitioned_by_survey() -> None:
    graph = defs.resolve_asset_graph()
    of_the_map = graph.get_all_asset_keys() - {asset.key for asset in ASSETS}
    assert {key.to_user_string() for key in of_the_map} == {"map_uploads", "surveys", *(layer.value for layer in Layer)}
    for layer, asset in BY_LAYER.items():
        assert asset.key.to_user_string() == layer.value
        assert asset.partitions_def == SURVEYS


def test_assets_depend_on_each_other_in_the_order_of_the_layers() -> None:
    order = list(Layer)
    for before, layer in pairwise(["surveys", *order]):
        assert {key.to_user_string() for key in BY_LAYER[Layer(layer)].dependency_keys} == {str(before)}


@pytest.mark.parametrize("sensor", [request_surveys, notice_map_uploads, execute_long_running, *SENSORS])
def test_sensors_run_without_being_switched_on(sensor: dg.SensorDefinition) -> None:
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert defs.resolve_sensor_def(sensor.name).default_status is dg.DefaultSensorStatus.RUNNING


def _plan(
    stores: Stores, instance: dg.DagsterInstance, *, raise_on_error: bool = True, **config: Any
) -> dg.ExecuteInProcessResult:
    job = build_defs(resources={"stores": stores}).resolve_job_def("plan_survey")
    return job.execute_in_process(
        instance=instance,
        run_config={"ops": {"register_survey": {"config": config}}},
        raise_on_error=raise_on_error,
    )


def _planned(stores: Stores, result: dg.ExecuteInProcessResult) -> Survey:
    return states.read(stores, result.output_for_node("register_survey"))


def test_an_operator_plans_a_survey_by_its_configuration_alone(stores: Stores, instance: dg.DagsterInstance) -> None:
    result = _plan(stores, instance, game="city", save="by_hand", parameters=SMALL_CITY, grid="4x3", masks=["1,2,30,4"])
    survey = _planned(stores, result)
    assert survey.id == "city-by_hand-0001"
    assert (survey.state, survey.carrier) == (SurveyState.PLANNED, Carrier.OPERATOR)
    assert survey.grid == Grid(cols=4, rows=3)
    assert survey.spec.driver.parameters == SMALL_CITY
    assert survey.spec.masks == (Rect(x_px=1, y_px=2, width_px=30, height_px=4),)
    assert instance.get_dynamic_partitions(str(SURVEYS.name)) == [survey.id]


def test_a_database_that_is_put_in_place_is_the_one_that_a_job_writes_to(
    stores: Stores,
    settings: Settings,
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert settings.database_url is not None
    monkeypatch.setenv("DATABASE_IN_PLACE", settings.database_url.get_secret_value())
    resources = {
        "database": DatabaseResource(url=dg.EnvVar("DATABASE_IN_PLACE"), home="/nowhere"),
        "object_store": ObjectStoreResource(home=str(tmp_path), deadline_s=30, requests=16),
    }
    job = build_defs(resources=resources).resolve_job_def("plan_survey")
    config = {"game": "city", "save": "in_place", "parameters": SMALL_CITY, "grid": "3x3"}
    result = job.execute_in_process(instance=instance, run_config={"ops": {"register_survey": {"config": config}}})
    assert _planned(stores, result).id == "city-in_place-0001"
    with stores.database.begin() as connection:
        assert heartbeats.seen_at(connection, result.run_id) is not None


def test_a_survey_that_is_to_start_is_the_sensor_s(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = _planned(
        stores, _plan(stores, instance, game="city", save="start", parameters=SMALL_CITY, grid="3x3", start=True)
    )
    assert (survey.state, survey.carrier) == (SurveyState.PLANNED, Carrier.SENSOR)
    states.cancel(stores, survey.id, "the test is over")


def test_an_operator_plans_a_folder_of_frames(stores: Stores, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    spec = city("frames", seed=61, drift_px=0)
    with driver_of_city(spec) as driver:
        for area in driver.areas(spec.grid):
            Image.fromarray(driver.grab(area).picture).save(tmp_path / f"{area.cell}.png")
    survey = _planned(
        stores, _plan(stores, instance, game="frames", save="folder", driver="folder", source=str(tmp_path))
    )
    assert (survey.grid, survey.spec.source) == (Grid(rows=3, cols=3), str(tmp_path))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"game": "No Name", "grid": "3x3"}, "not a valid name"),
        ({"grid": "three"}, "COLUMNSxROWS"),
        ({"grid": "3x3", "masks": ["1,2,3"]}, "X,Y,W,H"),
        ({"grid": "1001x1"}, "each 1 to 1000"),
        ({"grid": "3x3", "driver": "doom"}, "No game driver is called 'doom'"),
        ({"grid": "3x3", "parameters": {"sead": 7}}, "sead"),
        ({}, "--grid"),
    ],
)
def test_a_wrong_configuration_fails_in_words_and_registers_nothing(
    stores: Stores, instance: dg.DagsterInstance, wrong: dict[str, Any], said: str
) -> None:
    result = _plan(stores, instance, raise_on_error=False, **{"game": "city", "save": "wrong", **wrong})
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    assert said in str(told.description)
    with stores.database.begin() as connection:
        assert rows.find(connection, save="wrong") == ()
    assert instance.get_dynamic_partitions(str(SURVEYS.name)) == []


@pytest.mark.parametrize("asset", ["screenshots", "coordinates", "batch_images", "disagreements"])
def test_a_run_without_a_partition_says_where_to_choose_one(
    stores: Stores, instance: dg.DagsterInstance, asset: str
) -> None:
    job = build_defs(resources={"stores": stores, "models": NoModels()}).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey(asset)], raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data is not None
    assert failure.step_failure_data.user_failure_data.description == (
        "This run has no partition: launch another one, and choose a partition at the upper left of the launchpad."
    )
