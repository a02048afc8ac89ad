"""What drives a program on X11: its command, its window, and how its camera is moved."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from game_capture.settle import SettleRule
from game_capture.x11.actions import Action, Click, Wait, WaitUntil, named_pictures
from game_capture.x11.scrolling import EdgeScroll, Scroll, middle
from game_capture.x11.words import FilePath, Place, Word, Words, places_of
from imageflow_domain.geometry import Rect, Size

_Side = Annotated[int, Field(ge=64, le=8192)]
_Step = Annotated[int, Field(ge=1, le=8192)]
_Account = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]


class Command(Words):
    """A command that is run to its end."""

    run: tuple[Word, ...] = Field(min_length=1, max_length=1000)
    """Program and arguments, as in `command`; no shell reads them."""
    timeout_s: float = Field(default=60.0, gt=0, le=3600)
    """It is ended after this time, and the start has failed."""


class X11Parameters(Words):
    """A program, its window, and how its camera is moved.

    `{scratch}`, `{port}`, `{width}` and `{height}` in commands and the environment stand for a private folder, which is
    also where they run, a free TCP port, another one for each game that is started, and the window's size. All places
    are pixels of the display.
    """

    command: tuple[Word, ...] = Field(min_length=1, max_length=1000)
    """Program and arguments; no shell reads them."""
    environment: dict[Word, str] = Field(default={}, max_length=1000)
    """Added to the environment of ImageFlow itself: `{HOME: "{scratch}"}` leaves your own settings alone."""
    user: _Account | None = None
    """Account that runs the program where ImageFlow runs as root, for games that refuse root: `nobody`."""
    files: dict[FilePath, FilePath] = Field(default={}, max_length=100)
    """Files that are put into `{scratch}` before the start, such as savegames and settings: the path there, and the
    path from the folder of the game's YAML."""
    before: tuple[Command, ...] = Field(default=(), max_length=20)
    """Commands that are run before the program starts, each to its end."""
    after: tuple[Command, ...] = Field(default=(), max_length=20)
    """Commands that are run once the program has ended."""
    window: tuple[_Side, _Side] = (1280, 1024)
    """Width and height of the program's window."""
    display: tuple[_Side, _Side] | None = None
    """Width and height of the display; by default those of the window, which then fills it."""
    window_at: Place = (0, 0)
    """Where the window's upper left corner lies on the display."""
    crop: Rect | None = None
    """The part of the display that shows the map; by default all of the window."""
    scroll: Scroll
    """How the camera is moved; `imageflow game probe` measures it."""
    beyond: FilePath | None = None
    """A picture beside the game's YAML of what the game shows beyond its land, and of nothing else, cut from a PNG
    screenshot: an area in which there is nothing else lies outside the world, and is left out. Black always does."""
    step: tuple[_Step, _Step]
    """Pixels to the right and to the lower neighbour, in whole units of scroll; `imageflow game probe` finds it."""
    reach_px: int = Field(default=64, ge=1, le=4096)
    """Largest error of an estimated position against its neighbour's."""
    start_wait_s: float = Field(default=2.0, ge=0, le=600)
    """From the start until the first look at the picture."""
    start_timeout_s: float = Field(default=60.0, gt=0, le=3600)
    """From the start until the picture must have settled, or show something where `prepare` begins by waiting."""
    prepare: tuple[Action, ...] = Field(default=(), max_length=1000)
    """What to do once the program is up: close a menu, pause the game."""
    home: tuple[Action, ...] = Field(default=(), max_length=1000)
    """What brings the camera to the survey's first area, top left."""
    park: Place | None = None
    """Where the pointer rests while pictures are taken: inside the window, or keys may miss it. By default in the
    window's lower right corner, or in the middle of the crop where the window's edge scrolls."""
    move_wait_s: float = Field(default=0.1, ge=0, le=60)
    """After each movement, before the picture is compared."""
    settle: SettleRule = SettleRule()
    """When a picture is taken; its ignored rectangles are in pixels of the crop."""

    @property
    def screen(self) -> Size:
        """The display's size."""
        width, height = self.display or self.window
        return Size(width_px=width, height_px=height)

    @property
    def window_rect(self) -> Rect:
        """The window on the display."""
        x, y = self.window_at
        return Rect(x_px=x, y_px=y, width_px=self.window[0], height_px=self.window[1])

    @property
    def map_rect(self) -> Rect:
        """The part of the display that shows the map."""
        return self.crop or self.window_rect

    @property
    def resting_place(self) -> Place:
        """Where the pointer rests while pictures are taken."""
        if self.park is not None:
            return self.park
        if isinstance(self.scroll, EdgeScroll):
            return middle(self.map_rect)
        return self.window_rect.right_px - 1, self.window_rect.bottom_px - 1

    @property
    def home_actions(self) -> tuple[Action, ...]:
        """All that brings the camera to the first area: `home`, and the click of a minimap."""
        first = self.scroll.first_click()
        return self.home if first is None else (*self.home, Click(at=first[0], button=first[1]))

    @property
    def begins_by_waiting(self) -> bool:
        """Whether `prepare` says itself when the program is ready: a menu may lie over a picture that never rests."""
        return bool(self.prepare) and isinstance(self.prepare[0], Wait | WaitUntil)

    @property
    def pictures(self) -> tuple[str, ...]:
        """The pictures that `if_shown` and `beyond` name."""
        beyond = () if self.beyond is None else (self.beyond,)
        return tuple(dict.fromkeys((*named_pictures((*self.prepare, *self.home)), *beyond)))

    @property
    def named_files(self) -> tuple[str, ...]:
        """Every file beside the game's YAML that is needed to drive the game."""
        return tuple(dict.fromkeys((*self.files.values(), *self.pictures)))

    @property
    def fixed_settings(self) -> tuple[str, ...]:
        """What decides where areas lie and what they show; the others say how the game is driven."""
        return ("window", "display", "window_at", "crop", "step")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        screen = Rect(x_px=0, y_px=0, width_px=self.screen.width_px, height_px=self.screen.height_px)
        if self.window_rect.intersection(screen) != self.window_rect:
            raise ValueError("the window (window, window_at) must lie inside the display (display)")
        if self.crop is not None and self.crop.intersection(self.window_rect) != self.crop:
            raise ValueError("the crop must lie inside the window")
        crop = self.map_rect
        if self.step[0] >= crop.width_px or self.step[1] >= crop.height_px:
            raise ValueError("the step must be smaller than the crop, so that neighbours overlap")
        if self.park is not None and (self.park[0] >= screen.width_px or self.park[1] >= screen.height_px):
            raise ValueError("the pointer (park) must be parked inside the display")
        for path, place in places_of(self.scroll, "scroll"):
            _check_inside(path, place, screen)
        for where, actions in (("prepare", self.prepare), ("home", self.home)):
            for number, action in enumerate(actions):
                for path, place in places_of(action, f"{where}.{number}"):
                    _check_inside(path, place, screen)
        return self


def _check_inside(path: str, place: Rect, screen: Rect) -> None:
    if place.intersection(screen) != place:
        where = f"{place.x_px},{place.y_px}" if (place.width_px, place.height_px) == (1, 1) else str(place)
        raise ValueError(
            f"{path} is {where}, and must lie inside the display of {screen.width_px}x{screen.height_px} px"
        )
