"""A real OpenTTD on a private display, sent from tile to tile through its console."""

import contextlib
import time
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import override

from game_capture.grabber import to_rgb
from game_capture.opening import Opening
from game_capture.openttd.config import Landscape, configuration
from game_capture.openttd.console import Console
from game_capture.openttd.geometry import Tile
from game_capture.openttd.savegame import map_size
from game_capture.settle import SettleRule, settle
from game_capture.stage import own_folder
from game_capture.staging import Staging
from imageflow_domain.capture import Grabbed
from imageflow_domain.errors import CaptureError, GameNeverSettled, InvalidInput, PositionUnreachable
from imageflow_domain.geometry import Position, Rect, Size
from imageflow_domain.grid import Grid
from imageflow_domain.ports import Area, Capabilities, GameDriver

_FRAME_BELOW_CONSOLE_PX = 8
_STATUS_BAR_PX = 24
_UNPAUSED_WAIT_S = 0.06  # two of the game's own frames
_SCREENSHOT_S = 30.0

_Side = Annotated[int, Field(ge=256, le=4096)]
_Step = Annotated[int, Field(ge=64, le=4096)]
_Coordinate = Annotated[int, Field(ge=1, le=4094)]


class OpenttdParameters(BaseModel):
    """Which game, and where on its map."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    load: Path | None = None
    """A savegame."""
    seed: int | None = Field(default=None, ge=0, le=2**32 - 1)
    """Instead of a savegame: a new map, the same for the same seed, size and landscape."""
    map_size: int = Field(default=256, ge=64, le=4096)
    """Tiles on a side of a new map: a power of two."""
    landscape: Landscape = "temperate"
    """Climate of a new map."""
    centre: tuple[_Coordinate, _Coordinate] | None = None
    """Tile in the middle of the survey; by default the map's middle."""
    view: tuple[_Side, _Side] = (1024, 768)
    """Width and height of a picture in pixels."""
    step: tuple[_Step, _Step] = (832, 608)
    """Pixels from an area to its right and to its lower neighbour, each place rounded to the nearest tile."""
    paused: bool = True
    """The game stands still."""
    reach_px: int = Field(default=128, ge=1, le=4096)
    """The ground's height, which moves a picture up, differs by at most this between neighbours."""
    start_timeout_s: float = Field(default=120.0, gt=0, le=3600)
    """From the start until the map must be shown."""
    settle_timeout_s: float = Field(default=10.0, gt=0, le=600)
    """How long a picture that stands still is waited for."""

    @model_validator(mode="after")
    def _one_game(self) -> Self:
        if (self.load is None) == (self.seed is None):
            raise ValueError("give either load (a savegame) or seed (a new map)")
        if self.map_size & (self.map_size - 1):
            raise ValueError(f"a map's side is a power of two from 64 to 4096, not {self.map_size}")
        if any(step >= side for step, side in zip(self.step, self.view, strict=True)):
            raise ValueError("the step must be smaller than the view, so that neighbours overlap")
        return self


class OpenttdDriver(GameDriver):
    """Takes pictures of one OpenTTD map, north at the top, one map pixel a picture's pixel.

    Believed positions take the ground as level: the truth lies up to `reach_px` higher.

    Args:
        staging: Each run gets a folder of its own in its scratch folder.
    """

    Parameters: ClassVar[type[BaseModel]] = OpenttdParameters
    settable: ClassVar[frozenset[str]] = frozenset(
        {"seed", "map_size", "landscape", "centre", "view", "step", "paused", "reach_px"}
    )
    moves_freely: ClassVar[bool] = True

    def __init__(self, parameters: OpenttdParameters, *, staging: Staging) -> None:
        if parameters.load is not None and not parameters.load.is_file():
            raise InvalidInput(f"There is no savegame '{parameters.load}'.")
        self._parameters = parameters
        self._staging = staging
        self._start_timeout_s = staging.start_timeout_s or parameters.start_timeout_s
        self._settle_timeout_s = staging.settle_timeout_s or parameters.settle_timeout_s
        width, height = parameters.view
        self._view = Size(width_px=width, height_px=height)
        # The console covers the top third, the status bar the last rows.
        window_height = -(-(height + _FRAME_BELOW_CONSOLE_PX + _STATUS_BAR_PX) * 3 // 2)
        self._window = Size(width_px=width, height_px=window_height)
        self._frame = Rect(x_px=0, y_px=window_height // 3 + _FRAME_BELOW_CONSOLE_PX, width_px=width, height_px=height)
        self._console: Console | None = None
        self._at: Tile | None = None
        self._screenshots = 0

    @classmethod
    def open(cls, parameters: OpenttdParameters, opening: Opening) -> Self:
        """Return a driver that has started nothing yet; raise `InvalidInput` where its savegame is missing."""
        return cls(parameters, staging=opening.staging)

    @property
    @override
    def capabilities(self) -> Capabilities:
        return Capabilities(
            view=self._view, moves_freely=self.moves_freely, retakes=True, reach_px=self._parameters.reach_px
        )

    @override
    def areas(self, grid: Grid | None) -> tuple[Area, ...]:
        """Return the areas around the centre; those whose middle lies outside the map are left out.

        Raises `InvalidInput` without a grid, for a savegame whose map cannot be read, and where no area is left.
        """
        if grid is None:
            raise InvalidInput("OpenTTD has no grid of its own: give one with --grid.")
        size = self._map_size()
        wide, high = size
        middle = Tile(x=wide // 2, y=high // 2)
        if self._parameters.centre is not None:
            middle = Tile(x=self._parameters.centre[0], y=self._parameters.centre[1])
        step_x, step_y = self._parameters.step
        left_px = middle.centre.x_px - (grid.cols - 1) * step_x / 2
        top_px = middle.centre.y_px - (grid.rows - 1) * step_y / 2
        # Rounded once, so that a step of whole tiles stays the same all over the grid.
        corner = Tile.nearest(Position(x_px=left_px, y_px=top_px)).centre
        areas = []
        for cell in grid.cells():
            tile = Tile.nearest(
                Position(
                    x_px=corner.x_px + cell.col * step_x,
                    y_px=corner.y_px + cell.row * step_y,
                )
            )
            if tile.inside(size):
                areas.append(Area(cell=cell, position=self._top_left(tile)))
        if not areas:
            raise InvalidInput(f"No area lies on the map of {wide}x{high} tiles: choose another centre.")
        return tuple(areas)

    @override
    def grab(self, area: Area) -> Grabbed:
        console = self._running()
        tile = self._tile(area)
        self._go(console, tile)
        strip = console.strip()
        if self._parameters.paused:
            rule = SettleRule(timeout_s=self._settle_timeout_s)
        else:
            time.sleep(_UNPAUSED_WAIT_S)
            rule = SettleRule(equal_grabs=1)
        picture = settle(lambda: console.grab(self._frame), rule)
        console.confirm(strip)
        return Grabbed(frame=to_rgb(picture), position=self._top_left(tile))

    def screenshot_region(self, area: Area, size: Size) -> tuple[NDArray[np.uint8], Position]:
        """Return the game's own screenshot, without any window, and where its top left corner lies: an oracle.

        The picture is RGB, uint8, shape (size.height_px, size.width_px, 3). It begins above that of `area`, where
        the window begins; its position shares the error of `area`'s.
        """
        console = self._running()
        before = self.grab(area).picture
        self._screenshots += 1
        name = f"region{self._screenshots}"
        console.command(f"screenshot normal size {size.width_px} {size.height_px} {name}")
        pixels = self._read_screenshot(console, name)
        # A message box about the screenshot covers the view for a while.
        deadline = time.monotonic() + _SCREENSHOT_S
        while self._parameters.paused and not np.array_equal(to_rgb(console.grab(self._frame)), before):
            if time.monotonic() > deadline:
                raise GameNeverSettled("The game's message about its screenshot does not go away: start it again.")
            time.sleep(0.05)
        corner = self._top_left(self._tile(area))
        return pixels, Position(x_px=corner.x_px, y_px=corner.y_px - self._frame.y_px)

    def __enter__(self) -> Self:
        parameters = self._parameters
        self._map_size()  # says sooner than the game, and more clearly, that a file is no savegame
        start = ("-g", str(parameters.load.resolve())) if parameters.load else ("-g", "-G", str(parameters.seed))
        config = configuration(self._window, map_side=parameters.map_size, landscape=parameters.landscape)
        with own_folder(self._staging.scratch, "openttd") as home, contextlib.ExitStack() as undo:
            console = Console(self._window, configuration=config, arguments=start, home=home, staging=self._staging)
            undo.callback(console.stop)
            console.start(timeout_s=self._start_timeout_s)
            # A savegame keeps its own state.
            console.command("pause" if parameters.paused else "unpause")
            undo.pop_all()
        self._console, self._at = console, None
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._console is not None:
            self._console.stop()
            self._console = None

    def _running(self) -> Console:
        if self._console is None:
            raise CaptureError("OpenTTD is not running: enter the driver first.")
        return self._console

    def _map_size(self) -> tuple[int, int]:
        if self._parameters.load is None:
            return self._parameters.map_size, self._parameters.map_size
        return map_size(self._parameters.load)

    def _top_left(self, tile: Tile) -> Position:
        """Where a picture begins when the window's middle shows the middle of `tile`."""
        return Position(
            x_px=tile.centre.x_px - self._window.width_px // 2,
            y_px=tile.centre.y_px - self._window.height_px // 2 + self._frame.y_px,
        )

    def _tile(self, area: Area) -> Tile:
        if area.position is None:
            raise PositionUnreachable(f"{area.cell} has no position to go to: plan the survey again.")
        tile = Tile.nearest(
            Position(
                x_px=area.position.x_px + self._window.width_px // 2,
                y_px=area.position.y_px + self._window.height_px // 2 - self._frame.y_px,
            )
        )
        if not tile.inside(self._map_size()):
            raise PositionUnreachable(f"{area.cell} lies outside the map: choose a smaller grid or another centre.")
        return tile

    def _go(self, console: Console, tile: Tile) -> None:
        if tile != self._at:
            console.command(f"scrollto instant {tile.x} {tile.y}")
            self._at = tile

    def _read_screenshot(self, console: Console, name: str) -> NDArray[np.uint8]:
        """The file appears after the command is done, and grows."""
        path = console.home / "screenshot" / f"{name}.png"
        deadline = time.monotonic() + _SCREENSHOT_S
        while True:
            with contextlib.suppress(OSError, SyntaxError), Image.open(path) as image:
                image.load()
                return np.array(image.convert("RGB"), dtype=np.uint8)
            console.check_alive()
            if time.monotonic() > deadline:
                raise GameNeverSettled("The game wrote no screenshot: see that its scratch folder has room.")
            time.sleep(0.05)
