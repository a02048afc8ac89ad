"""A cancelled survey stays cancelled until it is taken up again; its old runs change nothing."""

import dagster as dg

from imageflow_assets.map.partitions import SURVEYS
from imageflow_assets.map.states import report_state
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Carrier, SurveyState
from imageflow_surveys import states
from tests.assets.runs import begun, ended, shown_states, tick, waiting

_CANCELED = dg.DagsterRunStatus.CANCELED


def test_an_old_cancelled_run_says_nothing_of_a_survey_that_was_taken_up_again(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = waiting(stores, "up_again")
    (request,) = tick(instance, stores)
    run_id = begun(instance, stores, request, _CANCELED)
    assert tick(instance, stores) == []
    cancelled = states.read(stores, survey.id)
    assert (cancelled.state, cancelled.reason) == (SurveyState.CANCELLED, f"Run {run_id} was cancelled.")
    states.take_up(stores, survey.id, Carrier.SENSOR)
    (again,) = tick(instance, stores)
    assert again.run_key != request.run_key
    assert states.read(stores, survey.id).state is SurveyState.PLANNED


def test_a_run_that_is_still_ending_when_its_survey_is_taken_up_cancels_nothing(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = waiting(stores, "still_ending")
    (request,) = tick(instance, stores)
    ending = begun(instance, stores, request, dg.DagsterRunStatus.CANCELING)
    states.cancel(stores, survey.id, "somebody stopped it")
    states.take_up(stores, survey.id, Carrier.SENSOR)
    assert tick(instance, stores) == []
    run = instance.get_run_by_id(ending)
    assert run is not None
    instance.report_run_canceled(run)
    assert len(tick(instance, stores)) == 1
    assert states.read(stores, survey.id).state is SurveyState.PLANNED


def test_a_job_whose_queued_run_was_cancelled_is_taken_up_again(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = waiting(stores, "never_began")
    (request,) = tick(instance, stores)
    states.cancel(stores, survey.id, "Cancelled over the API.")
    ended(instance, request, _CANCELED)
    states.take_up(stores, survey.id, Carrier.SENSOR)
    (again,) = tick(instance, stores)
    assert again.run_key != request.run_key
    assert states.read(stores, survey.id).state is SurveyState.PLANNED


def test_dagster_shows_once_that_a_survey_was_cancelled_by_somebody_else(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = waiting(stores, "cancelled_elsewhere")
    instance.add_dynamic_partitions(str(SURVEYS.name), [survey.id])
    report_state(instance, survey)
    states.cancel(stores, survey.id, "Cancelled over the API.")
    for _ in range(2):
        tick(instance, stores)
        assert shown_states(instance, survey.id) == ["cancelled", "planned"]
