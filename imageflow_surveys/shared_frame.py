"""Register a later survey against another one of its save, so that both share one frame."""

from collections import Counter
from collections.abc import Sequence

from imageflow_clients.database import placements
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


def shift_into_frame(
    stores: Stores,
    other: Survey,
    survey: Survey,
    shots: Shots,
    areas: Sequence[Area],
    places: Sequence[Placement],
) -> Offset | None:
    """Return the whole-pixel shift from a survey's solved plane into another survey's frame.

    Both surveys' drivers speak of the same plane, so each sample is looked for where the other survey's own shift
    takes its commanded position, give or take twice the larger reach. The shift that most samples agree on wins if it
    also has more than half of those that were found.

    Returns:
        `None` where the two do not agree: another place, another zoom, or a map that has changed all over.
    """
    theirs = other.placed()
    commanded = {area.cell: area.position for area in areas if area.position is not None}
    sure = [p for p in places if p.status is PlacementStatus.ANCHORED]
    reach_px = 2 * max(survey.reach_px, other.reach_px)
    found: Counter[Offset] = Counter()
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
            fingerprint(shots.load(place.cell), survey.spec.masks),
            Offset(dx_px=expected.dx_px - around.x_px, dy_px=expected.dy_px - around.y_px),
            reach_px,
        )
        if match is not None:
            frame_px = Offset(dx_px=around.x_px, dy_px=around.y_px) + match.offset
            found[frame_px - Offset(dx_px=place.x_px, dy_px=place.y_px)] += 1
    if not found:
        return None
    shift, agreeing = found.most_common(1)[0]
    enough = agreeing >= min(_MIN_AGREEING, len(samples)) and 2 * agreeing > found.total()
    return shift if enough else None


def _look(stores: Stores, survey: Survey, rect: Rect) -> Pixels:
    """Return what a placed survey shows of its frame, RGB: its map, or, before there is one, its screenshots."""
    if survey.is_published:
        return read_region(stores, survey, rect).rgb
    with stores.database.begin() as connection:
        places = placements.placements(connection, survey.id)
    shots = shots_of(stores, survey)
    kept = [place for place in places if place.cell in shots.stored]
    return ScreenshotSource(survey, shots, kept, [rect]).canvas(rect).rgb
