"""Where a survey's areas and blocks lie."""

from dataclasses import dataclass

from imageflow_clients.database.maps import area_states
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.geometry import Offset, Rect
from imageflow_domain.placement import AreaStates
from imageflow_domain.survey import Survey
from imageflow_surveys.survey_progress import BlockProgress, read_progress


@dataclass(frozen=True, kw_only=True)
class SurveyAreas:
    """Every planned area of a survey."""

    survey: Survey
    placed: bool
    """Whether positions lie in the map's frame; until the survey is placed, they lie in the driver's own plane."""
    states: AreaStates


@dataclass(frozen=True, kw_only=True)
class BlockPlace:
    """How a block stands, and where it lies."""

    progress: BlockProgress
    bounds: Rect | None
    """What its screenshots show together; `None` for a block of holes."""


@dataclass(frozen=True, kw_only=True)
class SurveyBlocks:
    """Every block of a survey."""

    placed: bool
    """As of `SurveyAreas`."""
    blocks: tuple[BlockPlace, ...]


def areas_of(stores: Stores, survey: str) -> SurveyAreas:
    """Return every planned area of a survey; raise `NotFound`."""
    with stores.database.begin() as connection:
        found = rows.get(connection, survey)
        placed = found.mosaic is not None
        return SurveyAreas(survey=found, placed=placed, states=area_states.read(connection, survey, placed=placed))


def blocks_of(stores: Stores, survey: str) -> SurveyBlocks:
    """Return every block of a survey, row by row; raise `NotFound`."""
    progress = read_progress(stores, survey)
    found = progress.survey
    with stores.database.begin() as connection:
        rects = area_states.block_rects(connection, survey, found.block_side, found.view)
    shift = found.mosaic.shift if found.mosaic else Offset(dx_px=0, dy_px=0)
    return SurveyBlocks(
        placed=found.mosaic is not None,
        blocks=tuple(
            BlockPlace(progress=one, bounds=rects[one.block].shifted(shift) if one.block in rects else None)
            for one in progress.blocks
        ),
    )
