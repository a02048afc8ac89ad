"""Tiles that only a mask touches are not promised."""

from imageflow_clients.stores import Stores
from imageflow_domain.geometry import Rect
from imageflow_surveys.trust import tiles_whole
from tests.surveys.cities import city, published


def test_a_mask_along_the_maps_edge_promises_no_tiles_that_nothing_shows(stores: Stores) -> None:
    spec = city("edge_mask", grid="2x2")  # 576 px wide: the mask hides all of the second column of tiles
    survey = published(
        stores, spec.model_copy(update={"masks": (Rect(x_px=200, y_px=0, width_px=4000, height_px=4000),)})
    )
    assert tiles_whole(stores, survey).holds
