"""Runs that an operator launches settle their survey, and say what comes next."""

import dagster as dg

from imageflow_assets.map import requesting
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Carrier, DriverSpec, Layer, SurveyState
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks
from imageflow_surveys.runs import ONLY_MISSING_TAG, PARTITION_TAG
from tests.assets.runs import add_run, ended, materialise, succeed, take_lease, tick, told, waiting, with_driver
from tests.surveys.cities import city, planned

_STARTED = dg.DagsterRunStatus.STARTED
_FAILURE = dg.DagsterRunStatus.FAILURE


def test_a_survey_that_an_operator_materialised_in_part_says_what_comes_next(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = planned(stores, city("in_part"), Carrier.OPERATOR)
    assert materialise(instance, stores, survey, Layer.SCREENSHOTS).success
    assert states.read(stores, survey.id).state is SurveyState.RUNNING
    assert tick(instance, stores) == []
    now = states.read(stores, survey.id)
    assert (now.state, now.reason) == (
        SurveyState.PLANNED,
        "1 of 6 tasks are done. Materialise pair_offsets next.",
    )
    assert materialise(instance, stores, survey).success
    assert tick(instance, stores) == []
    assert states.read(stores, survey.id).state is SurveyState.COMPLETED


def test_an_operator_takes_up_a_failed_survey_by_materialising_it(stores: Stores, instance: dg.DagsterInstance) -> None:
    spec = city("taken_up")
    survey = with_driver(stores, planned(stores, spec, Carrier.OPERATOR), DriverSpec(name="x11", parameters={}))
    assert not materialise(instance, stores, survey).success
    assert tick(instance, stores) == []
    failed = states.read(stores, survey.id)
    assert failed.state is SurveyState.FAILED
    assert str(failed.reason).startswith("The parameters of driver 'x11' are wrong")
    with_driver(stores, survey, spec.driver)
    assert materialise(instance, stores, survey).success
    assert tick(instance, stores) == []
    assert states.read(stores, survey.id).state is SurveyState.COMPLETED


def test_a_run_that_began_since_the_others_were_asked_for_is_left_to_its_work(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = planned(stores, city("began_since"), Carrier.OPERATOR)
    before = add_run(instance, _FAILURE, {PARTITION_TAG: survey.id})
    asked_for = instance.get_run_records(dg.RunsFilter(run_ids=[before]))
    take_lease(stores, survey, add_run(instance, _STARTED, {PARTITION_TAG: survey.id}))
    assert requesting.settle(instance, stores, Settings(), survey.id, asked_for) is None
    assert states.read(stores, survey.id).state is SurveyState.RUNNING


def test_a_run_that_was_queued_before_its_survey_was_taken_up_settles_it(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = planned(stores, city("queued_before"), Carrier.OPERATOR)
    queued = add_run(instance, dg.DagsterRunStatus.QUEUED, {PARTITION_TAG: survey.id})
    states.take_up(stores, survey.id, Carrier.OPERATOR)
    capture_blocks(stores, survey, survey.blocks())
    take_lease(stores, survey, queued)
    succeed(instance, queued)
    assert tick(instance, stores) == []
    now = states.read(stores, survey.id)
    assert (now.state, now.reason) == (SurveyState.PLANNED, "1 of 6 tasks are done. Materialise pair_offsets next.")


def test_a_run_that_was_queued_while_another_one_made_its_survey_leaves_it_completed(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = waiting(stores, "queued_long")
    (request,) = tick(instance, stores)
    queued = ended(instance, request, dg.DagsterRunStatus.QUEUED)
    states.take_up(stores, survey.id, Carrier.COMMAND_LINE)
    assert materialise(instance, stores, survey, tags={ONLY_MISSING_TAG: "true"}).success
    (record,) = instance.get_run_records(limit=1)
    assert requesting.settle(instance, stores, Settings(), survey.id, [record]) is None
    assert states.read(stores, survey.id).state is SurveyState.COMPLETED
    take_lease(stores, survey, queued)
    run = instance.get_run_by_id(queued)
    assert run is not None
    succeed(instance, queued)
    assert tick(instance, stores) == []
    assert states.read(stores, survey.id).state is SurveyState.COMPLETED


def test_a_partition_for_a_survey_that_nobody_planned_fails_with_advice_and_leaves_no_check(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    nobodys = planned(stores, city("nobodys"))
    with stores.database.begin() as connection:
        rows.remove(connection, nobodys)
    result = materialise(instance, stores, nobodys)
    assert not result.success
    assert "Run the job plan_survey" in told(result)
    assert result.get_asset_check_evaluations() == []
