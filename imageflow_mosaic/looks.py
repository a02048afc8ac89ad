"""What is held of each picture by which it is found among many, whatever its place; pixels are not."""

from collections.abc import Sequence
from dataclasses import dataclass

from imageflow_domain.geometry import Offset, Rect
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.fingerprint import fingerprint
from imageflow_mosaic.foreign import Hashes, distinctive
from imageflow_mosaic.layout import Tie
from imageflow_mosaic.sketch import Sketch, sketch
from imageflow_mosaic.thumbnail import Thumbnail, show_the_same, thumbnail

_UPON = Offset(dx_px=0, dy_px=0)
"""Where a picture lies that shows the same as another of its size."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """What is held of one picture."""

    sketch: Sketch
    thumbnail: Thumbnail
    distinctive: Hashes
    has_palette: bool


def look_at(pixels: Pixels, masks: Sequence[Rect]) -> Look:
    """Return what is held of a picture.

    Args:
        pixels: RGB, shape (height, width, 3).
        masks: Rectangles of the head-up display.
    """
    picture = fingerprint(pixels, masks)
    return Look(
        sketch=sketch(picture),
        thumbnail=thumbnail(pixels, masks),
        distinctive=distinctive(picture),
        has_palette=picture.has_palette,
    )


@dataclass(frozen=True, kw_only=True)
class Distinguished:
    """Ties by what they say of their two pictures."""

    overlaps: tuple[Tie, ...]
    """They overlap."""
    doubles: tuple[Tie, ...]
    """They are the same."""
    displays: tuple[Tie, ...]
    """They only show the same panel: it agrees where pictures of different places would lie upon each other."""


def distinguished(ties: Sequence[Tie], looks: Sequence[Look]) -> Distinguished:
    """Tell ties apart by the thumbnails of their pictures."""
    overlaps: list[Tie] = []
    doubles: list[Tie] = []
    displays: list[Tie] = []
    for tie in ties:
        first, second = looks[tie.first].thumbnail, looks[tie.second].thumbnail
        if first.size != second.size or tie.offset != _UPON:
            overlaps.append(tie)
        else:
            (doubles if show_the_same(first, second) else displays).append(tie)
    return Distinguished(overlaps=tuple(overlaps), doubles=tuple(doubles), displays=tuple(displays))
