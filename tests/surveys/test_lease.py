"""The lease: one run at a time works on a survey, and a run and its repetitions do what the first set out to do."""

import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from imageflow_clients.database.maps import leases
from imageflow_clients.database.maps.leases import Lease
from imageflow_clients.stores import Stores
from imageflow_domain.errors import NotFound
from imageflow_domain.survey import BLOCK_LAYERS, Carrier, Layer, Progress, Survey, SurveyState
from imageflow_surveys import states
from imageflow_surveys.lease import RunRefused, hold, makes_again
from tests.surveys.cities import captured, carried, city, planned, published, survey_of
from tests.surveys.operators import run

UP_TO_OVERVIEWS = [layer for layer in Layer if layer is not Layer.CLEANUP]


def _lease(stores: Stores, survey: Survey) -> Lease:
    with stores.database.begin() as connection:
        found = leases.find(connection, survey.id)
    assert found is not None
    return found


def test_a_run_of_a_survey_that_does_not_exist_is_told_so(stores: Stores) -> None:
    with pytest.raises(NotFound, match="city-nowhere-0001"):
        hold(stores, "city-nowhere-0001", run("r1"))


def test_a_survey_is_running_once_a_run_holds_it(stores: Stores) -> None:
    survey = planned(stores, city("lease_held"))
    held = hold(stores, survey.id, run("r1"))
    assert held.survey.state is SurveyState.RUNNING
    assert held.survey == states.read(stores, survey.id)
    assert held.lease == _lease(stores, survey)
    assert held.lease == Lease(
        survey_id=survey.id, run_id="r1", root_run_id="r1", again=False, reopened=(), done_before=0
    )
    assert held.whole == frozenset()


def test_every_step_of_a_run_has_the_lease_that_the_first_one_took(stores: Stores) -> None:
    survey = planned(stores, city("lease_steps"))
    first = hold(stores, survey.id, run("r1"))
    carried(stores, survey)
    last = hold(stores, survey.id, run("r1"))
    assert last.lease == first.lease
    assert last.whole == frozenset(Layer)


def test_a_second_run_is_refused_and_the_first_one_named(stores: Stores) -> None:
    survey = planned(stores, city("lease_second"))
    before = hold(stores, survey.id, run("r1"))
    with pytest.raises(RunRefused) as refused:
        hold(stores, survey.id, run("r2"))
    assert str(refused.value) == (f"Run r1 is at work on '{survey.id}': wait for its end, or cancel it, and try again.")
    assert _lease(stores, survey) == before.lease


def test_of_two_runs_at_once_one_works(stores: Stores) -> None:
    survey = planned(stores, city("lease_race"))
    together = threading.Barrier(2)

    def begin(name: str) -> str:
        mine = run(name)

        def meet() -> datetime:
            together.wait(20)
            return datetime.now(UTC)

        try:
            return hold(stores, survey.id, replace(mine, created_at=meet)).lease.run_id
        except RunRefused as refused:
            return str(refused)

    with ThreadPoolExecutor(2) as pool:
        told = set(pool.map(begin, ["r1", "r2"]))
    winner = _lease(stores, survey).run_id
    assert told == {winner, f"Run {winner} is at work on '{survey.id}': wait for its end, or cancel it, and try again."}


def test_a_run_takes_over_from_one_that_has_ended(stores: Stores) -> None:
    survey = planned(stores, city("lease_over"))
    hold(stores, survey.id, run("r1"))
    carried(stores, survey)
    held = hold(stores, survey.id, run("r2", ended=["r1"]))
    # one block: three tasks and three layers, and nine screenshots
    assert (held.lease.run_id, held.lease.root_run_id, held.lease.done_before) == ("r2", "r2", 6 + 9)


def test_screenshots_of_a_block_that_is_not_whole_count_as_progress(stores: Stores) -> None:
    survey = captured(stores, city("lease_counted"))
    assert hold(stores, survey.id, run("r1")).lease.done_before == 1 + 9


@pytest.mark.parametrize("again", [False, True])
def test_a_repetition_goes_on_with_what_its_root_run_set_out_to_do(stores: Stores, again: bool) -> None:
    """For every set of whole layers: they were whole before, or the first run made them so."""
    survey = planned(stores, city(f"lease_repeated_{again:d}"))
    if again:
        carried(stores, survey)
    first = hold(stores, survey.id, run("r1"))
    with stores.database.begin() as connection:
        leases.note_reopened(connection, first.lease, Layer.TILES)
    carried(stores, survey)
    second = hold(stores, survey.id, run("r2", root="r1", ended=["r1"]))
    assert (second.lease.again, second.lease.reopened) == (again, (Layer.TILES,))
    assert (second.lease.run_id, second.lease.root_run_id) == ("r2", "r1")
    third = hold(stores, survey.id, run("r3", root="r1", ended=["r1", "r2"]))
    assert (third.lease.again, third.lease.reopened) == (again, (Layer.TILES,))
    other = hold(stores, survey.id, run("r4", ended=["r1", "r2", "r3"]))
    assert (other.lease.again, other.lease.reopened) == (True, ())


def test_layers_that_were_reopened_are_noted_one_after_another(stores: Stores) -> None:
    survey = planned(stores, city("lease_noted"))
    for layers in ((Layer.SCREENSHOTS,), (Layer.SCREENSHOTS, Layer.TILES)):
        held = hold(stores, survey.id, run("r1"))
        with stores.database.begin() as connection:
            leases.note_reopened(connection, held.lease, layers[-1])
        assert _lease(stores, survey).reopened == layers


def test_a_run_that_was_created_before_its_survey_was_cancelled_is_refused(stores: Stores) -> None:
    survey = planned(stores, city("lease_stopped"))
    hold(stores, survey.id, run("r1"))
    states.cancel(stores, survey.id, "Somebody stopped it.")
    stopped = states.read(stores, survey.id)
    assert stopped.finished_at is not None
    for early in (run("r1", created_at=stopped.finished_at), run("r2", created_at=stopped.finished_at, ended=["r1"])):
        with pytest.raises(RunRefused, match=f"'{survey.id}' was cancelled: materialise it again to go on with it"):
            hold(stores, survey.id, early)
    assert states.read(stores, survey.id) == stopped


def test_a_run_that_is_created_after_its_survey_was_cancelled_goes_on_with_it(stores: Stores) -> None:
    survey = planned(stores, city("lease_goes_on"))
    hold(stores, survey.id, run("r1"))
    states.cancel(stores, survey.id, "Somebody stopped it.")
    finished_at = states.read(stores, survey.id).finished_at
    assert finished_at is not None
    later = run("r2", ended=["r1"], created_at=finished_at + timedelta(seconds=1))
    now = hold(stores, survey.id, later).survey
    assert (now.state, now.reason, now.finished_at) == (SurveyState.RUNNING, None, None)


@pytest.mark.parametrize("only_missing", [False, True])
@pytest.mark.parametrize("carrier", list(Carrier))
def test_a_run_of_a_person_makes_the_sensor_s_survey_theirs(
    stores: Stores, carrier: Carrier, only_missing: bool
) -> None:
    survey = planned(stores, city(f"lease_whose_{carrier}_{only_missing:d}"), carrier)
    now = hold(stores, survey.id, run("r1", only_missing=only_missing)).survey.carrier
    assert now is (Carrier.OPERATOR if carrier is Carrier.SENSOR and not only_missing else carrier)


def test_a_whole_survey_is_made_again_when_a_person_asks_and_kept_by_the_sensor(stores: Stores) -> None:
    survey = carried(stores, planned(stores, city("lease_again")))
    kept = hold(stores, survey.id, run("r1", only_missing=True))
    assert [layer for layer in Layer if kept.keeps(layer)] == list(Layer)
    again = hold(stores, survey.id, run("r2", ended=["r1"]))
    assert [layer for layer in Layer if again.keeps(layer)] == []


def test_a_person_s_run_over_a_survey_that_lacks_something_keeps_what_is_whole(stores: Stores) -> None:
    survey = published(stores, city("lease_lacking"))
    held = hold(stores, survey.id, run("r1"))
    assert [layer for layer in Layer if held.keeps(layer)] == UP_TO_OVERVIEWS


def _progress(whole: Collection[Layer]) -> Progress:
    blocks = frozenset(survey_of("20x20").blocks())
    return Progress(
        blocks=blocks,
        done_blocks={layer: blocks if layer in whole else blocks - {min(blocks)} for layer in BLOCK_LAYERS},
        done_layers=frozenset(set(whole) - set(BLOCK_LAYERS)),
        failures=0,
        tiles_planned=0,
        tiles_cut=0,
    )


@pytest.mark.parametrize(
    ("selected", "whole", "again"),
    [
        ([Layer.TILES], list(Layer), True),
        ([Layer.TILES], [Layer.TILES], True),
        ([Layer.TILES], [layer for layer in Layer if layer is not Layer.TILES], False),
        ([Layer.COORDINATES], [Layer.COORDINATES], True),
        ([Layer.COORDINATES, Layer.TILES], [Layer.COORDINATES], False),
        (list(Layer), list(Layer), True),
        (list(Layer), UP_TO_OVERVIEWS, False),
        (list(Layer), [], False),
    ],
)
def test_layers_are_made_again_where_none_of_those_that_were_selected_lacks_a_thing(
    selected: list[Layer], whole: list[Layer], again: bool
) -> None:
    assert makes_again(_progress(whole), run("r1", layers=selected)) is again
    assert not makes_again(_progress(whole), run("r1", layers=selected, only_missing=True))
