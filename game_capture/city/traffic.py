"""Cars on the city's streets: where they are at a tick, and how they look."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from game_capture.city import paint
from game_capture.city.noise import pick, scatter
from game_capture.city.paint import TILE_PX
from game_capture.city.streets import Mask

_LANE_PX: Final = 7
"""From a street's middle to the middle of either lane, less half a car."""

_GAP_TILES: Final = 9
"""Tiles of street for each car."""

_LENGTH_PX: Final = 14
_WIDTH_PX: Final = 8

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Car:
    """One car: its picture's top left corner in pixels of the region, and the picture."""

    x_px: int
    y_px: int
    pixels: Pixels


@lru_cache(maxsize=1)
def _pictures() -> tuple[tuple[Pixels, ...], ...]:
    """Cars by heading (north, east, south, west) and colour."""
    return tuple(
        tuple(np.ascontiguousarray(np.rot90(_car(colour), -turns)) for colour in _COLOURS) for turns in range(4)
    )


_COLOURS: Final[tuple[paint.Colour, ...]] = (
    (206, 70, 64),
    (238, 196, 84),
    (70, 110, 190),
    (236, 236, 230),
    (70, 70, 82),
    (96, 168, 130),
)


def _car(colour: paint.Colour) -> Pixels:
    car = np.empty((_LENGTH_PX, _WIDTH_PX, 3), dtype=np.uint8)
    car[:] = colour
    car[:, [0, -1]] = paint.darker(colour, 2)
    car[[0, -1]] = paint.darker(colour, 2)
    car[[0, 0, -1, -1], [0, -1, 0, -1]] = paint.ASPHALT
    car[3:6, 1:-1] = paint.GLASS
    car[11:13, 1:-1] = paint.GLASS_DARK
    car[1, [1, -2]] = paint.FLOWERS[0]
    return car


def cars(roads: Mask, *, top: int, left: int, tick: int, salt: int) -> Iterator[Car]:
    """Yield the cars of a region of tiles.

    Args:
        roads: Drivable tiles, shape (rows, columns), its first tile at (`top`, `left`) of the world. Cars of the
            outermost two tiles may be missing: what lies beyond is not known.
        tick: Time; a car drives 1 to 3 px a tick. At one tick the cars of overlapping regions agree.
        salt: Chooses which cars there are.
    """
    level, upright = _streets(roads), _streets(roads.T)
    for row in np.flatnonzero(level.any(axis=1)):
        yield from _line(level[row], int(row), top + int(row), left, tick, salt, upright=False)
    for col in np.flatnonzero(upright.any(axis=1)):
        yield from _line(upright[col], int(col), left + int(col), top, tick, salt + 1, upright=True)


def _streets(roads: Mask) -> Mask:
    """Tiles with a drivable neighbour in their row: a street that is only crossed has none."""
    beside = np.zeros_like(roads)
    beside[:, 1:] = roads[:, :-1]
    beside[:, :-1] |= roads[:, 1:]
    return roads & beside


def _line(street: Mask, line: int, number: int, start: int, tick: int, salt: int, *, upright: bool) -> Iterator[Car]:
    """Cars along one row (or, `upright`, one column) of tiles; `number` and `start` are world coordinates."""
    gap_px = _GAP_TILES * TILE_PX
    first_px, length_px = start * TILE_PX, len(street) * TILE_PX
    for lane in (0, 1):
        trip = scatter(number, lane, salt)
        speed = 1 + int(pick(trip, 3)[0])
        way = tick * speed * (1 if lane == 0 else -1)
        slot = np.arange((first_px - way) // gap_px - 1, (first_px + length_px - way) // gap_px + 1)
        dice = scatter(slot, number, salt + 2 + lane)
        at = slot * gap_px + pick(dice, gap_px - 2 * _LENGTH_PX) + way - first_px
        tail, head = at // TILE_PX, (at + _LENGTH_PX - 1) // TILE_PX
        inside = (tail >= 0) & (head < len(street))
        there = inside & street[np.where(inside, tail, 0)] & street[np.where(inside, head, 0)]
        # Right-hand traffic: eastbound in the lower lane, southbound in the left one.
        low = (lane == 0) != upright
        side = line * TILE_PX + TILE_PX // 2 + (_LANE_PX - _WIDTH_PX // 2 if low else -_LANE_PX - _WIDTH_PX // 2)
        heading = ((2, 0) if upright else (1, 3))[lane]
        for place, colour in zip(at[there], pick(dice, len(_COLOURS), shift=40)[there], strict=True):
            x, y = (side, int(place)) if upright else (int(place), side)
            yield Car(x_px=x, y_px=y, pixels=_pictures()[heading][colour])
