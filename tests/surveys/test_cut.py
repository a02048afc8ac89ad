"""Cutting tiles: blocks are only a way of working, equal tiles are stored once, doubtful shots lie underneath."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update

from imageflow_clients.database.maps import dependencies, layers, schema
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import NotReady
from imageflow_domain.grid import Block, Cell
from imageflow_domain.placement import PlacementStatus
from imageflow_domain.survey import Layer
from imageflow_domain.tiles import SQUARE_PX, tiles_touching
from imageflow_surveys import states
from imageflow_surveys.blocks import cut_blocks
from imageflow_surveys.cut_block import cut_block
from imageflow_surveys.image import read_region
from imageflow_surveys.overview import make_overviews
from imageflow_surveys.shots import shot_rect
from tests.surveys.cities import city, cut, digests, placed, places_of, published, registered, truth_of
from tests.surveys.stand_ins import FailingStore, Killed, Moment

WIDE = "12x3"
"""Two squares wide."""


def test_another_block_size_gives_the_same_tiles(stores: Stores) -> None:
    """Three saves, so that every one opens frame 1 by itself."""
    large = published(stores, city("blocks_10", grid=WIDE, block_side=10))
    middle = published(stores, city("blocks_4", grid=WIDE, block_side=4))
    small = published(stores, city("blocks_2", grid=WIDE, block_side=2))
    assert len(large.blocks()) < len(middle.blocks()) < len(small.blocks())
    wanted = digests(stores, large)
    zoom = large.placed().frame.native_zoom
    assert len({tile.x * 512 // SQUARE_PX for tile in wanted if tile.z == zoom}) == 2
    assert digests(stores, middle) == wanted
    assert digests(stores, small) == wanted


def test_blocks_cut_in_any_order_give_every_promised_tile_once(stores: Stores) -> None:
    survey, _ = placed(stores, city("order", grid=WIDE, block_side=4))
    counts = [cut_block(stores, survey, block).tiles for block in reversed(survey.blocks())]
    assert sum(counts) == len(digests(stores, survey))
    with stores.database.begin() as connection:
        assert dependencies.missing_native(connection, survey.id, survey.placed().revision) == ()
        done = layers.progress(connection, survey.id).done_blocks[Layer.TILES]
    assert done == set(survey.blocks())


def test_native_tiles_are_those_that_a_screenshot_touches(stores: Stores) -> None:
    survey = cut(stores, city("touching", grid="4x4"))
    zoom = survey.placed().frame.native_zoom
    touched = {
        tile
        for place in places_of(stores, survey)
        for tile in tiles_touching(shot_rect(survey.view, place), zoom, zoom)
    }
    assert {tile for tile in digests(stores, survey) if tile.z == zoom} == touched


def test_equal_tiles_are_neither_encoded_nor_stored_twice(stores: Stores) -> None:
    first, _ = placed(stores, city("once_a", seed=41))
    encoded = cut_blocks(stores, first, first.blocks())
    assert encoded.encoded == len(set(digests(stores, first).values()))
    before = {tile: stores.objects.head(keys.tile(digest)) for tile, digest in digests(stores, first).items()}
    second, _ = placed(stores, city("once_b", seed=41))
    again = cut_blocks(stores, second, second.blocks())
    assert (again.encoded, again.tiles, again.size_bytes) == (0, encoded.tiles, encoded.size_bytes)
    after = {tile: stores.objects.head(keys.tile(digest)) for tile, digest in digests(stores, second).items()}
    assert None not in before.values()
    assert after == before


def test_a_cut_that_was_killed_within_a_square_is_finished_by_the_next(stores: Stores, home: Path) -> None:
    undisturbed = cut(stores, city("cut_whole", grid=WIDE, seed=42))
    survey, _ = placed(stores, city("cut_killed", grid=WIDE, seed=43))
    failing = FailingStore(home, Moment(Killed(), at_call=3), concerns=lambda key: key.startswith("tiles/"))
    with pytest.raises(Killed):
        cut_blocks(replace(stores, objects=failing), survey, survey.blocks())
    with stores.database.begin() as connection:
        assert layers.progress(connection, survey.id).done_blocks[Layer.TILES] == frozenset()
    cut_blocks(stores, survey, survey.blocks())
    assert set(digests(stores, survey)) == set(digests(stores, undisturbed))
    assert all(stores.objects.exists(keys.tile(digest)) for digest in digests(stores, survey).values())


def test_ambiguous_screenshots_never_cover_anchored_ones(stores: Stores) -> None:
    """One shot is misplaced on purpose: where an anchored one lies too, the map must still be the city."""
    spec = city("underneath", grid="3x3", seed=5)
    survey, _ = placed(stores, spec)
    doubtful = Cell(row=1, col=1)
    coordinates = schema.coordinates
    with stores.database.begin() as connection:
        moved = connection.execute(
            update(coordinates)
            .where(coordinates.c.survey_id == survey.id, coordinates.c.row == 1, coordinates.c.col == 1)
            .values(status="ambiguous", x_px=coordinates.c.x_px + 5, y_px=coordinates.c.y_px + 3)
        )
    assert moved.rowcount == 1
    cut_blocks(stores, survey, survey.blocks())
    make_overviews(stores, survey)
    survey = states.read(stores, survey.id)

    bounds = survey.published().bounds
    region = read_region(stores, survey, bounds)
    truth = truth_of(stores, survey).picture(bounds)
    by_anchored = np.zeros(region.covered.shape, np.bool_)
    for place in places_of(stores, survey):
        if place.status is PlacementStatus.ANCHORED:
            x, y = place.x_px - bounds.x_px, place.y_px - bounds.y_px
            by_anchored[y : y + 256, x : x + 320] = True
    assert doubtful in {p.cell for p in places_of(stores, survey) if p.status is PlacementStatus.AMBIGUOUS}
    assert np.array_equal(region.rgb[by_anchored], truth[by_anchored])
    only_doubtful = region.covered & ~by_anchored
    assert only_doubtful.sum() > 100
    assert not np.array_equal(region.rgb[only_doubtful], truth[only_doubtful])


def test_a_survey_that_is_not_placed_has_no_tiles(stores: Stores) -> None:
    survey = registered(stores, city("unplaced"))
    with pytest.raises(NotReady, match="materialise coordinates first"):
        cut_block(stores, survey, Block(row=0, col=0))
