"""A survey's states: who may take it up, when it is given up, and what is forgotten."""

import pytest

from imageflow_clients.database import layers
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Conflict, NotFound
from imageflow_domain.survey import Carrier, Layer, Survey, SurveyState
from imageflow_surveys import carry
from imageflow_surveys.next_step import MAX_ATTEMPTS
from tests.surveys.cities import city, planned


def _failures(stores: Stores, survey: Survey) -> dict[Layer, int]:
    with stores.database.begin() as connection:
        return dict(layers.progress(connection, survey.id).failures)


def test_a_survey_that_does_not_exist_is_named(stores: Stores) -> None:
    with pytest.raises(NotFound, match="city-nowhere-0001"):
        carry.read(stores, "city-nowhere-0001")
    with pytest.raises(NotFound):
        carry.take_up(stores, "city-nowhere-0001", Carrier.SENSOR)


def test_a_planned_survey_runs_once_it_is_taken_up(stores: Stores) -> None:
    survey = carry.take_up(stores, planned(stores, city("taken")).id, Carrier.SENSOR)
    assert (survey.state, survey.carrier) == (SurveyState.RUNNING, Carrier.SENSOR)
    assert carry.read(stores, survey.id) == survey


@pytest.mark.parametrize("other", [Carrier.SENSOR, Carrier.OPERATOR])
def test_a_running_survey_is_not_taken_from_its_carrier(stores: Stores, other: Carrier) -> None:
    survey = carry.take_up(stores, planned(stores, city(f"mine_{other}")).id, Carrier.COMMAND_LINE)
    with pytest.raises(Conflict, match="carried by a command line: wait for its end"):
        carry.take_up(stores, survey.id, other)
    assert carry.read(stores, survey.id) == survey


@pytest.mark.parametrize("state", [SurveyState.FAILED, SurveyState.CANCELLED, SurveyState.COMPLETED])
def test_a_survey_that_ended_may_be_taken_up_by_anybody(stores: Stores, state: SurveyState) -> None:
    survey = planned(stores, city(f"ended_{state}"))
    match state:
        case SurveyState.FAILED:
            carry.give_up(stores, survey, "it went wrong")
        case SurveyState.CANCELLED:
            carry.cancel(stores, survey, "somebody stopped it")
        case _:
            carry.finish(stores, survey)
    ended = carry.read(stores, survey.id)
    assert ended.state is state
    assert ended.finished_at is not None
    again = carry.take_up(stores, survey.id, Carrier.SENSOR)
    assert (again.state, again.carrier) == (SurveyState.RUNNING, Carrier.SENSOR)
    assert (again.reason, again.finished_at) == (None, None)


def test_the_last_allowed_failure_of_a_layer_gives_the_survey_up_with_the_reason(stores: Stores) -> None:
    survey = carry.take_up(stores, planned(stores, city("fails")).id, Carrier.SENSOR)
    for attempt in range(1, MAX_ATTEMPTS):
        assert not carry.note_failure(stores, survey, Layer.TILES, "no space", f"run-{attempt}")
        assert carry.read(stores, survey.id).state is SurveyState.RUNNING
    assert carry.note_failure(stores, survey, Layer.TILES, "still no space", f"run-{MAX_ATTEMPTS}")
    failed = carry.read(stores, survey.id)
    assert failed.state is SurveyState.FAILED
    assert failed.reason == f"tiles failed {MAX_ATTEMPTS} times, last: still no space"


def test_one_run_that_failed_counts_once_however_often_it_is_noted(stores: Stores) -> None:
    survey = carry.take_up(stores, planned(stores, city("noted")).id, Carrier.SENSOR)
    for _ in range(MAX_ATTEMPTS + 1):
        assert not carry.note_failure(stores, survey, Layer.TILES, "no space", "the-same-run")
    assert _failures(stores, survey) == {Layer.TILES: 1}


def test_failures_of_different_layers_are_counted_apart(stores: Stores) -> None:
    survey = carry.take_up(stores, planned(stores, city("apart")).id, Carrier.SENSOR)
    for number, layer in enumerate(Layer):
        assert not carry.note_failure(stores, survey, layer, "once", f"run-{number}")
    assert _failures(stores, survey) == dict.fromkeys(Layer, 1)


def test_a_second_command_line_is_refused_while_the_first_gives_signs_of_life(stores: Stores) -> None:
    survey = carry.take_up(stores, planned(stores, city("twice")).id, Carrier.COMMAND_LINE)
    with pytest.raises(Conflict, match="command line"):
        carry.take_up(stores, survey.id, Carrier.COMMAND_LINE)


def test_a_survey_taken_up_again_has_all_its_attempts_again(stores: Stores) -> None:
    survey = carry.take_up(stores, planned(stores, city("fresh")).id, Carrier.SENSOR)
    for attempt in range(MAX_ATTEMPTS):
        carry.note_failure(stores, survey, Layer.TILES, "no space", f"run-{attempt}")
    carry.take_up(stores, survey.id, Carrier.COMMAND_LINE)
    assert _failures(stores, survey) == {}
    assert not carry.note_failure(stores, survey, Layer.TILES, "no space", "run-after")


def test_an_operator_s_survey_follows_what_it_has(stores: Stores) -> None:
    survey = planned(stores, city("operated"), Carrier.OPERATOR)
    for begun, done, state in (
        (False, False, SurveyState.PLANNED),
        (True, False, SurveyState.RUNNING),
        (True, True, SurveyState.COMPLETED),
        (True, False, SurveyState.RUNNING),
    ):
        carry.settle_operators(stores, carry.read(stores, survey.id), begun=begun, done=done)
        assert carry.read(stores, survey.id).state is state
