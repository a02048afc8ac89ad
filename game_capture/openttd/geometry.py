"""OpenTTD's tiles in pixels of the map at zoom 1:1, on ground of height 0."""

from dataclasses import dataclass
from typing import Self

from imageflow_domain.geometry import Position

_HALF_WIDTH_PX = 32
_HALF_HEIGHT_PX = 16


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A tile by its coordinates on the map, as the game's console takes them."""

    x: int
    y: int

    @property
    def centre(self) -> Position:
        """Where the tile's middle lies."""
        return Position(
            x_px=float(_HALF_WIDTH_PX * (self.y - self.x)),
            y_px=float(_HALF_HEIGHT_PX * (self.x + self.y) + _HALF_HEIGHT_PX),
        )

    @classmethod
    def nearest(cls, where: Position) -> Self:
        """Return the tile whose middle lies nearest to `where`, of the map continued without end."""
        across = where.x_px / _HALF_WIDTH_PX
        down = (where.y_px - _HALF_HEIGHT_PX) / _HALF_HEIGHT_PX
        columns, rows = round(across), round(down)
        if (columns + rows) % 2:  # middles lie on every second crossing of the lattice, like a chessboard's white
            columns += 1 if across > columns else -1
        return cls(x=(rows - columns) // 2, y=(rows + columns) // 2)

    def inside(self, size: tuple[int, int]) -> bool:
        """Whether the camera can be sent there; the outermost tiles are void."""
        return 1 <= self.x < size[0] - 1 and 1 <= self.y < size[1] - 1
