"""One region of a map over the surveys of a save, as a moving picture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from imageflow_clients.database.maps import saves
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput, NotReady
from imageflow_domain.geometry import Rect
from imageflow_domain.survey import Survey
from imageflow_mosaic.codec import Pixels
from imageflow_surveys.image import read_at_zoom

MOST_FRAMES = 60
"""The newest surveys are shown, oldest first."""

MOST_PIXELS = 30_000_000
"""Of all frames together: they are in memory at once."""

Kind = Literal["gif", "webp"]


@dataclass(frozen=True, kw_only=True)
class SaveOverTime:
    """The published surveys of a save that lie in one frame, oldest first."""

    surveys: tuple[Survey, ...]

    @property
    def version(self) -> str:
        """Another one for other surveys, and for other tiles of one of them."""
        return "-".join(survey.published().revision[:8] for survey in self.surveys)


def save_over_time(stores: Stores, game: str, save: str) -> SaveOverTime:
    """Return the newest published surveys in the frame of the save's latest one; raise `NotReady`."""
    with stores.database.begin() as connection:
        latest = saves.latest(connection, game, save)
        if latest is None:
            raise NotReady(f"Save '{save}' of '{game}' has no map yet: survey it first.")
        found = saves.in_frame(connection, game, save, latest.placed().frame.number)[-MOST_FRAMES:]
    return SaveOverTime(surveys=found)


def animate(stores: Stores, save: SaveOverTime, region: Rect, *, max_side_px: int, frame_ms: int, kind: Kind) -> bytes:
    """Return a region as each survey shows it, one frame a survey; it repeats for ever.

    A region that is not larger than `max_side_px` is shown pixel by pixel, WebP without loss; a larger one is
    shrunk. What a survey does not cover is black.

    Args:
        save: The surveys to show.
        region: In pixels of the frame.
        max_side_px: Of the picture's longer side.
        frame_ms: How long each survey is shown.

    Raises:
        NotReady: Where there is no survey.
        InvalidInput: Where the region lies outside every map, or the frames have more than `MOST_PIXELS` together.
    """
    surveys = save.surveys
    if not surveys:
        raise NotReady("There is no map of this save to show: survey it first.")
    side_px = surveys[-1].published().frame.side_px
    if region.intersection(Rect(x_px=0, y_px=0, width_px=side_px, height_px=side_px)) != region:
        raise InvalidInput(f"The region does not lie inside the map's frame, which is 0,0,{side_px},{side_px}.")
    if all(region.intersection(survey.published().bounds) is None for survey in surveys):
        raise InvalidInput(f"The region lies outside the maps; the latest one is {surveys[-1].published().bounds}.")
    width, height = _size(region, max_side_px)
    if width * height * len(surveys) > MOST_PIXELS:
        raise InvalidInput(
            f"{len(surveys)} frames of {width} x {height} px are more than {MOST_PIXELS // 1_000_000} megapixels: "
            "ask for a smaller max_side."
        )
    pictures = (Image.fromarray(frame) for frame in _frames(stores, surveys, region, width, height))
    return _written(pictures, frame_ms, kind)


def _frames(stores: Stores, surveys: Sequence[Survey], region: Rect, width_px: int, height_px: int) -> Iterator[Pixels]:
    shrinks = max(region.width_px / width_px, region.height_px / height_px)
    levels = int(np.log2(shrinks)) if shrinks > 1 else 0
    for survey in surveys:
        native = survey.published().frame.native_zoom
        up = min(levels, native)
        left, top = region.x_px >> up, region.y_px >> up
        part = Rect(
            x_px=left,
            y_px=top,
            width_px=max(1, -(-region.right_px >> up) - left),
            height_px=max(1, -(-region.bottom_px >> up) - top),
        )
        rgb = read_at_zoom(stores, survey, part, native - up).rgb
        if rgb.shape[:2] != (height_px, width_px):
            rgb = cv2.resize(rgb, (width_px, height_px), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        yield rgb


def _size(region: Rect, max_side_px: int) -> tuple[int, int]:
    longer = max(region.width_px, region.height_px)
    shrink = min(1.0, max_side_px / longer)
    return max(1, round(region.width_px * shrink)), max(1, round(region.height_px * shrink))


def _written(pictures: Iterator[Image.Image], frame_ms: int, kind: Kind) -> bytes:
    out = BytesIO()
    first = next(pictures)
    if kind == "webp":
        first.save(
            out, "WEBP", save_all=True, append_images=pictures, duration=frame_ms, loop=0, lossless=True, method=0
        )
    else:
        # one palette a frame, without dithering: a game's own colours stay as they are where they are few enough
        palettes = (picture.quantize(256, dither=Image.Dither.NONE) for picture in pictures)
        first.quantize(256, dither=Image.Dither.NONE).save(
            out, "GIF", save_all=True, append_images=palettes, duration=frame_ms, loop=0
        )
    return out.getvalue()
