"""Begin a survey: check what it is asked to do, lay out its areas, and register it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from game_capture.registry import named_files
from imageflow_clients.database import Connection
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Position, Rect, Size
from imageflow_domain.grid import GRID_SIDE, Cell, Grid, forward_neighbours
from imageflow_domain.ports import Area, GameDriver
from imageflow_domain.survey import Carrier, Keep, Survey, SurveySpec
from imageflow_mosaic.fingerprint import fingerprint
from imageflow_mosaic.step import FrameStep, estimate_step
from imageflow_surveys.camera import driver_of
from imageflow_surveys.files_beside import store_files
from imageflow_surveys.needs import plan_needs

_SAMPLES = 12
"""Pictures from whose neighbouring pairs a step is estimated."""


def _nothing(connection: Connection, survey: Survey) -> None:
    """Add nothing to the transaction."""


@dataclass(frozen=True, kw_only=True)
class SurveyPlan:
    """A survey that can be registered: nothing about it is wrong."""

    spec: SurveySpec
    grid: Grid
    view: Size
    reach_px: int
    keep: Keep
    areas: tuple[Area, ...]

    def register(self, connection: Connection, carrier: Carrier) -> Survey:
        """Insert the survey under its save's next number, with what its tiles will need."""
        survey = rows.plan(
            connection,
            self.spec,
            carrier=carrier,
            grid=self.grid,
            view=self.view,
            reach_px=self.reach_px,
            keep=self.keep,
            areas=self.areas,
        )
        plan_needs(connection, survey, self.areas)
        return survey


def plan_survey(
    stores: Stores,
    spec: SurveySpec,
    carrier: Carrier,
    along: Callable[[Connection, Survey], None] = _nothing,
) -> Survey:
    """Register a survey under its save's next number.

    The whole source is checked first, so that nothing is registered that cannot be surveyed.

    Args:
        along: Writes what must stand or fall with the survey, in the same transaction.

    Raises:
        InvalidInput: With every fault of the parameters, of the source's files, or of those beside the game's YAML.
    """
    plan = checked_plan(driver_of(stores, spec), spec)
    with stores.database.begin() as connection:
        survey = plan.register(connection, carrier)
        if spec.recipe is not None and (names := named_files(spec.driver)):
            recipe = store_files(stores, survey.id, spec.recipe, names)
            kept = survey.spec.model_copy(update={"recipe": recipe})
            rows.redrive(connection, survey.id, kept, survey.reach_px)
        along(connection, survey)
        return rows.get(connection, survey.id)


def checked_plan(driver: GameDriver, spec: SurveySpec, areas: Sequence[Area] | None = None) -> SurveyPlan:
    """Return what a survey of this driver will be.

    Args:
        areas: Where to take the pictures, instead of where the driver would. Cells need not be those of `spec.grid`,
            by which the driver is opened.

    Raises:
        InvalidInput: With every fault of the parameters or of the source's files.
    """
    capabilities = driver.capabilities
    spec = spec.model_copy(update={"masks": (*spec.masks, *(m for m in capabilities.hud if m not in spec.masks))})
    _check_masks(spec, capabilities.view)
    grid = spec.grid if areas is None else None
    areas = laid_areas(driver, spec.grid) if areas is None else tuple(areas)
    if any(area.position is None for area in areas):
        step = _step(driver, areas, spec)
        areas = tuple(_at_step(area, step) for area in areas)
    grid = grid or grid_of(areas)
    return SurveyPlan(
        spec=spec,
        grid=grid,
        view=capabilities.view,
        reach_px=spec.reach_px or capabilities.reach_px,
        keep=spec.keep or (Keep.DELETE if capabilities.retakes else Keep.KEEP),
        areas=areas,
    )


def laid_areas(driver: GameDriver, grid: Grid | None) -> tuple[Area, ...]:
    """Return the areas of a grid as the driver lays them; raise `InvalidInput` where it reaches none."""
    areas = tuple(driver.areas(grid))
    if not areas:
        raise InvalidInput("The grid has no area that the driver can reach: name a larger grid or another centre.")
    return areas


def grid_of(areas: Sequence[Area]) -> Grid:
    """Return the smallest grid that has all of some areas; raise `InvalidInput` beyond the largest that may be."""
    rows, cols = max(area.cell.row for area in areas) + 1, max(area.cell.col for area in areas) + 1
    if max(rows, cols) > GRID_SIDE:
        raise InvalidInput(
            f"The source has {cols} columns and {rows} rows of areas, and a grid has at most {GRID_SIDE} of each: "
            "survey a part of it."
        )
    return Grid(rows=rows, cols=cols)


def least_overlap_px(view: Size, at: Mapping[Cell, Position | None]) -> int | None:
    """Return the narrowest overlap of neighbours side by side or one below the other, across the way between them.

    Args:
        at: Where areas lie, as commanded.

    Returns:
        `None` where no two neighbours' places are known; 0 where some do not overlap.
    """
    overlaps = [
        min(view.width_px - abs(there.x_px - here.x_px), view.height_px - abs(there.y_px - here.y_px))
        for cell, here in at.items()
        for d_row, d_col in ((0, 1), (1, 0))
        if here is not None and (there := at.get(Cell(row=cell.row + d_row, col=cell.col + d_col))) is not None
    ]
    return max(0, round(min(overlaps))) if overlaps else None


def _check_masks(spec: SurveySpec, view: Size) -> None:
    """Raise `InvalidInput` for a mask beside the picture, and for masks that leave nothing of it."""
    whole = Rect(x_px=0, y_px=0, width_px=view.width_px, height_px=view.height_px)
    size = f"{view.width_px}x{view.height_px} px"
    for mask in spec.masks:
        if mask.intersection(whole) is None:
            raise InvalidInput(f"The mask {mask} lies outside the pictures, which are {size}.")
    if not whole.without(spec.masks):
        raise InvalidInput(f"The masks cover the whole picture of {size}: name only what is not the map.")


def _step(driver: GameDriver, areas: tuple[Area, ...], spec: SurveySpec) -> FrameStep:
    by_cell = {area.cell: area for area in areas}
    chosen: dict[Cell, Area] = {}
    # Evenly spread corners of 2 x 2 neighbourhoods: one corner may be open water.
    for cell in sorted(by_cell)[:: max(1, len(by_cell) // (_SAMPLES // 3))]:
        for near in (cell, *forward_neighbours(cell)):
            if near in by_cell:
                chosen[near] = by_cell[near]
    with driver:
        frames = {cell: fingerprint(driver.grab(area).picture, spec.masks) for cell, area in chosen.items()}
    return estimate_step(frames)


def _at_step(area: Area, step: FrameStep) -> Area:
    row, col = area.cell.row, area.cell.col
    return Area(
        cell=area.cell,
        file=area.file,
        position=Position(
            x_px=col * step.right.dx_px + row * step.down.dx_px, y_px=col * step.right.dy_px + row * step.down.dy_px
        ),
    )
