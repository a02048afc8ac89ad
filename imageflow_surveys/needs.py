"""Which screenshots each native tile needs: by the plan as long as nothing is placed, then as placed."""

from collections.abc import Mapping, Sequence

from imageflow_clients.database import Connection
from imageflow_clients.database.maps import dependencies, saves
from imageflow_domain.geometry import Offset, Rect, Size
from imageflow_domain.grid import Cell
from imageflow_domain.ports import Area
from imageflow_domain.survey import Survey
from imageflow_domain.tiles import Frame, TileId, first_frame, tiles_touching
from imageflow_surveys.shots import visible_parts


def needs(survey: Survey, native_zoom: int, corners: Mapping[Cell, Offset]) -> dict[TileId, list[int]]:
    """Return for each native tile the areas whose screenshots show some of it: what a mask hides shows nothing.

    Args:
        corners: Top left corner of each screenshot in the frame.
    """
    seen = visible_parts(survey.view, survey.spec.masks)
    found: dict[TileId, list[int]] = {}
    for cell, corner in corners.items():
        for tile in sorted(
            {t for part in seen for t in tiles_touching(part.shifted(corner), native_zoom, native_zoom)}
        ):
            found.setdefault(tile, []).append(survey.area_id(cell))
    return found


def plan_needs(connection: Connection, survey: Survey, areas: Sequence[Area]) -> None:
    """Store what the tiles of a planned survey will need, by the commanded positions.

    They are laid out in the frame of the save's latest map where they fit, else as its first survey would be.
    """
    commanded = {
        area.cell: Offset(dx_px=round(area.position.x_px), dy_px=round(area.position.y_px))
        for area in areas
        if area.position is not None
    }
    frame, shift = _frame(connection, survey, _bounds(list(commanded.values()), survey.view))
    planned = needs(survey, frame.native_zoom, {cell: corner + shift for cell, corner in commanded.items()})
    dependencies.plan(connection, survey.id, planned)


def _frame(connection: Connection, survey: Survey, bounds: Rect) -> tuple[Frame, Offset]:
    latest = saves.latest(connection, survey.spec.game, survey.spec.save)
    if latest is not None and latest.mosaic is not None:
        frame, shift = latest.mosaic.frame, latest.mosaic.shift
        if bounds.shifted(shift).intersection(_whole(frame)) == bounds.shifted(shift):
            return frame, shift
    return first_frame(bounds, number=1)


def _whole(frame: Frame) -> Rect:
    return Rect(x_px=0, y_px=0, width_px=frame.side_px, height_px=frame.side_px)


def _bounds(corners: Sequence[Offset], view: Size) -> Rect:
    left, top = min(c.dx_px for c in corners), min(c.dy_px for c in corners)
    return Rect(
        x_px=left,
        y_px=top,
        width_px=max(c.dx_px for c in corners) + view.width_px - left,
        height_px=max(c.dy_px for c in corners) + view.height_px - top,
    )
