"""Static overlays of a survey: found once, before its first lossy pair is registered, and stored."""

from collections.abc import Callable

from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.geometry import Rect, Size
from imageflow_domain.survey import Survey
from imageflow_mosaic.overlays import LEAST_FRAMES, MOST_FRAMES, find_overlays, sample_of
from imageflow_surveys.seen_areas import seen_areas
from imageflow_surveys.shots import shots_of

_SAMPLED_PX = 60_000_000
"""Of all sampled screenshots together."""


def overlays_of(stores: Stores, survey: Survey) -> tuple[Rect, ...]:
    """Return a survey's static overlays, in pixels of a screenshot; find and store them on the first call.

    The sample is fixed: blocks that are registered at the same time find the same overlays.

    Raises:
        NotReady: Where one of the sampled screenshots has not been taken.
    """
    with stores.database.begin() as connection:
        known = rows.get(connection, survey.id).overlays
        seen = seen_areas(connection, survey)
    if known is not None:
        return known
    shots = shots_of(stores, survey)
    sample = sample_of([one.cell for one in seen], _sample_size(survey.view))
    found = find_overlays([shots.load(cell) for cell in sample], survey.spec.masks)
    with stores.database.begin() as connection:
        rows.set_overlays(connection, survey.id, found)
    return found


def _sample_size(view: Size) -> int:
    """Return how many screenshots are looked at: fewer large ones, as all are in memory at once."""
    return max(LEAST_FRAMES, min(MOST_FRAMES, _SAMPLED_PX // (view.width_px * view.height_px)))


def once_asked(stores: Stores, survey: Survey) -> Callable[[], tuple[Rect, ...]]:
    """Return a function that gives a survey's static overlays, and looks them up when it is first called."""
    held: list[tuple[Rect, ...]] = []

    def overlays() -> tuple[Rect, ...]:
        if not held:
            held.append(overlays_of(stores, survey))
        return held[0]

    return overlays
