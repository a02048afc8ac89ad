"""Registering and placing: exact against the city's truth, and what is missing is named."""

import pytest

from imageflow_clients.database.maps import layers, placements
from imageflow_clients.stores import Stores
from imageflow_domain.errors import NotReady
from imageflow_domain.geometry import Offset
from imageflow_domain.grid import Block, block_of
from imageflow_domain.survey import Layer
from imageflow_domain.tiles import SQUARE_PX
from imageflow_surveys import states, trust
from imageflow_surveys.blocks import capture_blocks, register_blocks
from imageflow_surveys.place import place_survey
from imageflow_surveys.register_block import register_block
from tests.surveys.cities import (
    captured,
    city,
    count_anchored,
    driver_of_city,
    errors_of,
    placed,
    planned,
    registered,
    reopened,
)

NO_ERROR = Offset(dx_px=0, dy_px=0)


def test_verified_offsets_are_the_truth_s_differences(stores: Stores) -> None:
    survey = registered(stores, city("offsets", grid="4x4"))
    driver = driver_of_city(survey.spec)
    truth = {area.cell: driver.truth(area) for area in driver.areas(survey.grid)}
    with stores.database.begin() as connection:
        pairs = placements.offsets(connection, survey.id)
    straight = [
        pair for pair in pairs if pair.reference.row == pair.moving.row or pair.reference.col == pair.moving.col
    ]
    assert len(straight) == 2 * 4 * 3
    for pair in pairs:
        a, b = truth[pair.reference], truth[pair.moving]
        assert pair.offset == Offset(dx_px=round(b.x_px - a.x_px), dy_px=round(b.y_px - a.y_px))


def test_a_pair_across_blocks_belongs_to_the_block_of_its_first_shot(stores: Stores) -> None:
    survey = captured(stores, city("halo", grid="4x4", block_side=2))
    for block in survey.blocks():
        result = register_block(stores, survey, block)
        assert result.offsets
        assert {block_of(pair.reference, 2) for pair in result.offsets} == {block}
    with stores.database.begin() as connection:
        by_blocks = placements.offsets(connection, survey.id)
    with stores.database.begin() as connection:
        at_once = placements.offsets(connection, registered(stores, city("no_halo", grid="4x4")).id)
    assert by_blocks == at_once


def test_registering_a_block_twice_stores_its_offsets_once(stores: Stores) -> None:
    survey = registered(stores, city("twice"))
    with stores.database.begin() as connection:
        before = placements.offsets(connection, survey.id)
    assert register_blocks(stores, survey, survey.blocks()).pairs == 0
    reopened(stores, survey, Layer.PAIR_OFFSETS)
    assert register_blocks(stores, survey, survey.blocks()).offsets == len(before)
    with stores.database.begin() as connection:
        assert placements.offsets(connection, survey.id) == before


def test_registering_names_the_halo_s_block_that_was_not_taken(stores: Stores) -> None:
    survey = planned(stores, city("no_neighbour", grid="4x4", block_side=2))
    capture_blocks(stores, survey, [Block(row=0, col=0)])
    with pytest.raises(NotReady, match="blocks: \\[r00c01\\]"):
        register_block(stores, survey, Block(row=0, col=0))


@pytest.mark.parametrize(("drift", "seed"), [(8, 3), (14, 4)])
def test_every_screenshot_of_a_city_is_anchored_at_its_true_place(stores: Stores, drift: int, seed: int) -> None:
    parameters = {"drift_px": drift, "seed": seed, "drift_seed": seed, "overlap_px": [96, 96]}
    survey, result = placed(stores, city(f"exact_{drift}", grid="4x4", **parameters))
    assert count_anchored(result.placements) == 16
    assert set(errors_of(stores, survey, result.placements).values()) == {NO_ERROR}
    assert not result.dropped
    for look in (trust.loops_close, trust.shots_placed, trust.decisive_offsets_kept, trust.one_group):
        assert look(stores, survey).holds


def test_a_head_up_display_misplaces_nothing(stores: Stores) -> None:
    survey, result = placed(stores, city("hud", view=[640, 512], overlap_px=[240, 240], hud=True))
    assert count_anchored(result.placements) == 9
    assert set(errors_of(stores, survey, result.placements).values()) == {NO_ERROR}


def test_a_first_survey_opens_frame_one_and_lies_whole_within_it(stores: Stores) -> None:
    survey, result = placed(stores, city("first"))
    assert result.new_frame
    assert result.mosaic == survey.placed()
    bounds, frame = result.mosaic.bounds, result.mosaic.frame
    assert frame.number == 1
    assert (bounds.x_px % SQUARE_PX, bounds.y_px % SQUARE_PX) == (0, 0)
    assert bounds.x_px == min(p.x_px for p in result.placements)
    assert bounds.right_px == max(p.x_px for p in result.placements) + 320
    assert bounds.bottom_px == max(p.y_px for p in result.placements) + 256
    assert max(bounds.right_px, bounds.bottom_px) <= frame.side_px


def test_placing_the_same_shots_again_makes_the_same_revision(stores: Stores) -> None:
    survey, first = placed(stores, city("same_again"))
    second = place_survey(stores, states.read(stores, survey.id))
    assert (second.placements, second.mosaic) == (first.placements, first.mosaic)


def test_placing_names_the_block_whose_screenshots_are_missing(stores: Stores) -> None:
    survey = planned(stores, city("gap", grid="4x4", block_side=2))
    capture_blocks(stores, survey, [b for b in survey.blocks() if b != Block(row=1, col=0)])
    with pytest.raises(NotReady, match="lacks screenshots of block r01c00: materialise these first"):
        place_survey(stores, survey)


def test_placing_names_the_blocks_whose_offsets_are_missing(stores: Stores) -> None:
    survey = captured(stores, city("no_offsets", grid="4x4", block_side=2))
    register_blocks(stores, survey, [Block(row=0, col=0), Block(row=1, col=1)])
    with pytest.raises(NotReady, match="lacks pair_offsets of block r00c01, r01c00"):
        place_survey(stores, survey)
    with stores.database.begin() as connection:
        assert Layer.COORDINATES not in layers.progress(connection, survey.id).done_layers
