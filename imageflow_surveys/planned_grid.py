"""Where a survey's areas would lie on the latest map of its save, before anything is begun."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from imageflow_clients.database.maps import saves
from imageflow_clients.stores import Stores
from imageflow_domain.geometry import Position, Rect, Size
from imageflow_domain.grid import Block, Cell, Grid, block_of
from imageflow_domain.survey import Survey, SurveySpec
from imageflow_surveys.camera import driver_of
from imageflow_surveys.plan import grid_of, laid_areas


@dataclass(frozen=True, kw_only=True)
class OnMap:
    """How areas lie in the frame of a map, in game pixels."""

    survey: str
    """Whose map it is."""
    columns: tuple[int, ...]
    """Left edges of the areas' columns, those that the driver reaches."""
    rows: tuple[int, ...]
    """Top edges of the areas' rows."""
    blocks: Mapping[Block, Rect]
    """From each block's first area to the next block's, the outermost ones to the last area's far edge."""


@dataclass(frozen=True, kw_only=True)
class PlannedGrid:
    """What a survey would be."""

    grid: Grid
    areas: int
    """Of the grid, those that the driver reaches."""
    blocks: int
    on_map: OnMap | None
    """`None` where the save has no map yet, or the driver knows no position before its game runs."""


def plan_grid(stores: Stores, spec: SurveySpec) -> PlannedGrid:
    """Let the driver lay a survey's areas, and look where they lie on the latest map of the save.

    As everywhere, the drivers of a save's surveys speak of the same plane: the latest survey's shift takes it into
    the frame. No game is started.

    Raises:
        InvalidInput: Where the driver's parameters or its source are wrong, or it reaches no area.
    """
    driver = driver_of(stores, spec)
    areas = laid_areas(driver, spec.grid)
    grid = spec.grid or grid_of(areas)
    side = spec.block_side
    with stores.database.begin() as connection:
        latest = saves.latest(connection, spec.game, spec.save)
    places = {area.cell: area.position for area in areas if area.position is not None}
    is_known = latest is not None and len(places) == len(areas)
    return PlannedGrid(
        grid=grid,
        areas=len(areas),
        blocks=len(grid.blocks(side)),
        on_map=_on_map(latest, places, driver.capabilities.view, side) if latest and is_known else None,
    )


def _on_map(latest: Survey, places: Mapping[Cell, Position], view: Size, block_side: int) -> OnMap:
    shift = latest.placed().shift
    columns = _lines((cell.col, place.x_px + shift.dx_px) for cell, place in places.items())
    lines = _lines((cell.row, place.y_px + shift.dy_px) for cell, place in places.items())
    across, down = _spans(columns, block_side, view.width_px), _spans(lines, block_side, view.height_px)
    blocks = sorted({block_of(cell, block_side) for cell in places})
    return OnMap(
        survey=latest.id,
        columns=tuple(columns.values()),
        rows=tuple(lines.values()),
        blocks={block: _rect(across[block.col], down[block.row]) for block in blocks},
    )


def _lines(commanded: Iterable[tuple[int, float]]) -> dict[int, int]:
    """Return where each row or column begins: in the middle of where its areas do, in ascending order."""
    begins: dict[int, list[float]] = {}
    for line, pixel in commanded:
        begins.setdefault(line, []).append(pixel)
    return {line: round(median(begins[line])) for line in sorted(begins)}


def _spans(lines: Mapping[int, int], block_side: int, whole_px: int) -> dict[int, tuple[int, int]]:
    """Return where each row or column of blocks begins and ends.

    Args:
        whole_px: Side of an area, which the last one shows whole.
    """
    begins: dict[int, int] = {}
    for line, pixel in lines.items():
        begins.setdefault(line // block_side, pixel)
    ends: Sequence[int] = [*list(begins.values())[1:], max(lines.values()) + whole_px]
    return {index: (begin, end) for (index, begin), end in zip(begins.items(), ends, strict=True)}


def _rect(across: tuple[int, int], down: tuple[int, int]) -> Rect:
    return Rect(x_px=across[0], y_px=down[0], width_px=across[1] - across[0], height_px=down[1] - down[0])
