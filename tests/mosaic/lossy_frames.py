"""Screenshots as players hand them in: cut at any corner, lossy, scaled by the desktop, with things drawn over them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imageflow_domain.geometry import Position, Rect
from imageflow_domain.ports import Area
from imageflow_mosaic.codec import Pixels, decode_picture
from tests.mosaic.worlds import Surveyed

CUT_PX = 24
"""Range of the cut corners on either axis. Uncut frames lie at multiples of JPEG's blocks: their overlaps are equal."""

RESAMPLING = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


def cut(survey: Surveyed, seed: int = 0) -> Surveyed:
    """Cut each frame at a random corner of 0 to 24 px, all to one size; truth and believed positions move along."""
    dice = np.random.default_rng(seed)
    corners = {cell: tuple(int(n) for n in dice.integers(0, CUT_PX + 1, 2)) for cell in sorted(survey.pictures)}

    def picture(pixels: Pixels, x: int, y: int) -> Pixels:
        return np.ascontiguousarray(pixels[y : pixels.shape[0] - CUT_PX + y, x : pixels.shape[1] - CUT_PX + x])

    def moved(area: Area) -> Area:
        x, y = corners[area.cell]
        at = area.position
        return area if at is None else replace(area, position=Position(x_px=at.x_px + x, y_px=at.y_px + y))

    return replace(
        survey,
        pictures={cell: picture(pixels, *corners[cell]) for cell, pixels in survey.pictures.items()},
        truth={cell: (x + corners[cell][0], y + corners[cell][1]) for cell, (x, y) in survey.truth.items()},
        areas=[moved(area) for area in survey.areas],
    )


def each(survey: Surveyed, change: Callable[[Pixels], Pixels]) -> Surveyed:
    """Change every picture of a survey; where they lie stays."""
    return replace(survey, pictures={cell: change(pixels) for cell, pixels in survey.pictures.items()})


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Return what JPEG leaves of RGB pixels: full chroma from quality 95 up, 4:2:0 below, as most programs write it."""
    return _through("JPEG", pixels, quality=quality, subsampling=0 if quality >= 95 else 2)


def webp(pixels: Pixels, quality: int = 80) -> Pixels:
    return _through("WEBP", pixels, quality=quality, method=4)


def scaled(pixels: Pixels, factor: float, resampling: str) -> Pixels:
    """Scale as a desktop does, without a filter before it.

    A frame whose corner lies at `x` of the world then has its corner at `factor * x` of `scaled(world, ...)`.

    Args:
        resampling: A key of `RESAMPLING`.
    """
    height, width = pixels.shape[:2]
    size = (round(width * factor), round(height * factor))
    return cv2.resize(pixels, size, interpolation=RESAMPLING[resampling]).astype(np.uint8, copy=False)


def with_cursor(pixels: Pixels, x_px: int, y_px: int) -> Pixels:
    """Draw a mouse cursor, white with a black rim, about 12 x 20 px, its tip at `x_px`, `y_px`."""
    shape = np.array([(0, 0), (0, 17), (4, 13), (7, 19), (10, 18), (7, 12), (12, 12)], np.int32)
    shape += np.array((x_px, y_px), np.int32)
    drawn = cv2.fillPoly(pixels.copy(), [shape], (255, 255, 255))
    return cv2.polylines(drawn, [shape], isClosed=True, color=(0, 0, 0))


def with_watermark(pixels: Pixels, rect: Rect, opacity: float = 0.35, text: str = "Player") -> Pixels:
    """Lay a white text over the ground, as high as `rect`, translucent."""
    box, stencil = _stencil(pixels.shape[:2], rect, text)
    weight = opacity * stencil[..., None] / 255
    drawn = pixels.copy()
    drawn[box] = np.round(pixels[box] * (1 - weight) + 255 * weight).astype(np.uint8)
    return drawn


@cache
def _stencil(shape: tuple[int, int], rect: Rect, text: str) -> tuple[tuple[slice, slice], NDArray[np.uint8]]:
    """Return where a text lies in a frame, and how much of each pixel there it covers, of 255."""
    stencil = np.zeros(shape, np.uint8)
    scale = rect.height_px / 30
    foot = (rect.x_px, rect.bottom_px - rect.height_px // 5)
    cv2.putText(stencil, text, foot, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, max(2, round(2 * scale)), cv2.LINE_AA)
    rows, cols = (np.flatnonzero(stencil.any(axis=axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
    return box, stencil[box]


def with_clock(pixels: Pixels, rect: Rect, seconds: int) -> Pixels:
    """Draw a dark panel with a bright frame, in it the time."""
    drawn = pixels.copy()
    corners = (rect.x_px, rect.y_px), (rect.right_px - 1, rect.bottom_px - 1)
    cv2.rectangle(drawn, *corners, (24, 26, 40), -1)
    cv2.rectangle(drawn, *corners, (190, 190, 200), 2)
    time = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    foot = (rect.x_px + 8, rect.bottom_px - rect.height_px // 3)
    return cv2.putText(
        drawn, time, foot, cv2.FONT_HERSHEY_SIMPLEX, rect.height_px / 50, (240, 240, 240), 1, cv2.LINE_AA
    )


def frames_of(survey: Surveyed) -> Sequence[Pixels]:
    """The pictures in the order of their cells."""
    return [survey.pictures[cell] for cell in sorted(survey.pictures)]


def _through(format_name: str, pixels: Pixels, **options: object) -> Pixels:
    out = BytesIO()
    Image.fromarray(pixels).save(out, format_name, **options)
    return decode_picture(out.getvalue())
