"""A simulated city game whose truth is known: for tests, demonstrations and scale. It starts no process."""

import time
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import override

from game_capture.city import hud
from game_capture.city.atlas import atlas
from game_capture.city.noise import pick, scatter
from game_capture.city.view import render
from game_capture.city.world import World
from game_capture.opening import Opening
from imageflow_domain.capture import Grabbed
from imageflow_domain.errors import CaptureError, InvalidInput, PositionUnreachable
from imageflow_domain.geometry import Position, Rect, Size
from imageflow_domain.grid import GRID_SIDE, Cell, Grid
from imageflow_domain.ports import Area, Capabilities, GameDriver

_MARGIN_PX = 32
"""Overlap that is left when both neighbours have drifted apart as far as they can."""

_TICKS_A_SHOT = 5

_ViewSide = Annotated[int, Field(ge=64, le=4096)]
_WorldSide = Annotated[int, Field(ge=64, le=16_000_000)]
_Overlap = Annotated[int, Field(ge=0, le=4095)]


class CityParameters(BaseModel):
    """Which city, and how its camera behaves."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    seed: int = Field(default=1, ge=0, le=2**31 - 1)
    """The world; equal seeds show equal cities."""
    drift_seed: int = Field(default=1, ge=0, le=2**31 - 1)
    """The camera's errors, apart from the world."""
    drift_px: int = Field(default=24, ge=0, le=512)
    """The camera's largest error, on either axis."""
    view: tuple[_ViewSide, _ViewSide] = (1280, 1024)
    """Width and height of a picture in pixels."""
    overlap_px: tuple[_Overlap, _Overlap] | None = None
    """Commanded overlap with the right and the lower neighbour; by default a fifth of the view, or what drift needs."""
    world: tuple[_WorldSide, _WorldSide] | None = None
    """Width and height of the world in pixels; by default what the survey's grid covers."""
    water: float = Field(default=0.2, ge=0, le=1)
    """Share of the world's corner at the origin that is water."""
    hud: bool = False
    """Draw a head-up display over every picture."""
    paused: bool = False
    """Cars and waves stand still."""
    pace_s: float = Field(default=0.0, ge=0, le=60)
    """Seconds that each shot takes at least, as a game's camera needs."""
    year: int = Field(default=0, ge=0, le=100)
    """Later years show the same city, some districts rebuilt."""
    changes: float = Field(default=0.05, ge=0, le=1)
    """Share of districts that are rebuilt in one year."""
    changes_within: tuple[int, int, _WorldSide, _WorldSide] | None = None
    """Left, top, width and height of the part of the world, in pixels, whose districts are rebuilt; by default all."""

    @property
    def overlap(self) -> tuple[int, int]:
        """Commanded overlap in pixels, across and down, as given or by default."""
        if self.overlap_px is not None:
            return self.overlap_px
        across, down = (max(side // 5, 4 * self.drift_px + _MARGIN_PX) for side in self.view)
        return across, down

    @property
    def neighbourhood(self) -> Rect | None:
        """The part of the world, in pixels, whose districts are rebuilt; `None`: all of it."""
        if self.changes_within is None:
            return None
        x_px, y_px, width_px, height_px = self.changes_within
        return Rect(x_px=x_px, y_px=y_px, width_px=width_px, height_px=height_px)

    @model_validator(mode="after")
    def _keeps_overlap(self) -> Self:
        needed = 2 * self.drift_px + _MARGIN_PX
        for name, overlap, side in zip(("across", "down"), self.overlap, self.view, strict=True):
            if not needed <= overlap < side:
                raise ValueError(
                    f"the overlap {name} is {overlap} px: with a drift of {self.drift_px} px it must be at least "
                    f"{needed} px, and less than the view's {side} px"
                )
        return self


class CityDriver(GameDriver):
    """Shows a city from above.

    The camera misses each commanded position by its own drift, and stops at the world's edges: shots of the grid's
    rim are commanded beyond them, so that they touch the edges exactly.
    """

    Parameters: ClassVar[type[BaseModel]] = CityParameters
    settable: ClassVar[frozenset[str]] = frozenset(CityParameters.model_fields)
    moves_freely: ClassVar[bool] = True

    def __init__(self, parameters: CityParameters) -> None:
        self._parameters = parameters
        self._view = Size(width_px=parameters.view[0], height_px=parameters.view[1])
        self._extent = parameters.world
        self._world: World | None = None
        self._shots = 0

    @classmethod
    def open(cls, parameters: CityParameters, opening: Opening) -> Self:
        """Return a driver; with the survey's grid its world's size is known. Raises `InvalidInput` as `areas` does."""
        driver = cls(parameters)
        if opening.grid is not None:
            driver.areas(opening.grid)
        return driver

    @property
    @override
    def capabilities(self) -> Capabilities:
        reach_px = max(1, 2 * self._parameters.drift_px)
        return Capabilities(
            view=self._view, moves_freely=self.moves_freely, retakes=True, reach_px=reach_px, hud=self.hud
        )

    @property
    def hud(self) -> tuple[Rect, ...]:
        """Where the head-up display covers every picture."""
        return hud.rectangles(self._view) if self._parameters.hud else ()

    @property
    def step(self) -> tuple[int, int]:
        """Commanded pixels from an area to its right and to its lower neighbour."""
        across, down = self._parameters.overlap
        return self._view.width_px - across, self._view.height_px - down

    @override
    def areas(self, grid: Grid | None) -> tuple[Area, ...]:
        """Return every cell of `grid`; without one, as many as cover the given world.

        Where no world was given, it becomes as large as `grid` commands. Raises `InvalidInput` where neither a grid
        nor a world is known, or the grid leaves the world.
        """
        grid = grid or self._own_grid()
        step_x, step_y = self.step
        covered = (
            (grid.cols - 1) * step_x + self._view.width_px,
            (grid.rows - 1) * step_y + self._view.height_px,
        )
        if self._parameters.world is None:
            self._extent = covered
        elif covered[0] - step_x >= self._parameters.world[0] or covered[1] - step_y >= self._parameters.world[1]:
            raise InvalidInput(
                f"A grid of {grid} areas is larger than the world: use a smaller grid, or a larger world."
            )
        return tuple(Area(cell=cell, position=self._nominal(cell)) for cell in grid.cells())

    def truth(self, area: Area) -> Position:
        """Return the exact top left corner of the area's picture, in whole pixels of the world.

        Raises `InvalidInput` before the world's size is known, which `areas` or the survey's grid settles.
        """
        if self._extent is None:
            raise InvalidInput("The city's size is not known: ask for its areas first, or give a world.")
        nominal = self._commanded(area)
        drift_px = self._parameters.drift_px
        dice = scatter(area.cell.col, area.cell.row, self._parameters.drift_seed * 7919 + 17)
        place = []
        for axis, wanted_px in enumerate((nominal.x_px, nominal.y_px)):
            last_px = self._extent[axis] - self._parameters.view[axis]
            drift = int(pick(dice, 2 * drift_px + 1, shift=24 * axis)[0]) - drift_px
            # A player holds the key until the map's edge stops the camera.
            at_rim = wanted_px <= 0 or wanted_px >= last_px
            place.append(min(max(wanted_px + (0 if at_rim else drift), 0), max(last_px, 0)))
        return Position(x_px=float(place[0]), y_px=float(place[1]))

    @override
    def grab(self, area: Area) -> Grabbed:
        if self._world is None:
            raise CaptureError("The city is not running: enter the driver first.")
        began = time.monotonic()
        where = self.truth(area)
        tick = 0 if self._parameters.paused else self._shots * _TICKS_A_SHOT
        view = Rect(
            x_px=int(where.x_px),
            y_px=int(where.y_px),
            width_px=self._view.width_px,
            height_px=self._view.height_px,
        )
        pixels = render(self._world, view, tick=tick, salt=self._parameters.seed)
        if self._parameters.hud:
            hud.draw(pixels, tick=tick, year=self._parameters.year)
        self._shots += 1
        time.sleep(max(0.0, self._parameters.pace_s - (time.monotonic() - began)))
        return Grabbed(frame=pixels, position=self._commanded(area))

    def __enter__(self) -> Self:
        atlas()  # drawn now, so that the first shot is as quick as any other
        self._world = World(
            seed=self._parameters.seed,
            water_share=self._parameters.water,
            year=self._parameters.year,
            change_share=self._parameters.changes,
            changes_within=self._parameters.neighbourhood,
        )
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._world = None

    def _own_grid(self) -> Grid:
        if self._parameters.world is None:
            raise InvalidInput("A city has no grid of its own: give one with --grid, or a world.")
        counts = [
            1 + max(0, -(-(extent - side) // step))
            for extent, side, step in zip(self._parameters.world, self._parameters.view, self.step, strict=True)
        ]
        if max(counts) > GRID_SIDE:
            raise InvalidInput(
                f"That world needs more than {GRID_SIDE} areas on a side: give a grid, or a smaller world."
            )
        return Grid(cols=counts[0], rows=counts[1])

    def _commanded(self, area: Area) -> Position:
        """Where the camera is sent, in whole pixels: anywhere in the world, or to the grid's cell."""
        if area.position is None or self._extent is None:
            return self._nominal(area.cell)
        wanted = round(area.position.x_px), round(area.position.y_px)
        for pixel, extent, side in zip(wanted, self._extent, self._parameters.view, strict=True):
            if not 0 <= pixel <= max(0, extent - side):
                raise PositionUnreachable(f"{area.cell} lies outside the city: plan the survey again with this grid.")
        return Position(x_px=float(wanted[0]), y_px=float(wanted[1]))

    def _nominal(self, cell: Cell) -> Position:
        step_x, step_y = self.step
        x_px, y_px = cell.col * step_x, cell.row * step_y
        if self._extent is not None:
            # Where the world ends, the last command is the world's edge.
            x_px = min(x_px, max(0, self._extent[0] - self._view.width_px))
            y_px = min(y_px, max(0, self._extent[1] - self._view.height_px))
            if cell.col * step_x >= self._extent[0] or cell.row * step_y >= self._extent[1]:
                raise PositionUnreachable(f"{cell} lies outside the city: plan the survey again with this grid.")
        return Position(x_px=float(x_px), y_px=float(y_px))
