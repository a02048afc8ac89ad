"""What drives a program on X11: its command, its window, and how its camera is moved."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from game_capture.scrolling import Action, Scroll
from game_capture.settle import SettleRule
from imageflow_domain.geometry import Rect

_Word = Annotated[str, Field(min_length=1, max_length=4096)]
_Side = Annotated[int, Field(ge=64, le=8192)]
_Step = Annotated[int, Field(ge=1, le=8192)]
_Place = tuple[Annotated[int, Field(ge=0, le=8191)], Annotated[int, Field(ge=0, le=8191)]]


class X11Parameters(BaseModel):
    """A program, its window, and how its camera is moved.

    `{scratch}`, `{width}` and `{height}` in the command and the environment stand for a private folder and the
    window's size.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    command: tuple[_Word, ...] = Field(min_length=1)
    """Program and arguments; no shell reads them."""
    environment: dict[_Word, str] = {}
    """Added to this process's environment."""
    window: tuple[_Side, _Side] = (1280, 1024)
    """Width and height of the display, which the program's window should fill."""
    crop: Rect | None = None
    """The part of the window that shows the map; by default all of it."""
    scroll: Scroll
    """Keys or drags that move the camera."""
    step: tuple[_Step, _Step]
    """Pixels from an area to its right and its lower neighbour, rounded to what the scroll can do."""
    reach_px: int = Field(default=64, ge=1, le=4096)
    """Largest error of a believed position against its neighbour's."""
    start_wait_s: float = Field(default=2.0, ge=0, le=600)
    """From the start until the first look at the picture."""
    start_timeout_s: float = Field(default=60.0, gt=0, le=3600)
    """From the start until the picture must have settled."""
    prepare: tuple[Action, ...] = ()
    """What to do once the program is up: close a menu, pause the game."""
    home: tuple[Action, ...] = ()
    """What brings the camera to the survey's first area, top left."""
    park: _Place | None = None
    """Where the pointer rests while pictures are taken; by default at the crop's outside, or the screen's corner."""
    move_wait_s: float = Field(default=0.1, ge=0, le=60)
    """After each movement, before the picture is looked at."""
    settle: SettleRule = SettleRule()
    """When a picture is taken; its ignored rectangles are in pixels of the crop."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        screen = Rect(x_px=0, y_px=0, width_px=self.window[0], height_px=self.window[1])
        if self.crop is not None and self.crop.intersection(screen) != self.crop:
            raise ValueError("the crop must lie inside the window")
        crop = self.crop or screen
        if self.step[0] >= crop.width_px or self.step[1] >= crop.height_px:
            raise ValueError("the step must be smaller than the crop, so that neighbours overlap")
        if self.park is not None and (self.park[0] >= self.window[0] or self.park[1] >= self.window[1]):
            raise ValueError("the pointer must be parked inside the window")
        return self
