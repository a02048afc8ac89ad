"""A run that finds another one at work on its survey stands back, and says nothing of the survey."""

import dagster as dg

from imageflow_assets.map import requesting
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Carrier, Survey, SurveyState
from imageflow_surveys import states
from imageflow_surveys.runs import ONLY_MISSING_TAG, PARTITION_TAG, REFUSED_TAG
from tests.assets.runs import add_run, begun, failures, materialise, take_lease, tick, told, waiting
from tests.surveys.cities import city, planned

_STARTED = dg.DagsterRunStatus.STARTED
_FAILURE = dg.DagsterRunStatus.FAILURE
_CANCELED = dg.DagsterRunStatus.CANCELED


def _refused(instance: dg.DagsterInstance, survey: Survey, status: dg.DagsterRunStatus, **tags: str) -> str:
    """Record a run that had to stand back."""
    run_id = add_run(instance, status, {PARTITION_TAG: survey.id, **tags})
    instance.add_run_tags(run_id, {REFUSED_TAG: run_id})
    return run_id


def test_a_run_that_had_to_stand_back_says_nothing_of_its_survey(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = waiting(stores, "stood_back")
    (request,) = tick(instance, stores)
    begun(instance, stores, request, _FAILURE)
    (before,) = tick(instance, stores)
    _refused(instance, survey, _CANCELED)
    (request,) = tick(instance, stores)
    assert request.run_key != before.run_key, "the run that stood back may have been requested under that key"
    assert states.read(stores, survey.id).state is SurveyState.RUNNING


def test_a_run_that_repeats_a_refused_one_settles_its_survey(stores: Stores, instance: dg.DagsterInstance) -> None:
    """Dagster copies the tags of the run that a person executes again."""
    survey = planned(stores, city("refused_before"), Carrier.OPERATOR)
    refused = _refused(instance, survey, _FAILURE)
    assert materialise(instance, stores, survey, tags={REFUSED_TAG: refused}).success
    assert tick(instance, stores) == []
    assert states.read(stores, survey.id).state is SurveyState.COMPLETED


def test_a_survey_whose_first_run_was_refused_is_begun_by_another_one(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    """As where a job was cancelled between two of its steps, and is tried again."""
    survey = waiting(stores, "refused_first")
    (request,) = tick(instance, stores)
    states.cancel(stores, survey.id, "Cancelled over the API.")
    _refused(instance, survey, _FAILURE)
    states.take_up(stores, survey.id, Carrier.SENSOR)
    (again,) = tick(instance, stores)
    assert again.run_key != request.run_key, "Dagster never launches a second run of one key"


def test_a_run_of_the_command_line_that_was_refused_does_not_settle_the_survey_of_another_one(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = planned(stores, city("refused_here"), Carrier.COMMAND_LINE)
    take_lease(stores, survey, add_run(instance, _STARTED, {PARTITION_TAG: survey.id}))
    assert not materialise(instance, stores, survey, tags={ONLY_MISSING_TAG: "true"}).success
    (record,) = instance.get_run_records(limit=1)
    assert requesting.settle(instance, stores, Settings(), survey.id, [record]) is None
    assert states.read(stores, survey.id).state is SurveyState.RUNNING
    assert failures(stores, survey) == 0


def test_a_second_run_of_a_survey_fails_at_once_and_names_the_first(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = waiting(stores, "second")
    (request,) = tick(instance, stores)
    first = begun(instance, stores, request, _STARTED)
    result = materialise(instance, stores, survey)
    assert not result.success
    assert told(result).startswith(f"Run {first} is at work on '{survey.id}'")
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert REFUSED_TAG in run.tags
    assert tick(instance, stores) == []
    assert states.read(stores, survey.id).state is SurveyState.RUNNING
