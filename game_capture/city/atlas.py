"""Every tile that the city is put together from, cut to 32x32 px and numbered."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from game_capture.city import buildings, paint
from game_capture.city.paint import TILE_PX, Canvas

Pixels = NDArray[np.uint8]

PHASES: Final = 4
"""Pictures in the water's animation."""

OPEN_WATER: Final = 15
"""Shore code of a tile with water at all four corners; bits 1, 2, 4, 8: top left, top right, bottom left and right."""

NORTH, EAST, SOUTH, WEST = 1, 2, 4, 8
"""Bits of a road tile's code: where it goes on."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """Consecutive tile numbers: `count` sprites of `tiles` tiles each, row by row."""

    first: int
    count: int
    tiles: int


@dataclass(frozen=True, kw_only=True)
class Atlas:
    """Pictures by tile number, laid out so that a row of tiles is one gather.

    Attributes:
        rows: uint8, shape (32, tiles, 96): line, tile number, RGB of that line.
        phases: int64, shape (4, tiles): which tile to draw instead in each phase of the animation.
    """

    rows: Pixels
    phases: NDArray[np.int64]
    grass: Range
    trees: Range
    roads: Range
    bridges: Range
    water: Range
    houses: Range
    towers: Range
    outskirts: Range
    fields: Range


@lru_cache(maxsize=1)
def atlas() -> Atlas:
    """Return the one atlas; drawn at the first call, in about 0.1 s."""
    tiles: list[Pixels] = []

    def add(images: Iterable[Image.Image]) -> Range:
        first, count, each = len(tiles), 0, 1
        for image in images:
            cut = _cut(image)
            tiles.extend(cut)
            count, each = count + 1, len(cut)
        return Range(first=first, count=count, tiles=each)

    ranges = {
        "grass": add(_grass(kind) for kind in range(8)),
        "trees": add(_trees(kind) for kind in range(8)),
        "roads": add(_road(code) for code in range(16)),
        "bridges": add((_bridge(), _bridge().transpose(Image.Transpose.ROTATE_90))),
        "houses": add(buildings.houses()),
        "towers": add(buildings.towers()),
        "outskirts": add(buildings.outskirts()),
        "fields": add(buildings.fields()),
        "water": add(_shore(code, 0) for code in range(16)),
    }
    still = len(tiles)
    for phase in range(1, PHASES):
        add(_shore(code, phase) for code in range(16))
    phases = np.tile(np.arange(len(tiles)), (PHASES, 1))
    first = ranges["water"].first
    for phase in range(1, PHASES):
        phases[phase, first : first + 16] = still + 16 * (phase - 1) + np.arange(16)
    rows = np.stack(tiles).transpose(1, 0, 2, 3).reshape(TILE_PX, len(tiles), TILE_PX * 3)
    return Atlas(rows=np.ascontiguousarray(rows), phases=phases, **ranges)


def _cut(image: Image.Image) -> list[Pixels]:
    pixels = np.asarray(image, dtype=np.uint8)
    return [
        pixels[y : y + TILE_PX, x : x + TILE_PX]
        for y in range(0, pixels.shape[0], TILE_PX)
        for x in range(0, pixels.shape[1], TILE_PX)
    ]


def _grass(kind: int) -> Image.Image:
    canvas = Canvas(TILE_PX, seed=10 + kind)
    canvas.speckle(14, (paint.GRASS_DARK,), length=2)
    canvas.speckle(9, (paint.GRASS_LIGHT,), length=2)
    if kind >= 5:
        for _ in range(4):
            x, y = canvas.random.randrange(3, 28), canvas.random.randrange(3, 28)
            colour = paint.FLOWERS[kind % 4]
            canvas.draw.line((x - 1, y, x + 1, y), fill=colour)
            canvas.draw.line((x, y - 1, x, y + 1), fill=colour)
    return canvas.image


def _trees(kind: int) -> Image.Image:
    canvas = Canvas(TILE_PX, seed=30 + kind)
    canvas.speckle(14, (paint.GRASS_DARK,), length=2)
    if kind < 3:
        canvas.tree(14 + kind, 27, 8 + kind % 2)
    elif kind < 6:
        canvas.pine(12 + 2 * (kind - 3), 29, 24 + kind % 3)
    elif kind == 6:
        canvas.pine(9, 20, 18)
        canvas.tree(21, 29, 7)
    else:
        canvas.bush(10, 14)
        canvas.bush(20, 26)
        canvas.box(22, 8, 5, 4, paint.STONE, paint.STONE_DARK)
    return canvas.image


def _road(code: int) -> Image.Image:
    canvas = Canvas(TILE_PX, seed=50)
    low, high = 5, TILE_PX - 5
    canvas.box(2, 2, 28, 28, paint.KERB)
    canvas.box(low, low, high - low, high - low, paint.ASPHALT)
    arms = {
        NORTH: (2, 0, 28, 5, low, 0, high - low, 5),
        EAST: (27, 2, 5, 28, 27, low, 5, high - low),
        SOUTH: (2, 27, 28, 5, low, 27, high - low, 5),
        WEST: (0, 2, 5, 28, 0, low, 5, high - low),
    }
    for bit, (x, y, width, height, *_) in arms.items():
        if code & bit:
            canvas.box(x, y, width, height, paint.KERB)
    for bit, (*_, x, y, width, height) in arms.items():
        if code & bit:
            canvas.box(x, y, width, height, paint.ASPHALT)
    canvas.random.seed(code)
    for _ in range(12):
        x, y = canvas.random.randrange(low, high - 2), canvas.random.randrange(low, high)
        canvas.draw.line((x, y, x + 1, y), fill=paint.ASPHALT_DARK)
    if code == NORTH | SOUTH:
        canvas.box(15, 4, 2, 8, paint.LINE)
        canvas.box(15, 20, 2, 8, paint.LINE)
    elif code == EAST | WEST:
        canvas.box(4, 15, 8, 2, paint.LINE)
        canvas.box(20, 15, 8, 2, paint.LINE)
    elif code.bit_count() >= 3:
        _crossings(canvas, code)
    return canvas.image


def _crossings(canvas: Canvas, code: int) -> None:
    for start in range(7, 26, 4):
        if code & NORTH:
            canvas.box(start, 0, 2, 4, paint.LINE)
        if code & SOUTH:
            canvas.box(start, 28, 2, 4, paint.LINE)
        if code & WEST:
            canvas.box(0, start, 4, 2, paint.LINE)
        if code & EAST:
            canvas.box(28, start, 4, 2, paint.LINE)


def _bridge() -> Image.Image:
    canvas = Canvas(TILE_PX, seed=60, ground=paint.STONE)
    canvas.box(0, 0, 3, TILE_PX, paint.STONE_DARK)
    canvas.box(29, 0, 3, TILE_PX, paint.STONE_DARK)
    for y in range(2, TILE_PX, 8):
        canvas.box(0, y, 3, 3, paint.WHITE)
        canvas.box(29, y, 3, 3, paint.WHITE)
    canvas.box(5, 0, 22, TILE_PX, paint.ASPHALT)
    canvas.box(15, 4, 2, 8, paint.LINE)
    canvas.box(15, 20, 2, 8, paint.LINE)
    return canvas.image


def _shore(code: int, phase: int) -> Image.Image:
    """A tile of water and land, by corner; along each edge it depends on that edge's two corners only."""
    at = (np.arange(TILE_PX) + 0.5) / TILE_PX
    x, y = at[None, :], at[:, None]
    corner = [float(bool(code & bit)) for bit in (1, 2, 4, 8)]
    wet = (corner[0] * (1 - x) + corner[1] * x) * (1 - y) + (corner[2] * (1 - x) + corner[3] * x) * y
    wobble = np.sin(9 * x + 5 * code) * np.cos(8 * y + 3 * code)
    wet = wet + 0.9 * wobble * x * (1 - x) * y * (1 - y)
    pixels = np.asarray(_grass(code % 5), dtype=np.uint8).copy()
    pixels[wet > 0.36] = paint.SAND_DARK
    pixels[wet > 0.39] = paint.SAND
    pixels[wet > 0.54 + 0.02 * (phase % 3)] = paint.FOAM
    water = np.asarray(_waves(phase), dtype=np.uint8)
    deep = wet > 0.6
    pixels[deep] = water[deep]
    return Image.fromarray(pixels)


def _waves(phase: int) -> Image.Image:
    canvas = Canvas(TILE_PX, seed=70, ground=paint.WATER)
    for number in range(7):
        x = (number * 13 + 5 + phase * 2 * (1 if number % 2 else -1)) % TILE_PX
        y = 2 + number * 4 + number % 2
        length = 4 + number * 5 % 5
        for step in range(length):
            colour = paint.WATER_LIGHT if number % 3 else paint.WATER_DARK
            canvas.image.putpixel(((x + step) % TILE_PX, y), colour)
    return canvas.image
