"""A region put together from tiles is what the city itself shows there."""

import numpy as np
import pytest

from imageflow_clients.database.maps import tiles
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import InvalidInput, NotReady, ObjectMissing
from imageflow_domain.geometry import Rect
from imageflow_domain.survey import Survey
from imageflow_surveys.image import read_region
from tests.surveys.cities import city, cut, published, truth_of


def test_the_whole_map_is_the_city_itself(stores: Stores, shown: Survey) -> None:
    bounds = shown.published().bounds
    region = read_region(stores, shown, bounds)
    truth = truth_of(stores, shown).picture(bounds)
    assert region.covered.mean() > 0.98  # drift leaves notches at the rim
    assert np.array_equal(region.rgb[region.covered], truth[region.covered])
    assert not region.rgb[~region.covered].any()


def test_a_region_across_the_corner_of_four_tiles_is_exact(stores: Stores, shown: Survey) -> None:
    bounds = shown.published().bounds
    region = Rect(x_px=bounds.x_px + 512 - 37, y_px=bounds.y_px + 512 - 21, width_px=74, height_px=43)
    part = read_region(stores, shown, region)
    assert part.covered.all()
    assert np.array_equal(part.rgb, truth_of(stores, shown).picture(region))


def test_a_region_that_reaches_beyond_the_map_is_black_there(stores: Stores, shown: Survey) -> None:
    bounds = shown.published().bounds
    region = Rect(x_px=bounds.right_px - 50, y_px=bounds.bottom_px - 50, width_px=700, height_px=700)
    part = read_region(stores, shown, region)
    assert part.covered[:50, :50].any()
    assert not part.covered[50:].any()
    assert not part.covered[:, 50:].any()
    assert not part.rgb[50:].any()


def test_a_region_outside_the_map_is_refused_with_where_the_map_lies(stores: Stores, shown: Survey) -> None:
    bounds = shown.published().bounds
    beside = Rect(x_px=bounds.right_px, y_px=bounds.y_px, width_px=10, height_px=10)
    with pytest.raises(InvalidInput, match=f"outside the map, which is {bounds!s}"):
        read_region(stores, shown, beside)


def test_more_than_four_hundred_megapixels_are_refused_before_any_is_read(stores: Stores, shown: Survey) -> None:
    bounds = shown.published().bounds
    huge = Rect(x_px=bounds.x_px, y_px=bounds.y_px, width_px=20_001, height_px=20_000)
    with pytest.raises(InvalidInput, match="--region X,Y,W,H"):
        read_region(stores, shown, huge)


def test_a_survey_without_a_map_has_no_image(stores: Stores) -> None:
    survey = cut(stores, city("no_image"))
    with pytest.raises(NotReady, match="materialise its overviews first"):
        read_region(stores, survey, survey.placed().bounds)


def test_a_tile_s_object_that_is_gone_is_named(stores: Stores) -> None:
    survey = published(stores, city("gone_tile", seed=77))
    mosaic = survey.published()
    with stores.database.begin() as connection:
        native = tiles.at_zoom(
            connection, tiles.layer_of(connection, survey.id, mosaic.revision), mosaic.frame.native_zoom
        )
    key = keys.tile(next(iter(native.values())).digest)
    stores.objects.delete(key)
    with pytest.raises(
        ObjectMissing, match=f"'{key}', tile .* of '{survey.id}': materialise tiles of '{survey.id}' again"
    ):
        read_region(stores, survey, mosaic.bounds)


def test_parsing_what_is_described_gives_the_same_rectangle() -> None:
    rect = Rect(x_px=-3, y_px=4, width_px=5, height_px=6)
    assert Rect.parse(str(rect)) == rect
