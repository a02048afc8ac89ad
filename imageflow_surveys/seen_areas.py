"""Where a survey's areas were seen to lie, and how far any two of them may be off: what registration expects."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil

from imageflow_clients.database import Connection
from imageflow_clients.database.maps import sightings
from imageflow_clients.database.maps import surveys as rows
from imageflow_domain.capture import AreaState, CaptureSession, Sighting, Uncertainty
from imageflow_domain.grid import Cell
from imageflow_domain.ports import Area
from imageflow_domain.survey import Survey

LEAST_REACH_PX = 16
"""Two measured positions are compared within so many pixels at least: a measurement was right or far off."""


@dataclass(frozen=True, kw_only=True)
class SeenArea:
    """An area that has a screenshot, or is still to get one."""

    area: Area
    """Its position is where it was measured, in the survey's plane; as commanded, where it was not measured."""
    uncertainty: Uncertainty | None
    """Of a measured position within its session; `None`: as sure as the survey's reach says."""
    session: int | None
    """Of a measured position."""
    is_tied: bool
    """Whether it is known where the session lies in the survey's plane."""

    @property
    def cell(self) -> Cell:
        """The place of `area` in the survey's grid."""
        return self.area.cell


def seen_areas(connection: Connection, survey: Survey, *, within: range | None = None) -> tuple[SeenArea, ...]:
    """Return the areas that have a screenshot or are to get one, row by row: no holes, nothing outside the world.

    Args:
        within: Only those of these rows of the grid.
    """
    seen = sightings.of_survey(connection, survey.id, within=within)
    sessions = sightings.sessions(connection, survey.id)
    return tuple(
        _seen(area, seen.get(area.cell), sessions)
        for area in rows.areas(connection, survey.id, within=within)
        if area.cell not in seen or seen[area.cell].state is AreaState.TAKEN
    )


def uncertainty_of(survey: Survey, seen: SeenArea) -> Uncertainty:
    """Return how far an area may lie from where it is believed, in the survey's plane."""
    reach = Uncertainty(x_px=survey.reach_px, y_px=survey.reach_px)
    if seen.uncertainty is None:
        return reach
    return seen.uncertainty if seen.is_tied else seen.uncertainty + reach


def reach_between(survey: Survey, one: SeenArea, other: SeenArea) -> int:
    """Return the largest error of the offset between two areas as believed, on either axis, in px.

    Where both were measured it is what both may be off, half a view at most; the survey's reach is the bound where one
    was not, and comes on top between sessions of which it is not known how they lie to one another.
    """
    if one.uncertainty is None or other.uncertainty is None:
        return survey.reach_px
    both = one.uncertainty + other.uncertainty
    apart = 0 if one.session == other.session or (one.is_tied and other.is_tied) else survey.reach_px
    most = max(survey.reach_px, max(survey.view.width_px, survey.view.height_px) // 2)
    return max(survey.spec.reach_px or LEAST_REACH_PX, min(most, ceil(both.longest_px) + apart))


def _seen(area: Area, sighting: Sighting | None, sessions: Mapping[int, CaptureSession]) -> SeenArea:
    if sighting is None or sighting.uncertainty is None or sighting.position is None:
        return SeenArea(area=area, uncertainty=None, session=None, is_tied=True)
    session = None if sighting.session is None else sessions.get(sighting.session)
    offset = None if session is None else session.offset
    at = sighting.position
    if offset is not None:
        at += offset
    return SeenArea(
        area=replace(area, position=at),
        uncertainty=sighting.uncertainty,
        session=sighting.session,
        is_tied=offset is not None,
    )
