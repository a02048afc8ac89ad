"""A survey's screenshots as pictures for people: whole, small, or the strip that a neighbour shows too."""

import cv2
import numpy as np

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


def stored_shot(stores: Stores, survey: Survey, cell: Cell) -> StoredShot:
    """Return where a screenshot lies.

    Raises:
        NotFound: Where the survey has no such area, or has not taken its picture yet.
        Gone: Where the picture was deleted once its tiles were made.
    """
    block = block_of(cell, survey.block_side)
    with stores.database.begin() as connection:
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


def picture(stores: Stores, survey: Survey, cell: Cell, shot: StoredShot, width_px: int | None) -> bytes:
    """Return a screenshot as WebP: as it is stored, or shrunk to a width.

    Raises:
        ObjectMissing: Where its row stands but its object is gone.
        ObjectDamaged: Where its object is not what was stored.
    """
    data = read_encoded_screenshot(stores, survey, cell, shot)
    if width_px is None or width_px >= survey.view.width_px:
        return data
    height_px = max(1, round(survey.view.height_px * width_px / survey.view.width_px))
    small = cv2.resize(decode_picture(data), (width_px, height_px), interpolation=cv2.INTER_AREA)
    return encode_webp(small.astype(np.uint8, copy=False), lossless=False, method=2, quality=80)


def overlap_picture(stores: Stores, survey: Survey, cell: Cell, other: Cell) -> bytes:
    """Return what a screenshot shows where another one lies over it, as lossless WebP.

    Asked for both ways around, the pictures are of one size, and equal where both are placed right.

    Raises:
        NotFound: Where one of them has no place, or they do not overlap; and as `stored_shot`.
        Gone: As `stored_shot`.
    """
    with stores.database.begin() as connection:
        line = [placements.at(connection, survey.id, one) for one in (cell, other)]
    own, neighbour = line
    if own is None or neighbour is None:
        raise NotFound(f"Area {cell if own is None else other} of '{survey.id}' has no place.")
    mine = shot_rect(survey.view, own)
    both = mine.intersection(shot_rect(survey.view, neighbour))
    if both is None:
        raise NotFound(f"Areas {cell} and {other} of '{survey.id}' do not overlap.")
    shot = stored_shot(stores, survey, cell)
    pixels = read_screenshot(stores, survey, cell, shot)
    part = Rect(
        x_px=both.x_px - mine.x_px, y_px=both.y_px - mine.y_px, width_px=both.width_px, height_px=both.height_px
    )
    strip = pixels[part.y_px : part.bottom_px, part.x_px : part.right_px]
    return encode_webp(strip, lossless=True, method=0, quality=20)
