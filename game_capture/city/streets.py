"""Where streets run and how the land between them is divided into lots. Pure arithmetic on tile coordinates."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from game_capture.city.buildings import LARGE_TILES
from game_capture.city.noise import Ints, pick, scatter

DISTRICT: Final = 20
"""Mean distance of avenues, in tiles."""

_JITTER: Final = 7
_STRIP: Final = LARGE_TILES + 1
"""A strip of lots and the lane beside it."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of a tile range, each array as long as the range.

    Attributes:
        avenue: Number of the avenue at or before each tile.
        on_avenue: The tile lies on that avenue.
        rest: Tiles since the avenue, 0 for the first after it, -1 on it.
        width: Tiles between this avenue and the next.
    """

    avenue: Ints
    on_avenue: Mask
    rest: Ints
    width: Ints


def avenue_at(number: Ints, salt: int) -> Ints:
    """Return the tile coordinate of avenues by number."""
    return number * DISTRICT + pick(scatter(number, 0, salt), _JITTER)


def axis(tiles: Ints, salt: int) -> Axis:
    """Describe consecutive tile coordinates of one axis."""
    number = tiles // DISTRICT
    number = np.where(tiles < avenue_at(number, salt), number - 1, number)
    start = avenue_at(number, salt)
    return Axis(
        avenue=number,
        on_avenue=tiles == start,
        rest=tiles - start - 1,
        width=avenue_at(number + 1, salt) - start - 1,
    )


@dataclass(frozen=True, kw_only=True)
class Lots:
    """How each tile of a range lies in its large lot, arrays of shape (rows, columns).

    Attributes:
        lane: The tile is a lane between two strips of lots.
        whole: The tile lies in a lot of full size.
        x, y: Where in its lot the tile lies, 0 to 5; anything where `whole` is False.
    """

    lane: Mask
    whole: Mask
    x: Ints
    y: Ints


def lots(columns: Axis, rows: Axis, turned: Mask) -> Lots:
    """Divide districts into lots: strips from west to east, or from north to south where `turned`."""
    shape = turned.shape
    x, y = np.broadcast_to(columns.rest, shape), np.broadcast_to(rows.rest[:, None], shape)
    width, height = np.broadcast_to(columns.width, shape), np.broadcast_to(rows.width[:, None], shape)
    along, along_end = np.where(turned, y, x), np.where(turned, height, width)
    across, across_end = np.where(turned, x, y), np.where(turned, width, height)
    inside = (along >= 0) & (across >= 0)
    in_strip = across % _STRIP
    lane = inside & (in_strip == LARGE_TILES) & (across < across_end - 1)
    strip_ends = across - in_strip + LARGE_TILES <= across_end
    lot_ends = along - along % LARGE_TILES + LARGE_TILES <= along_end
    whole = inside & (in_strip < LARGE_TILES) & strip_ends & lot_ends
    in_lot = along % LARGE_TILES
    return Lots(lane=lane, whole=whole, x=np.where(turned, in_strip, in_lot), y=np.where(turned, in_lot, in_strip))
