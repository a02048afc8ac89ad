"""Register a later survey against another one of its save, so that both share one frame."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from imageflow_clients.database.maps import placements
from imageflow_clients.stores import Stores
from imageflow_domain.geometry import Offset, Rect
from imageflow_domain.placement import Placement, PlacementStatus
from imageflow_domain.ports import Area
from imageflow_domain.survey import Survey
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.fingerprint import fingerprint
from imageflow_mosaic.registration import register
from imageflow_surveys.image import read_region
from imageflow_surveys.shots import Shots, shots_of
from imageflow_surveys.sources import ScreenshotSource

_SAMPLES = 20
"""Spread screenshots that are looked for in the latest survey."""

_MIN_AGREEING = 3
"""Of them, how many must agree on one shift; a survey of fewer shots than this needs all of them."""


_SAME_PX = 1.0
"""Shifts that are closer agree: whole ones must be equal, those of lossy screenshots have fractions."""


def shift_into_frame(
    stores: Stores,
    other: Survey,
    survey: Survey,
    shots: Shots,
    areas: Sequence[Area],
    places: Sequence[Placement],
    overlays: Callable[[], Sequence[Rect]],
) -> Offset | None:
    """Return the whole-pixel shift from a survey's solved plane into another survey's frame.

    Both surveys' drivers speak of the same plane, so each sample is looked for where the other survey's own shift
    takes its commanded position, give or take twice the larger reach. The shift that most samples agree on wins if it
    also has more than half of those that were found. Lossy samples agree where their shifts are within a pixel.

    Args:
        stores: Have both surveys.
        other: Whose frame it is.
        survey: Which one is brought into it.
        shots: Its screenshots.
        areas: Its commanded positions.
        places: Where its screenshots lie in the solved plane.
        overlays: Returns what stands still in its screenshots.

    Returns:
        `None` where the two do not agree: another place, another zoom, or a map that has changed all over.
    """
    theirs = other.placed()
    commanded = {area.cell: area.position for area in areas if area.position is not None}
    sure = [p for p in places if p.status is PlacementStatus.ANCHORED]
    reach_px = 2 * max(survey.reach_px, other.reach_px)
    found: list[tuple[float, float]] = []
    samples = sure[:: max(1, len(sure) // _SAMPLES)]
    for place in samples:
        position = commanded[place.cell]
        expected = Offset(
            dx_px=round(position.x_px) + theirs.shift.dx_px, dy_px=round(position.y_px) + theirs.shift.dy_px
        )
        around = Rect(
            x_px=expected.dx_px - reach_px,
            y_px=expected.dy_px - reach_px,
            width_px=survey.view.width_px + 2 * reach_px,
            height_px=survey.view.height_px + 2 * reach_px,
        ).intersection(theirs.bounds)
        if around is None:
            continue
        match = register(
            fingerprint(_look(stores, other, around)),
            fingerprint(shots.load(place.cell), survey.spec.masks, overlays),
            Offset(dx_px=expected.dx_px - around.x_px, dy_px=expected.dy_px - around.y_px),
            reach_px,
        )
        if match is not None:
            dx, dy = match.offset.dx_px + match.rest_x_px, match.offset.dy_px + match.rest_y_px
            found.append((around.x_px + dx - place.x_px, around.y_px + dy - place.y_px))
    return _agreed(np.array(found, np.float64).reshape(-1, 2), len(samples))


def _agreed(shifts: NDArray[np.float64], samples: int) -> Offset | None:
    """Return the shift that most others agree with, in whole pixels; `None` where too few do.

    Exact ones differ by nothing or by a pixel and more; of lossy ones the middle is taken.
    """
    if len(shifts) == 0:
        return None
    apart = np.abs(shifts[:, None] - shifts[None]).max(axis=2)
    near = apart < _SAME_PX
    best = int(near.sum(axis=1).argmax())
    agreeing = int(near[best].sum())
    if agreeing < min(_MIN_AGREEING, samples) or 2 * agreeing <= len(shifts):
        return None
    dx, dy = np.median(shifts[near[best]], axis=0).round().astype(int).tolist()
    return Offset(dx_px=dx, dy_px=dy)


def _look(stores: Stores, survey: Survey, rect: Rect) -> Pixels:
    """Return what a placed survey shows of its frame, RGB: its map, or, before there is one, its screenshots."""
    if survey.is_published:
        return read_region(stores, survey, rect).rgb
    with stores.database.begin() as connection:
        places = placements.placements(connection, survey.id)
    shots = shots_of(stores, survey)
    kept = [place for place in places if place.cell in shots.stored]
    return ScreenshotSource(survey, shots, kept, [rect]).canvas(rect).rgb
