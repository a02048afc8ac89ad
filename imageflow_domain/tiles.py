"""Web-map tiles and the frame that all surveys of a save share.

XYZ scheme: at zoom z the frame is 2^z tiles wide, x right and y down; the frame's native zoom shows game pixels.
"""

from dataclasses import dataclass

from imageflow_domain.geometry import Offset, Rect

TILE_PX = 512
SQUARE_PX = 2048
"""Side of the squares that are composed at once; block borders are multiples of it."""

LEVELS_IN_SQUARE = 3
"""Zooms that lie whole inside one square: native, and two parents."""


@dataclass(frozen=True, kw_only=True, order=True)
class TileId:
    """A tile by zoom, column and row; columns and rows count from 0 at the frame's top left."""

    z: int
    x: int
    y: int

    @property
    def parent(self) -> "TileId":
        """The tile of the next smaller zoom that shows this one; above zoom 0 there is none."""
        return TileId(z=self.z - 1, x=self.x // 2, y=self.y // 2)

    @property
    def children(self) -> tuple["TileId", ...]:
        """The four tiles below, row by row."""
        return tuple(TileId(z=self.z + 1, x=2 * self.x + dx, y=2 * self.y + dy) for dy in (0, 1) for dx in (0, 1))

    def rect(self, native_zoom: int) -> Rect:
        """The native pixels of the frame that this tile shows."""
        side = TILE_PX << (native_zoom - self.z)
        return Rect(x_px=self.x * side, y_px=self.y * side, width_px=side, height_px=side)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The coordinate frame of a save's surveys: a square of `side_px`, with room to grow around the first mosaic."""

    number: int
    """Counts the frames of one save from 1: surveys in different frames cannot be compared."""
    native_zoom: int

    @property
    def side_px(self) -> int:
        """In pixels of the native zoom."""
        return TILE_PX << self.native_zoom


def first_frame(bounds: Rect, number: int) -> tuple[Frame, Offset]:
    """Return a frame at least twice as wide as a mosaic, and the shift that brings the mosaic into its middle.

    Args:
        bounds: The mosaic in the plane of its placement.
        number: The new frame's number within its save.

    The mosaic's top left corner lands on a multiple of `SQUARE_PX`, so that the same ground cut again is cut alike.
    """
    longer_px = max(bounds.width_px, bounds.height_px)
    native_zoom = LEVELS_IN_SQUARE
    while (TILE_PX << native_zoom) < 2 * longer_px:
        native_zoom += 1
    frame = Frame(number=number, native_zoom=native_zoom)
    left_px = (frame.side_px - bounds.width_px) // 2 // SQUARE_PX * SQUARE_PX
    top_px = (frame.side_px - bounds.height_px) // 2 // SQUARE_PX * SQUARE_PX
    return frame, Offset(dx_px=left_px - bounds.x_px, dy_px=top_px - bounds.y_px)


def tiles_touching(rect: Rect, z: int, native_zoom: int) -> tuple[TileId, ...]:
    """Every tile of zoom `z` that shows a pixel of `rect`, row by row."""
    side = TILE_PX << (native_zoom - z)
    return tuple(
        TileId(z=z, x=x, y=y)
        for y in range(rect.y_px // side, (rect.bottom_px - 1) // side + 1)
        for x in range(rect.x_px // side, (rect.right_px - 1) // side + 1)
    )
