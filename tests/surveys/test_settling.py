"""The rule of what a survey needs: each case is rows and the newest run in, an action out."""

from dataclasses import replace

import pytest

from imageflow_domain.survey import BLOCK_LAYERS, Carrier, Layer, Progress, Survey, SurveyState
from imageflow_domain.work import Action, End, WorkRun
from imageflow_surveys.settling import MOST_FRUITLESS, Settle, decide
from tests.surveys.cities import survey_of

SENSOR, OPERATOR, COMMAND_LINE = Carrier.SENSOR, Carrier.OPERATOR, Carrier.COMMAND_LINE
WHY = "Run r1 ended in some way."


def _survey(carrier: Carrier, settled: str | None = None) -> Survey:
    return replace(survey_of("20x20"), carrier=carrier, settled_run_id=settled)


def _progress(*, whole: bool) -> Progress:
    blocks = frozenset(survey_of("20x20").blocks())
    done = {layer: blocks if whole else frozenset() for layer in BLOCK_LAYERS}
    return Progress(
        blocks=blocks,
        done_blocks=done | {Layer.SCREENSHOTS: blocks},
        done_layers=frozenset(set(Layer) - set(BLOCK_LAYERS)) if whole else frozenset(),
        failures=0,
        tiles_planned=0,
        tiles_cut=0,
    )


def _run(end: End, *, retries: bool = False) -> WorkRun:
    return WorkRun(id="r1", end=end, retries=retries, why=WHY)


def _decide(
    carrier: Carrier, run: WorkRun | None, *, whole: bool, fruitless: int = 0, settled: str | None = None
) -> Action | Settle:
    return decide(_survey(carrier, settled), _progress(whole=whole), run, fruitless=fruitless, launching=False)


@pytest.mark.parametrize("whole", [False, True])
def test_the_sensor_asks_for_the_first_run_of_its_own_surveys_alone(whole: bool) -> None:
    assert _decide(SENSOR, None, whole=whole) == Action.REQUEST
    assert _decide(OPERATOR, None, whole=whole) == Action.WAIT
    assert _decide(COMMAND_LINE, None, whole=whole) == Action.WAIT


def test_nobody_is_asked_while_the_gateway_launches_the_first_run() -> None:
    assert decide(_survey(SENSOR), _progress(whole=False), None, fruitless=0, launching=True) == Action.WAIT


@pytest.mark.parametrize("end", list(End))
@pytest.mark.parametrize("whole", [False, True])
def test_a_survey_that_was_taken_up_after_its_run_ended_needs_another_one(end: End, whole: bool) -> None:
    assert _decide(SENSOR, _run(end), whole=whole, settled="r1", fruitless=MOST_FRUITLESS) == Action.REQUEST
    assert _decide(OPERATOR, _run(end), whole=whole, settled="r1") == Action.WAIT
    assert _decide(COMMAND_LINE, _run(end), whole=whole, settled="r1") == Action.WAIT


def test_the_end_of_an_earlier_run_does_not_settle_a_later_one() -> None:
    assert _decide(OPERATOR, _run(End.SUCCEEDED), whole=True, settled="r0") == Settle(state=SurveyState.COMPLETED)


@pytest.mark.parametrize("carrier", list(Carrier))
@pytest.mark.parametrize("end", list(End))
@pytest.mark.parametrize("whole", [False, True])
def test_a_run_that_dagster_repeats_by_itself_is_waited_for(carrier: Carrier, end: End, whole: bool) -> None:
    assert _decide(carrier, _run(end, retries=True), whole=whole, fruitless=MOST_FRUITLESS) == Action.WAIT


@pytest.mark.parametrize("carrier", list(Carrier))
@pytest.mark.parametrize("whole", [False, True])
def test_a_run_that_a_person_cancelled_cancels_its_survey(carrier: Carrier, whole: bool) -> None:
    goes_on = " `imageflow survey resume city-s-0001` goes on." if carrier is COMMAND_LINE else ""
    cancelled = Settle(state=SurveyState.CANCELLED, reason=f"{WHY}{goes_on}")
    assert _decide(carrier, _run(End.CANCELLED), whole=whole, fruitless=MOST_FRUITLESS) == cancelled


@pytest.mark.parametrize("carrier", list(Carrier))
def test_a_run_that_made_everything_completes_its_survey(carrier: Carrier) -> None:
    assert _decide(carrier, _run(End.SUCCEEDED), whole=True) == Settle(state=SurveyState.COMPLETED)


def test_a_whole_survey_whose_run_failed_is_asked_for_again_so_that_dagster_knows_of_it() -> None:
    """By the sensor, and not without end: an operator's is completed as it is."""
    failed, completed = _run(End.FAILED), Settle(state=SurveyState.COMPLETED)
    assert _decide(SENSOR, failed, whole=True, fruitless=MOST_FRUITLESS - 1) == Action.REQUEST
    assert _decide(SENSOR, failed, whole=True, fruitless=MOST_FRUITLESS) == completed
    assert _decide(OPERATOR, failed, whole=True, fruitless=1) == completed
    assert _decide(COMMAND_LINE, failed, whole=True, fruitless=1) == completed


@pytest.mark.parametrize("end", [End.SUCCEEDED, End.FAILED])
def test_the_sensor_goes_on_until_three_runs_in_a_row_made_no_progress(end: End) -> None:
    assert MOST_FRUITLESS == 3
    for fruitless in range(3):
        assert _decide(SENSOR, _run(end), whole=False, fruitless=fruitless) == Action.REQUEST
    given_up = Settle(state=SurveyState.FAILED, reason=f"3 runs in a row made no progress, last: {WHY}")
    assert _decide(SENSOR, _run(end), whole=False, fruitless=3) == given_up


@pytest.mark.parametrize("carrier", [OPERATOR, COMMAND_LINE])
def test_a_run_over_some_layers_says_which_is_next(carrier: Carrier) -> None:
    made = "4 of 15 tasks are done. Materialise pair_offsets next."
    assert _decide(carrier, _run(End.SUCCEEDED), whole=False) == Settle(state=SurveyState.PLANNED, reason=made)


def test_a_failed_run_of_a_person_fails_its_survey_in_the_run_s_words() -> None:
    assert _decide(OPERATOR, _run(End.FAILED), whole=False, fruitless=1) == Settle(state=SurveyState.FAILED, reason=WHY)
    assert _decide(COMMAND_LINE, _run(End.FAILED), whole=False, fruitless=1) == Settle(
        state=SurveyState.FAILED, reason=f"{WHY} `imageflow survey resume city-s-0001` goes on."
    )
