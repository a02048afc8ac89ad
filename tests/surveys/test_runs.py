"""What a survey needs next is cut into runs that keep all slots at work and are worth their start."""

from datetime import UTC, datetime

from imageflow_domain.geometry import Size
from imageflow_domain.grid import Grid
from imageflow_domain.survey import Carrier, Keep, Layer, Step, Survey, SurveyState
from imageflow_surveys.runs import runs_of
from tests.surveys.cities import city


def _survey(grid: Grid) -> Survey:
    """A survey of a grid that no store knows."""
    return Survey(
        id="city-large-0001",
        spec=city("large"),
        state=SurveyState.RUNNING,
        carrier=Carrier.SENSOR,
        reason=None,
        grid=grid,
        view=Size(width_px=320, height_px=256),
        reach_px=16,
        keep=Keep.KEEP,
        mosaic=None,
        published_revision=None,
        created_at=datetime.now(UTC),
        finished_at=None,
    )


def test_a_hundred_blocks_are_cut_for_the_slots() -> None:
    large = _survey(Grid(rows=100, cols=100))
    runs = runs_of(large, Step(layer=Layer.TILES, blocks=large.blocks()), at_once=2)
    assert [len(run.blocks) for run in runs] == [5] * 20
    assert sorted(block for run in runs for block in run.blocks) == sorted(large.blocks())


def test_a_layer_too_large_for_one_run_a_slot_keeps_all_slots_at_work_to_its_end() -> None:
    medium = _survey(Grid(rows=40, cols=40))
    runs = runs_of(medium, Step(layer=Layer.TILES, blocks=medium.blocks()), at_once=2)
    assert [len(run.blocks) for run in runs] == [4] * 4


def test_what_is_left_last_is_shared_by_all_slots() -> None:
    large = _survey(Grid(rows=100, cols=100))
    runs = runs_of(large, Step(layer=Layer.TILES, blocks=large.blocks()[-6:]), at_once=2)
    assert [len(run.blocks) for run in runs] == [3, 3]


def test_registration_takes_more_blocks_a_run_than_cutting_because_a_shot_costs_it_less() -> None:
    large = _survey(Grid(rows=60, cols=60))
    runs = runs_of(large, Step(layer=Layer.PAIR_OFFSETS, blocks=large.blocks()), at_once=2)
    assert [len(run.blocks) for run in runs] == [18, 18]
    last = runs_of(large, Step(layer=Layer.PAIR_OFFSETS, blocks=large.blocks()[-6:]), at_once=2)
    assert [len(run.blocks) for run in last] == [6]


def test_a_small_survey_is_taken_and_registered_by_one_run() -> None:
    small = _survey(Grid(rows=6, cols=6))
    (run,) = runs_of(small, Step(layer=Layer.SCREENSHOTS, blocks=small.blocks()), at_once=3)
    assert run.layers == (Layer.SCREENSHOTS, Layer.PAIR_OFFSETS)
    (run,) = runs_of(small, Step(layer=Layer.OVERVIEWS, blocks=()), at_once=1)
    assert run.layers == (Layer.OVERVIEWS, Layer.CLEANUP)
