"""A composed canvas becomes tiles: native ones, and the parents that lie wholly inside it; and the levels above.

What is cut is not yet encoded: a tile's digest is known before, so that equal tiles are encoded and stored once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

import cv2
import numpy as np

from imageflow_domain.errors import InvalidInput
from imageflow_domain.survey import Encoding
from imageflow_domain.tiles import LEVELS_IN_SQUARE, SQUARE_PX, TILE_PX, TileId
from imageflow_mosaic.codec import Pixels, check_pixels, is_opaque, packed
from imageflow_mosaic.compose import Canvas
from imageflow_mosaic.encoding import encode_tile, kept_pixels, signature


@dataclass(frozen=True, kw_only=True, eq=False)
class CutTile:
    """One tile, not yet encoded."""

    id: TileId
    pixels: Pixels
    """As the tile keeps them, for the levels above: RGBA, shape (512, 512, 4), contiguous; all channels 0 where the map
    is not covered."""
    level_above_native: int
    encoding: Encoding
    lossy: bool
    """Whether the survey's screenshots carry noise."""
    digest: str
    """64 hexadecimal digits over pixels, size and encoder settings: tiles of one digest are stored once."""

    @property
    def is_top(self) -> bool:
        """Whether the overviews above are made from this tile (encode its pixels with `encoding.encode_top`)."""
        return self.level_above_native == LEVELS_IN_SQUARE - 1

    def encode(self) -> bytes:
        """Return the tile as WebP: the slow part, so ask the store for the digest first. Releases the GIL."""
        return encode_tile(self.pixels, self.level_above_native, self.encoding, lossy=self.lossy)


def make_tile(
    tile: TileId, pixels: Pixels, native_zoom: int, encoding: Encoding, *, lossy: bool = False
) -> CutTile | None:
    """Return the tile that shows `pixels`, RGBA of shape (512, 512, 4); `None` where nothing is covered.

    Args:
        lossy: As of `encoding.signature`. The tile then keeps other pixels: average those into its parent.
    """
    check_pixels(pixels, channels=(4,))
    if not packed(pixels).any():
        return None
    level = native_zoom - tile.z
    pixels = np.ascontiguousarray(kept_pixels(pixels, level, lossy=lossy))
    digest = sha256(f"{pixels.shape} {signature(level, encoding, lossy=lossy)}\n".encode())
    digest.update(pixels.data)
    return CutTile(
        id=tile,
        pixels=pixels,
        level_above_native=level,
        encoding=encoding,
        lossy=lossy,
        digest=digest.hexdigest(),
    )


def cut_square(canvas: Canvas, native_zoom: int, encoding: Encoding, *, lossy: bool = False) -> Iterator[CutTile]:
    """Yield the native tiles of a canvas, then their parents, up to the level that is one tile a square.

    Args:
        canvas: One square of `SQUARE_PX`, or several side by side: its rectangle on multiples of `SQUARE_PX`, else
            `InvalidInput` is raised.
        lossy: As of `encoding.signature`.

    Tiles that nothing covers are left out. Row by row within a level; the last ones yielded are the squares' tops.
    """
    rect = canvas.rect
    if any(side % SQUARE_PX for side in (rect.x_px, rect.y_px, rect.width_px, rect.height_px)):
        raise InvalidInput(f"A canvas at {rect} is not made of squares of {SQUARE_PX} px: compose whole squares.")
    level = canvas.rgba
    for above in range(LEVELS_IN_SQUARE):
        if above:
            level = halved(level)
        level = kept_pixels(level, above, lossy=lossy)
        left, top = (rect.x_px >> above) // TILE_PX, (rect.y_px >> above) // TILE_PX
        for y in range(0, level.shape[0], TILE_PX):
            for x in range(0, level.shape[1], TILE_PX):
                tile = TileId(z=native_zoom - above, x=left + x // TILE_PX, y=top + y // TILE_PX)
                cut = make_tile(tile, level[y : y + TILE_PX, x : x + TILE_PX], native_zoom, encoding, lossy=lossy)
                if cut:
                    yield cut


def parent_of(children: Mapping[TileId, Pixels]) -> Pixels:
    """Return the RGBA pixels, shape (512, 512, 4), of the parent of up to four tiles, averaged 2 x 2.

    Args:
        children: Lossless RGBA of shape (512, 512, 4), all of one parent; a missing one counts as not covered. Raises
            `InvalidInput` where there is none, or they have several parents.
    """
    if len({child.parent for child in children}) != 1:
        raise InvalidInput(f"{len(children)} tiles do not have one parent in common: group them by `TileId.parent`.")
    half = TILE_PX // 2
    parent = np.zeros((TILE_PX, TILE_PX, 4), np.uint8)
    for child, pixels in children.items():
        y, x = child.y % 2 * half, child.x % 2 * half
        parent[y : y + half, x : x + half] = halved(pixels)
    return parent


def halved(rgba: Pixels) -> Pixels:
    """Return RGBA at half its size, shape (height / 2, width / 2, 4), each pixel the mean of 2 x 2, halves rounded up.

    Alpha is the mean alpha; the colour is the mean weighted by alpha, so that what is not covered tints nothing. Raises
    `InvalidInput` for an odd side.
    """
    height, width = rgba.shape[:2]
    if height % 2 or width % 2:
        raise InvalidInput(f"{width} x {height} px cannot be halved: give even sides.")
    means = cv2.resize(rgba, (width // 2, height // 2), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    if not is_opaque(rgba):
        _weight_by_alpha(rgba, means)
    return means


def _weight_by_alpha(rgba: Pixels, means: Pixels) -> None:
    """Correct, in place, the plain means of those 2 x 2 pixels that are not all opaque."""
    opaque = packed(rgba) >= np.uint32(0xFF000000)
    all_four = opaque[::2, ::2] & opaque[1::2, ::2] & opaque[::2, 1::2] & opaque[1::2, 1::2]
    rows, columns = np.nonzero(~all_four & (packed(means) != 0))
    four = [rgba[2 * rows + dy, 2 * columns + dx].astype(np.uint32) for dy in (0, 1) for dx in (0, 1)]
    weight = sum((pixel[:, 3] for pixel in four), np.zeros(rows.shape, np.uint32))[:, None]
    colour = sum((pixel[:, :3] * pixel[:, 3:] for pixel in four), np.zeros((rows.size, 3), np.uint32))
    alpha = (weight + 2) // 4
    shown = (2 * colour + weight) // np.maximum(2 * weight, 1)
    means[rows, columns] = np.where(alpha, np.concatenate((shown, alpha), axis=1), 0)
