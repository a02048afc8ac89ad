"""Tiles of a simulated city whose truth is known: what a survey may and may not change about them."""

import numpy as np

from game_capture.drivers.city import CityDriver, CityParameters
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Grid
from imageflow_domain.survey import Encoding
from imageflow_domain.tiles import SQUARE_PX, TileId
from imageflow_mosaic.compose import PlacedShot, compose
from imageflow_mosaic.pyramid import cut_square


def survey(parameters: CityParameters) -> list[PlacedShot]:
    """Grab 4 x 4 areas, placed where the camera truly was."""
    shots = []
    with CityDriver(parameters) as driver:
        for area in driver.areas(Grid(cols=4, rows=4)):
            truth = driver.truth(area)
            shots.append(PlacedShot(x_px=int(truth.x_px), y_px=int(truth.y_px), pixels=driver.grab(area).picture))
    return shots


def digests(shots: list[PlacedShot]) -> dict[TileId, str]:
    canvas = compose(shots, Rect(x_px=0, y_px=0, width_px=2 * SQUARE_PX, height_px=SQUARE_PX))
    return {tile.id: tile.digest for tile in cut_square(canvas, 4, Encoding())}


def city(*, drift_seed: int = 1, paused: bool = True) -> list[PlacedShot]:
    return survey(CityParameters(seed=3, drift_seed=drift_seed, view=(640, 480), paused=paused))


def test_two_drifts_of_a_paused_city_give_the_same_tiles() -> None:
    first, second = city(drift_seed=1), city(drift_seed=2)
    assert [shot.rect for shot in first] != [shot.rect for shot in second]
    assert digests(first) == digests(second)


def test_where_cars_and_waves_move_no_colour_is_invented() -> None:
    shots = city(paused=False)
    width_px = max(shot.rect.right_px for shot in shots)
    height_px = max(shot.rect.bottom_px for shot in shots)
    canvas = compose(shots, Rect(x_px=0, y_px=0, width_px=width_px, height_px=height_px))
    assert canvas.full
    shown = np.zeros((height_px, width_px), np.bool_)
    for shot in shots:
        there = (slice(shot.rect.y_px, shot.rect.bottom_px), slice(shot.rect.x_px, shot.rect.right_px))
        shown[there] |= (shot.pixels == canvas.rgb[there]).all(axis=2)
    assert shown.all()
