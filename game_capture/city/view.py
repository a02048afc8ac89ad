"""The city as a picture: any viewport, drawn by copying tiles."""

import numpy as np
from numpy.typing import NDArray

from game_capture.city.atlas import PHASES, atlas
from game_capture.city.paint import TILE_PX
from game_capture.city.traffic import cars
from game_capture.city.world import World
from imageflow_domain.geometry import Rect

_TICKS_A_PHASE = 8


def render(world: World, view: Rect, *, tick: int, salt: int) -> NDArray[np.uint8]:
    """Return the pixels of `view`: RGB, uint8, shape (height, width, 3).

    Args:
        view: In pixels of the world.
        tick: Time of cars and waves.
        salt: Chooses the cars.
    """
    art = atlas()
    left, top = view.x_px // TILE_PX, view.y_px // TILE_PX
    cols = (view.right_px - 1) // TILE_PX - left + 1
    rows = (view.bottom_px - 1) // TILE_PX - top + 1
    # Two tiles more on each side: a car at the rim must look the same in every view.
    region = world.region(top - 2, left - 2, rows + 4, cols + 4)
    tiles = art.phases[tick // _TICKS_A_PHASE % PHASES][region.tiles[2:-2, 2:-2]]
    picture = np.empty((rows, TILE_PX, cols * TILE_PX * 3), dtype=np.uint8)
    for row in range(rows):
        np.take(art.rows, tiles[row], axis=1, out=picture[row].reshape(TILE_PX, cols, TILE_PX * 3), mode="clip")
    pixels = picture.reshape(rows * TILE_PX, cols * TILE_PX, 3)
    for car in cars(region.roads, top=top - 2, left=left - 2, tick=tick, salt=salt):
        _paste(pixels, car.pixels, car.x_px - 2 * TILE_PX, car.y_px - 2 * TILE_PX)
    x, y = view.x_px - left * TILE_PX, view.y_px - top * TILE_PX
    return np.ascontiguousarray(pixels[y : y + view.height_px, x : x + view.width_px])


def _paste(pixels: NDArray[np.uint8], sprite: NDArray[np.uint8], x: int, y: int) -> None:
    height, width = sprite.shape[:2]
    top, left = max(y, 0), max(x, 0)
    bottom, right = min(y + height, pixels.shape[0]), min(x + width, pixels.shape[1])
    if top < bottom and left < right:
        pixels[top:bottom, left:right] = sprite[top - y : bottom - y, left - x : right - x]
