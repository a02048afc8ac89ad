"""The sensor requests one run for each planned survey of its own, and waits while a run of it is alive."""

from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import update

from imageflow_assets.map.assets import BY_LAYER
from imageflow_assets.map.partitions import SURVEYS
from imageflow_clients.database.maps import jobs, schema
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Carrier, Survey, SurveyState
from imageflow_surveys import states
from imageflow_surveys.runs import MAP_JOB, ONLY_MISSING_TAG, PARTITION_TAG
from tests.assets.runs import add_run, begun, ended, execute, failures, tick, waiting
from tests.surveys.cities import city, count_anchored, places_of, planned

_STARTED = dg.DagsterRunStatus.STARTED
_FAILURE = dg.DagsterRunStatus.FAILURE
ALIVE = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
    dg.DagsterRunStatus.QUEUED,
]


def test_one_run_of_all_six_assets_makes_a_survey(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = waiting(stores, "whole", grid="4x4", block_side=2)
    (request,) = tick(instance, stores)
    assert (request.job_name, request.partition_key) == (MAP_JOB, survey.id)
    assert ONLY_MISSING_TAG in request.tags
    assert instance.has_dynamic_partition(str(SURVEYS.name), survey.id)
    result = execute(instance, stores, request)
    assert result.success
    assert tick(instance, stores) == []
    done = states.read(stores, survey.id)
    assert (done.state, done.reason, done.is_published) == (SurveyState.COMPLETED, None, True)
    assert count_anchored(places_of(stores, done)) == 16
    for layer, asset in BY_LAYER.items():
        assert instance.get_materialized_partitions(asset.key) == {survey.id}, layer
    assert {one.check_name for one in result.get_asset_check_evaluations()} == {
        "loops_close",
        "shots_placed",
        "decisive_offsets_kept",
        "mostly_anchored",
        "one_group",
        "positions_hold",
        "tiles_whole",
    }
    assert {one.partition for one in result.get_asset_check_evaluations()} == {survey.id}


def test_a_request_that_is_made_twice_has_the_same_run_key(stores: Stores, instance: dg.DagsterInstance) -> None:
    waiting(stores, "same_key")
    (first,), (second,) = tick(instance, stores), tick(instance, stores)
    assert first.run_key == second.run_key
    begun(instance, stores, first, _FAILURE)
    (third,) = tick(instance, stores)
    assert third.run_key != first.run_key


@pytest.mark.parametrize("status", ALIVE)
def test_a_survey_waits_while_a_run_of_it_is_alive(
    stores: Stores, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    survey = waiting(stores, f"waits_{status.value.lower()}")
    (request,) = tick(instance, stores)
    ended(instance, request, status)
    assert tick(instance, stores) == []
    assert failures(stores, survey) == 0


def test_an_older_run_that_is_alive_is_waited_for_though_a_newer_one_ended(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = waiting(stores, "older")
    add_run(instance, _STARTED, {PARTITION_TAG: survey.id})
    add_run(instance, _FAILURE, {PARTITION_TAG: survey.id})
    assert tick(instance, stores) == []


def test_runs_of_other_surveys_are_not_waited_for(stores: Stores, instance: dg.DagsterInstance) -> None:
    waiting(stores, "others")
    add_run(instance, _STARTED, {PARTITION_TAG: "city-else-0001"})
    assert len(tick(instance, stores)) == 1


def test_a_run_that_dagster_repeats_by_itself_is_waited_for(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = waiting(stores, "repeats")
    add_run(instance, _FAILURE, {PARTITION_TAG: survey.id, "dagster/will_retry": "true"})
    assert tick(instance, stores) == []
    assert failures(stores, survey) == 0


def test_a_whole_survey_whose_last_run_crashed_is_run_once_more_so_that_dagster_knows_what_it_has(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    """A worker that is killed between its rows and its event made something that Dagster has not heard of."""
    survey = waiting(stores, "untold")
    (request,) = tick(instance, stores)
    assert execute(instance, stores, request).success
    begun(instance, stores, request, _FAILURE)
    (again,) = tick(instance, stores)
    taken = _shots(stores, survey)
    assert execute(instance, stores, again).success
    assert tick(instance, stores) == []
    assert states.read(stores, survey.id).state is SurveyState.COMPLETED
    assert _shots(stores, survey) == taken, "nothing was made a second time"
    for asset in BY_LAYER.values():
        assert survey.id in instance.get_materialized_partitions(asset.key)


def _shots(stores: Stores, survey: Survey) -> list[Any]:
    table = schema.screenshots
    with stores.database.begin() as connection:
        return list(connection.execute(table.select().where(table.c.survey_id == survey.id).order_by(table.c.col)))


def test_the_run_of_a_job_is_noted_though_it_ended_before_the_sensor_looked(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = waiting(stores, "quick_job")
    with stores.database.begin() as connection:
        jobs.begin(connection, survey, {}, None)
        # older than a launch over the API takes
        old = update(schema.surveys).where(schema.surveys.c.id == survey.id)
        connection.execute(old.values(created_at=survey.created_at - timedelta(hours=1)))
    (request,) = tick(instance, stores)
    result = execute(instance, stores, request)
    assert result.success
    assert tick(instance, stores) == []
    assert states.read(stores, survey.id).state is SurveyState.COMPLETED
    with stores.database.begin() as connection:
        job = jobs.find_of_survey(connection, survey.id)
    assert job is not None
    assert job.dag_run_id == result.run_id


def test_a_survey_is_begun_however_many_were_planned_after_it(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = waiting(stores, "many_after")
    later = planned(stores, city("many_later"), Carrier.OPERATOR)
    table = schema.surveys
    with stores.database.begin() as connection:
        row = dict(connection.execute(table.select().where(table.c.id == later.id)).one()._mapping)
        names = [f"city-many_later-{number:04d}" for number in range(2, 1002)]
        connection.execute(table.insert(), [{**row, "id": name} for name in names])
    try:
        assert [request.partition_key for request in tick(instance, stores)] == [survey.id]
    finally:
        with stores.database.begin() as connection:
            connection.execute(table.delete().where(table.c.id.in_(names)))


def test_partitions_that_dagster_lacks_are_there_after_the_first_tick_and_others_stay(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = planned(stores, city("lost"), Carrier.OPERATOR)
    instance.add_dynamic_partitions(str(SURVEYS.name), ["city-of_others-0001"])
    tick(instance, stores)
    assert {survey.id, "city-of_others-0001"} <= set(instance.get_dynamic_partitions(str(SURVEYS.name)))


@pytest.mark.parametrize("carrier", [Carrier.COMMAND_LINE, Carrier.OPERATOR])
def test_the_sensor_requests_nothing_for_surveys_of_others(
    stores: Stores, instance: dg.DagsterInstance, carrier: Carrier
) -> None:
    survey = planned(stores, city(f"else_{carrier}"), carrier)
    assert tick(instance, stores) == []
    assert states.read(stores, survey.id) == survey
