"""How blocks become shares: all slots are used, no layer has too many steps, small surveys have one of each."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageflow_domain.grid import Block
from imageflow_domain.survey import BLOCK_LAYERS, Layer, Survey
from imageflow_surveys.shares import MOST_SHARES, SMALL_SURVEY, Share, shares_of
from tests.surveys.cities import survey_of

SLOTS = {Layer.SCREENSHOTS: 3, Layer.PAIR_OFFSETS: 2, Layer.TILES: 2}
"""Those of the pools by default."""


def _shots(survey: Survey, share: Share) -> int:
    return sum(len(survey.grid.cells_of(block, survey.block_side)) for block in share.blocks)


def _all(survey: Survey, layer: Layer) -> tuple[Share, ...]:
    return shares_of(survey, layer, survey.blocks(), slots=SLOTS[layer])


@pytest.mark.parametrize(
    ("grid", "screenshots", "pair_offsets", "tiles"),
    [
        ("1x1", 1, 1, 1),
        ("12x10", 1, 1, 1),
        ("16x16", 3, 1, 2),
        ("20x20", 3, 1, 2),
        ("30x30", 3, 2, 2),
        ("50x50", 9, 2, 6),
        ("100x100", 27, 6, 18),
    ],
)
def test_a_survey_has_as_many_shares_of_each_layer_as_its_size_and_the_slots_ask_for(
    grid: str, screenshots: int, pair_offsets: int, tiles: int
) -> None:
    survey = survey_of(grid)
    counts = {layer: len(_all(survey, layer)) for layer in BLOCK_LAYERS}
    assert counts == {Layer.SCREENSHOTS: screenshots, Layer.PAIR_OFFSETS: pair_offsets, Layer.TILES: tiles}


@pytest.mark.parametrize("layer", BLOCK_LAYERS)
def test_a_small_survey_is_one_share_and_the_next_larger_one_is_not(layer: Layer) -> None:
    small, larger = survey_of("16x8", block_side=2), survey_of("129x1", block_side=13)
    assert small.grid.rows * small.grid.cols == SMALL_SURVEY
    assert [share.blocks for share in shares_of(small, layer, small.blocks(), slots=4)] == [small.blocks()]
    counted = len(shares_of(larger, layer, larger.blocks(), slots=4))
    # a minute's registration is not worth another process
    assert counted == (1 if layer is Layer.PAIR_OFFSETS else 2)


def test_equal_blocks_are_shared_out_evenly() -> None:
    shares = _all(survey_of("100x100"), Layer.PAIR_OFFSETS)
    assert [len(share.blocks) for share in shares] == [17, 17, 16, 17, 17, 16]


def test_uneven_blocks_make_an_uneven_last_share() -> None:
    survey = survey_of("17x16")
    assert [_shots(survey, share) for share in _all(survey, Layer.SCREENSHOTS)] == [100, 130, 42]


def test_what_is_left_of_a_survey_is_shared_out_anew() -> None:
    survey = survey_of("100x100")
    left = survey.blocks()[-3:]
    assert [share.blocks for share in shares_of(survey, Layer.SCREENSHOTS, left, slots=3)] == [(b,) for b in left]
    assert [share.blocks for share in shares_of(survey, Layer.PAIR_OFFSETS, left, slots=3)] == [left]


@pytest.mark.parametrize("layer", BLOCK_LAYERS)
@pytest.mark.parametrize("grid", ["4x4", "40x40"])
def test_nothing_left_is_no_share(grid: str, layer: Layer) -> None:
    assert shares_of(survey_of(grid), layer, (), slots=2) == ()


def test_a_long_grid_has_a_share_for_each_of_its_large_blocks() -> None:
    survey = survey_of("1000x10", block_side=100)
    assert [len(_all(survey, layer)) for layer in BLOCK_LAYERS] == [10, 6, 10]


def test_blocks_that_are_larger_than_a_share_are_not_cut() -> None:
    survey = survey_of("100x100", block_side=50)
    assert [share.blocks for share in _all(survey, Layer.SCREENSHOTS)] == [(block,) for block in survey.blocks()]


def test_a_share_is_named_by_its_number_and_first_block_in_letters_that_dagster_allows() -> None:
    keys = [share.key for share in _all(survey_of("20x20"), Layer.SCREENSHOTS)]
    assert keys == ["00_r00c00", "01_r01c00", "02_r01c01"]


_GRIDS = st.builds(
    lambda rows, cols, side: survey_of(f"{cols}x{rows}", block_side=side),
    rows=st.integers(1, 100),
    cols=st.integers(1, 100),
    side=st.integers(10, 20),
)


@given(_GRIDS, st.sampled_from(BLOCK_LAYERS), st.integers(1, 12), st.randoms(use_true_random=False))
def test_every_block_is_in_one_share_and_no_layer_has_more_than_fifty(
    survey: Survey, layer: Layer, slots: int, dice: Random
) -> None:
    blocks: list[Block] = [block for block in survey.blocks() if dice.random() < 0.8]
    dice.shuffle(blocks)
    shares = shares_of(survey, layer, blocks, slots=slots)
    assert [block for share in shares for block in share.blocks] == sorted(blocks)
    assert all(share.blocks for share in shares)
    assert [share.number for share in shares] == list(range(len(shares)))
    assert len({share.key for share in shares}) == len(shares) <= MOST_SHARES


@given(st.integers(2, 10), st.integers(2, 10), st.sampled_from(BLOCK_LAYERS), st.integers(1, 12))
def test_no_slot_stays_empty_while_there_is_work_for_it(rows: int, cols: int, layer: Layer, slots: int) -> None:
    """Ten seconds of it: 64 screenshots, or 600 that are registered."""
    survey = survey_of(f"{cols * 10}x{rows * 10}")
    fewest = 600 if layer is Layer.PAIR_OFFSETS else 64
    shares = shares_of(survey, layer, survey.blocks(), slots=slots)
    worth = max(1, rows * cols * 100 // fewest)
    assert len(shares) >= min(slots, rows * cols, worth)
