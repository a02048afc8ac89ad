"""A survey's states: who takes it up, how it is settled when its run has ended, and how it is stopped."""

import pytest
from sqlalchemy import text

from imageflow_clients.database.core import heartbeats
from imageflow_clients.database.maps import layers, leases
from imageflow_clients.database.maps.leases import Lease
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Conflict, NotFound
from imageflow_domain.grid import Block
from imageflow_domain.survey import Carrier, Layer, Survey, SurveyState
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks
from imageflow_surveys.lease import hold
from tests.surveys.cities import city, planned
from tests.surveys.operators import run

ENDED = [SurveyState.FAILED, SurveyState.CANCELLED, SurveyState.COMPLETED]


def _failures(stores: Stores, survey: Survey) -> int:
    with stores.database.begin() as connection:
        return layers.progress(connection, survey.id).failures


def _silent(stores: Stores, run_id: str, seconds: float) -> None:
    """Let a run's worker have given its last sign of life so long ago."""
    with stores.database.begin() as connection:
        heartbeats.beat(connection, run_id)
        connection.execute(
            text("UPDATE run_heartbeats SET seen_at = now() - make_interval(secs => :s) WHERE run_id = :run"),
            {"s": seconds, "run": run_id},
        )


def _lease(stores: Stores, survey: Survey) -> Lease | None:
    with stores.database.begin() as connection:
        return leases.find(connection, survey.id)


def _settle(stores: Stores, survey: Survey, run_id: str, state: SurveyState, reason: str | None = None) -> bool:
    return states.settle(stores, survey, _lease(stores, survey), run_id, state, reason)


def test_a_survey_that_does_not_exist_is_named(stores: Stores) -> None:
    with pytest.raises(NotFound, match="city-nowhere-0001"):
        states.read(stores, "city-nowhere-0001")
    with pytest.raises(NotFound):
        states.take_up(stores, "city-nowhere-0001", Carrier.SENSOR)
    with pytest.raises(NotFound):
        states.cancel(stores, "city-nowhere-0001", "nobody")


def test_a_survey_that_is_taken_up_is_planned_until_its_run_begins(stores: Stores) -> None:
    survey = states.take_up(stores, planned(stores, city("taken")).id, Carrier.SENSOR)
    assert (survey.state, survey.carrier) == (SurveyState.PLANNED, Carrier.SENSOR)
    assert states.read(stores, survey.id) == survey
    assert hold(stores, survey.id, run("r1", only_missing=True)).survey.state is SurveyState.RUNNING


@pytest.mark.parametrize("carrier", list(Carrier))
@pytest.mark.parametrize("silent_s", [None, 0, states.SILENCE_S - 5])
def test_a_survey_that_a_run_works_on_is_not_taken_up(stores: Stores, carrier: Carrier, silent_s: float | None) -> None:
    """A run whose worker has not said a thing yet is at work, too."""
    survey = planned(stores, city(f"mine_{carrier}_{silent_s or 0:.0f}{'' if silent_s is None else 's'}"))
    name = f"{survey.id}-r1"
    before = hold(stores, survey.id, run(name)).survey
    if silent_s is not None:
        _silent(stores, name, silent_s)
    with pytest.raises(Conflict) as refused:
        states.take_up(stores, survey.id, carrier)
    assert str(refused.value) == (
        f"Run {name} is at work on '{survey.id}': wait for its end, or cancel it in Dagster. If its worker was killed, "
        "wait 30 seconds."
    )
    assert states.read(stores, survey.id) == before


def test_a_survey_whose_worker_has_died_is_taken_up(stores: Stores) -> None:
    survey = planned(stores, city("dead_worker"))
    hold(stores, survey.id, run("dead-worker-r1"))
    _silent(stores, "dead-worker-r1", states.SILENCE_S + 5)
    again = states.take_up(stores, survey.id, Carrier.COMMAND_LINE)
    assert (again.state, again.carrier) == (SurveyState.PLANNED, Carrier.COMMAND_LINE)


@pytest.mark.parametrize("state", ENDED)
def test_a_survey_that_ended_may_be_taken_up_by_anybody(stores: Stores, state: SurveyState) -> None:
    survey = hold(stores, planned(stores, city(f"ended_{state}")).id, run("r1")).survey
    assert _settle(stores, survey, "r1", state, "it ended")
    ended = states.read(stores, survey.id)
    assert (ended.state, ended.reason, ended.settled_run_id) == (state, "it ended", "r1")
    assert ended.finished_at is not None
    again = states.take_up(stores, survey.id, Carrier.SENSOR)
    assert (again.state, again.carrier) == (SurveyState.PLANNED, Carrier.SENSOR)
    assert (again.reason, again.finished_at, again.settled_run_id) == (None, None, "r1")


def test_a_survey_is_not_settled_where_another_run_took_it_since(stores: Stores) -> None:
    survey = hold(stores, planned(stores, city("other_run")).id, run("r1")).survey
    lease = _lease(stores, survey)
    now = hold(stores, survey.id, run("r2", ended=["r1"])).survey
    assert not states.settle(stores, survey, lease, "r1", SurveyState.FAILED, "r1 failed")
    assert states.read(stores, survey.id) == now


def test_a_survey_is_not_settled_where_the_same_run_took_its_lease_since(stores: Stores) -> None:
    survey = planned(stores, city("began_late"))
    lease = _lease(stores, survey)
    assert lease is None
    now = hold(stores, survey.id, run("r1")).survey
    assert not states.settle(stores, survey, lease, "r1", SurveyState.FAILED, "never began")
    assert states.read(stores, survey.id) == now


def test_a_survey_that_was_cancelled_since_stays_cancelled(stores: Stores) -> None:
    survey = hold(stores, planned(stores, city("cancelled_since")).id, run("r1")).survey
    states.cancel(stores, survey.id, "Somebody stopped it.")
    cancelled = states.read(stores, survey.id)
    assert (cancelled.state, cancelled.reason) == (SurveyState.CANCELLED, "Somebody stopped it.")
    assert not _settle(stores, survey, "r1", SurveyState.COMPLETED)
    assert states.read(stores, survey.id) == cancelled


def test_a_survey_without_any_run_is_settled_and_no_run_is_noted(stores: Stores) -> None:
    survey = planned(stores, city("no_run"))
    assert states.settle(stores, survey, None, None, SurveyState.FAILED, "nobody began it")
    now = states.read(stores, survey.id)
    assert (now.state, now.reason, now.settled_run_id) == (SurveyState.FAILED, "nobody began it", None)


def test_failures_are_counted_until_a_run_makes_progress(stores: Stores) -> None:
    survey = planned(stores, city("fruitless"))
    for number in (1, 2):
        assert states.note_failure(stores, survey, Layer.TILES, "no space", f"r{number}", progress=False) == number
    assert _failures(stores, survey) == 2
    assert states.note_failure(stores, survey, Layer.TILES, "no space", "r3", progress=True) == 0
    assert _failures(stores, survey) == 0
    assert states.note_failure(stores, survey, Layer.TILES, "no space", "r4", progress=False) == 1


def test_one_run_that_failed_counts_once_however_often_it_is_noted(stores: Stores) -> None:
    survey = planned(stores, city("noted"))
    for _ in range(4):
        assert states.note_failure(stores, survey, Layer.TILES, "no space", "the-same-run", progress=False) == 1
    assert _failures(stores, survey) == 1


def test_failures_of_different_layers_add_up(stores: Stores) -> None:
    survey = planned(stores, city("apart"))
    for number, layer in enumerate(Layer, 1):
        assert states.note_failure(stores, survey, layer, "once", f"run-{number}", progress=False) == number


def test_a_survey_that_is_taken_up_or_completed_has_all_its_attempts_again(stores: Stores) -> None:
    survey = planned(stores, city("fresh"))
    for number in range(3):
        states.note_failure(stores, survey, Layer.TILES, "no space", f"run-{number}", progress=False)
    survey = states.take_up(stores, survey.id, Carrier.COMMAND_LINE)
    assert _failures(stores, survey) == 0
    assert states.note_failure(stores, survey, Layer.TILES, "no space", "run-after", progress=False) == 1
    assert _settle(stores, survey, "run-after", SurveyState.FAILED, "no space")
    assert _failures(stores, survey) == 1
    assert _settle(stores, states.read(stores, survey.id), "run-last", SurveyState.COMPLETED)
    assert _failures(stores, survey) == 0


def test_the_blocks_that_a_layer_lacks_are_told_among_those_that_are_asked_about(stores: Stores) -> None:
    survey = planned(stores, city("lacks", grid="4x4", block_side=2))
    first, second, third, last = survey.blocks()
    capture_blocks(stores, survey, [second])
    assert states.missing(stores, survey, Layer.SCREENSHOTS, survey.blocks()) == (first, third, last)
    assert states.missing(stores, survey, Layer.SCREENSHOTS, [last, second]) == (last,)
    assert states.missing(stores, survey, Layer.TILES, [Block(row=0, col=1)]) == (second,)
