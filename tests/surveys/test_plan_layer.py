"""What a run does of a layer: what is missing, or everything anew, which is decided once."""

from dataclasses import replace
from pathlib import Path

import pytest

from imageflow_clients.database.maps import layers, screenshots
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput, NotReady
from imageflow_domain.grid import Block
from imageflow_domain.survey import BLOCK_LAYERS, Keep, Layer
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks, cut_blocks, register_blocks
from imageflow_surveys.clean_up import clean_up
from imageflow_surveys.lease import HeldSurvey, hold
from imageflow_surveys.plan_layer import left_of, plan_layer
from tests.surveys.cities import captured, city, planned, published, registered
from tests.surveys.operators import run
from tests.surveys.stand_ins import FailingStore, Killed, Moment

FIRST, SECOND, THIRD, LAST = (Block(row=row, col=col) for row in (0, 1) for col in (0, 1))
FOUR = {"grid": "4x4", "block_side": 2}


def _blocks(stores: Stores, held: HeldSurvey, layer: Layer, *named: str) -> tuple[Block, ...]:
    shares = plan_layer(stores, held, layer, named, slots=2)
    return tuple(block for share in shares for block in share.blocks)


def test_a_new_survey_lacks_every_block(stores: Stores) -> None:
    survey = planned(stores, city("layer_new_layers", **FOUR))
    held = hold(stores, survey.id, run("r1"))
    for layer in BLOCK_LAYERS:
        assert _blocks(stores, held, layer) == left_of(stores, survey, layer) == survey.blocks()


def test_only_what_is_missing_is_done(stores: Stores) -> None:
    survey = planned(stores, city("layer_some_missing", **FOUR))
    capture_blocks(stores, survey, [FIRST, LAST])
    held = hold(stores, survey.id, run("r1"))
    assert _blocks(stores, held, Layer.SCREENSHOTS) == left_of(stores, survey, Layer.SCREENSHOTS) == (SECOND, THIRD)
    capture_blocks(stores, survey, [SECOND, THIRD])
    assert _blocks(stores, held, Layer.SCREENSHOTS) == ()


def test_all_is_done_again_where_nothing_is_missing_and_a_person_asks(stores: Stores) -> None:
    survey = captured(stores, city("layer_all_again", **FOUR))
    held = hold(stores, survey.id, run("r1", layers=[Layer.SCREENSHOTS]))
    assert held.lease.again
    assert _blocks(stores, held, Layer.SCREENSHOTS) == survey.blocks()
    with stores.database.begin() as connection:
        assert screenshots.stored(connection, survey.id) == {}


def test_nothing_is_done_again_for_a_run_that_makes_only_what_is_missing(stores: Stores) -> None:
    survey = captured(stores, city("layer_kept_layers", **FOUR))
    held = hold(stores, survey.id, run("r1", layers=[Layer.SCREENSHOTS], only_missing=True))
    assert _blocks(stores, held, Layer.SCREENSHOTS) == ()
    with stores.database.begin() as connection:
        assert len(screenshots.stored(connection, survey.id)) == 16


def test_a_run_and_its_repetitions_reopen_a_layer_once(stores: Stores) -> None:
    survey = captured(stores, city("layer_once", **FOUR))
    ended: list[str] = []

    def again(name: str) -> HeldSurvey:
        held = hold(stores, survey.id, run(name, root="r1", layers=[Layer.SCREENSHOTS], ended=tuple(ended)))
        ended.append(name)
        return held

    assert _blocks(stores, again("r1"), Layer.SCREENSHOTS) == survey.blocks()
    capture_blocks(stores, survey, [FIRST, SECOND])
    assert _blocks(stores, again("r2"), Layer.SCREENSHOTS) == (THIRD, LAST)
    capture_blocks(stores, survey, [THIRD, LAST])
    assert _blocks(stores, again("r3"), Layer.SCREENSHOTS) == ()
    another = hold(stores, survey.id, run("r4", layers=[Layer.SCREENSHOTS], ended=ended))
    assert _blocks(stores, another, Layer.SCREENSHOTS) == survey.blocks()


def test_another_layer_of_the_same_run_is_reopened_too(stores: Stores) -> None:
    survey = registered(stores, city("layer_both", **FOUR))
    asked = run("r1", layers=[Layer.SCREENSHOTS, Layer.PAIR_OFFSETS])
    assert _blocks(stores, hold(stores, survey.id, asked), Layer.SCREENSHOTS) == survey.blocks()
    capture_blocks(stores, survey, survey.blocks())
    # taken again, they are registered again without being asked for
    assert _blocks(stores, hold(stores, survey.id, asked), Layer.PAIR_OFFSETS) == survey.blocks()
    assert hold(stores, survey.id, asked).lease.reopened == (Layer.SCREENSHOTS, Layer.PAIR_OFFSETS)


def test_what_a_run_made_because_it_was_missing_its_repetition_does_not_make_again(stores: Stores) -> None:
    """Taken again, screenshots are registered again; and not a third time by a run that repeats all steps."""
    survey = registered(stores, city("layer_repeated", **FOUR))
    both = (Layer.SCREENSHOTS, Layer.PAIR_OFFSETS)
    first = run("r1", layers=both)
    assert _blocks(stores, hold(stores, survey.id, first), Layer.SCREENSHOTS) == survey.blocks()
    capture_blocks(stores, survey, survey.blocks())
    assert _blocks(stores, hold(stores, survey.id, first), Layer.PAIR_OFFSETS) == survey.blocks()
    register_blocks(stores, survey, survey.blocks())
    second = run("r2", root="r1", layers=both, ended=["r1"])
    for layer in both:
        assert _blocks(stores, hold(stores, survey.id, second), layer) == ()


def test_tiles_made_again_are_reopened_in_their_place_and_shown_until_then(stores: Stores) -> None:
    survey = published(stores, city("layer_tiles_again", **FOUR))
    held = hold(stores, survey.id, run("r1", layers=[Layer.TILES]))
    assert _blocks(stores, held, Layer.TILES) == survey.blocks()
    assert states.read(stores, survey.id).is_published
    cut_blocks(stores, survey, survey.blocks())
    assert left_of(stores, survey, Layer.TILES) == ()


def test_named_blocks_that_are_missing_are_done_alone(stores: Stores) -> None:
    survey = planned(stores, city("layer_named", **FOUR))
    asked = run("r1")
    assert _blocks(stores, hold(stores, survey.id, asked), Layer.SCREENSHOTS, "r01c00", "r00c01") == (SECOND, THIRD)
    capture_blocks(stores, survey, [SECOND])
    assert _blocks(stores, hold(stores, survey.id, asked), Layer.SCREENSHOTS, "r01c00", "r00c01") == (THIRD,)


def test_of_named_blocks_whole_ones_are_made_again_and_missing_ones_are_made(stores: Stores) -> None:
    survey = planned(stores, city("layer_named_mixed", **FOUR))
    capture_blocks(stores, survey, [FIRST, SECOND])
    held = hold(stores, survey.id, run("r1", layers=[Layer.SCREENSHOTS]))
    assert _blocks(stores, held, Layer.SCREENSHOTS, "r00c01", "r01c00") == (SECOND, THIRD)
    assert left_of(stores, survey, Layer.SCREENSHOTS) == (SECOND, THIRD, LAST)


@pytest.mark.parametrize("only_missing", [False, True])
def test_named_blocks_that_are_whole_are_made_again_alone(stores: Stores, only_missing: bool) -> None:
    """Also where other blocks are missing, and whoever launched the run: they were asked for by name."""
    survey = planned(stores, city(f"layer_named_again_{only_missing:d}", **FOUR))
    capture_blocks(stores, survey, [FIRST, SECOND])
    held = hold(stores, survey.id, run("r1", layers=[Layer.SCREENSHOTS], only_missing=only_missing))
    assert _blocks(stores, held, Layer.SCREENSHOTS, "r00c01") == (SECOND,)
    with stores.database.begin() as connection:
        stored = screenshots.stored(connection, survey.id)
        marked = layers.progress(connection, survey.id).done_blocks[Layer.SCREENSHOTS]
    assert set(stored) == set(survey.grid.cells_of(FIRST, 2))
    assert marked == {FIRST}


def test_a_block_that_the_survey_does_not_have_is_refused_and_nothing_is_reopened(stores: Stores) -> None:
    survey = captured(stores, city("layer_unknown", **FOUR))
    held = hold(stores, survey.id, run("r1"))
    with pytest.raises(InvalidInput) as refused:
        plan_layer(stores, held, Layer.SCREENSHOTS, ["r00c00", "r05c01", "r00c09"], slots=2)
    assert str(refused.value) == f"'{survey.id}' has no block r00c09, r05c01: its blocks are r00c00 to r01c01."
    with pytest.raises(InvalidInput, match=r"'town' is not a block: it looks like 'r00c01'"):
        plan_layer(stores, held, Layer.SCREENSHOTS, ["town"], slots=2)
    assert left_of(stores, survey, Layer.SCREENSHOTS) == ()


def test_screenshots_that_a_cleanup_is_deleting_are_not_taken_again(stores: Stores, home: Path) -> None:
    survey = published(stores, city("layer_deleting", keep=Keep.DELETE, **FOUR))
    failing = FailingStore(home, Moment(Killed(), at_call=3), concerns=lambda key: "/screenshots/" in key)
    with pytest.raises(Killed):
        clean_up(replace(stores, objects=failing), survey)
    held = hold(stores, survey.id, run("r1", layers=[Layer.SCREENSHOTS]))
    with pytest.raises(NotReady) as refused:
        plan_layer(stores, held, Layer.SCREENSHOTS, [], slots=2)
    assert str(refused.value) == (
        f"Screenshots of '{survey.id}' are being deleted: materialise its screenshot_cleanup to the end, then take "
        "them again."
    )
    assert left_of(stores, survey, Layer.SCREENSHOTS) == ()
    assert hold(stores, survey.id, run("r1")).lease.reopened == ()


@pytest.mark.parametrize("layer", [Layer.PAIR_OFFSETS, Layer.TILES])
def test_nothing_is_reopened_that_needs_screenshots_which_a_cleanup_deleted(stores: Stores, layer: Layer) -> None:
    survey = published(stores, city(f"layer_deleted_{layer}", keep=Keep.DELETE, **FOUR))
    clean_up(stores, survey)
    held = hold(stores, survey.id, run("r1", layers=[layer]))
    with pytest.raises(NotReady) as refused:
        plan_layer(stores, held, layer, [], slots=2)
    assert str(refused.value) == (
        f"{layer} of '{survey.id}' cannot be made again: the cleanup deleted its screenshots. Materialise all six "
        "assets of the survey to take them anew; surveys planned with keep: keep have them kept."
    )
    assert left_of(stores, survey, layer) == ()
    assert hold(stores, survey.id, run("r1")).lease.reopened == ()
