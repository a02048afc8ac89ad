"""A survey's screenshots as pictures for people: whole, small, or the strip that a neighbour shows too."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from imageflow_clients.database import Connection
from imageflow_clients.database.maps import layers, placements, screenshots, sightings
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.database.maps.screenshots import StoredShot
from imageflow_clients.stores import Stores
from imageflow_domain.capture import AreaState
from imageflow_domain.errors import Gone, NotFound
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Cell, block_of
from imageflow_domain.survey import Layer, Survey
from imageflow_mosaic.codec import decode_picture, encode_webp
from imageflow_surveys.shots import shot_rect
from imageflow_surveys.stored_pictures import read_encoded_screenshot, read_screenshot


@dataclass(frozen=True, kw_only=True)
class FoundPicture:
    """A stored screenshot at the requested width."""

    tag: str
    """Equal for equal pictures, different for different ones."""
    read: Callable[[], bytes]
    """Returns it as WebP; raises `ObjectMissing` where its row stands but its object is gone, `ObjectDamaged` where the
    object is not what was stored."""


def find_picture(stores: Stores, survey_id: str, cell: Cell, width_px: int | None = None) -> FoundPicture:
    """Return the screenshot of an area, as it is stored or shrunk to a width; nothing is read yet.

    Raises:
        NotFound: No such survey or area, or its screenshot was not taken yet.
        Gone: Where the picture was deleted once its tiles were made.
    """
    with stores.database.begin() as connection:
        survey = rows.get(connection, survey_id)
        shot = _stored_shot(connection, survey, cell)
    return FoundPicture(
        tag=f"{shot.digest}-{width_px or 'whole'}", read=partial(_picture, stores, survey, cell, shot, width_px)
    )


def _stored_shot(connection: Connection, survey: Survey, cell: Cell) -> StoredShot:
    block = block_of(cell, survey.block_side)
    line = range(cell.row, cell.row + 1)
    shot = screenshots.stored(connection, survey.id, within=line).get(cell)
    if shot is not None:
        return shot
    planned = any(area.cell == cell for area in rows.areas(connection, survey.id, within=line))
    if not planned:
        raise NotFound(f"'{survey.id}' has no area {cell}: its grid is {survey.grid}, perhaps with holes.")
    seen = sightings.of_survey(connection, survey.id, within=line).get(cell)
    taken = block in layers.progress(connection, survey.id).done_blocks[Layer.SCREENSHOTS]
    if seen is not None and seen.state is not AreaState.TAKEN:
        lies = "lies outside the world" if seen.state is AreaState.OUTSIDE else "showed nothing that can be used"
        raise NotFound(f"Area {cell} of '{survey.id}' {lies}: it has no screenshot.")
    if taken:
        raise Gone(
            f"The screenshot of area {cell} of '{survey.id}' was deleted once its tiles were made: the map still shows "
            "what it showed."
        )
    raise NotFound(f"The screenshot of area {cell} of '{survey.id}' has not been taken yet.")


def _picture(stores: Stores, survey: Survey, cell: Cell, shot: StoredShot, width_px: int | None) -> bytes:
    data = read_encoded_screenshot(stores, survey, cell, shot)
    if width_px is None or width_px >= survey.view.width_px:
        return data
    height_px = max(1, round(survey.view.height_px * width_px / survey.view.width_px))
    small = cv2.resize(decode_picture(data), (width_px, height_px), interpolation=cv2.INTER_AREA)
    return encode_webp(small.astype(np.uint8, copy=False), lossless=False, method=2, quality=80)


def overlap_picture(stores: Stores, survey_id: str, cell: Cell, other: Cell) -> bytes:
    """Return what a screenshot shows where another one lies over it, as lossless WebP.

    Requested both ways around, the pictures have one size, and are equal where both are placed right.

    Raises:
        NotFound: Where one of them has no place, or they do not overlap; and as `find_picture`.
        Gone: As `find_picture`.
        ObjectMissing: Where its row stands but its object is gone.
        ObjectDamaged: Where its object is not what was stored.
    """
    with stores.database.begin() as connection:
        survey = rows.get(connection, survey_id)
        own, neighbour = (placements.at(connection, survey.id, one) for one in (cell, other))
        if own is None or neighbour is None:
            raise NotFound(f"Area {cell if own is None else other} of '{survey.id}' has no place.")
        mine = shot_rect(survey.view, own)
        both = mine.intersection(shot_rect(survey.view, neighbour))
        if both is None:
            raise NotFound(f"Areas {cell} and {other} of '{survey.id}' do not overlap.")
        shot = _stored_shot(connection, survey, cell)
    pixels = read_screenshot(stores, survey, cell, shot)
    part = Rect(
        x_px=both.x_px - mine.x_px, y_px=both.y_px - mine.y_px, width_px=both.width_px, height_px=both.height_px
    )
    strip = pixels[part.y_px : part.bottom_px, part.x_px : part.right_px]
    return encode_webp(strip, lossless=True, method=0, quality=20)
