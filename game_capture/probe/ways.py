"""The ways to scroll that are tried where a configuration names none, and what it names."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from game_capture.x11.scrolling import DragScroll, EdgeScroll, KeyScroll, MinimapScroll, Scroll, WheelScroll

_ONE = (1.0, 1.0)
_PAUSE_MS = 100
_DRAG_PAUSE_MS = 200
"""Long enough for most programs; how short it may be is measured for the way that is chosen. Some programs take a drag
whose parts come too fast as a click."""

_FIRST_UNITS = {"keys": 1, "wheel": 1, "edge": 1, "drag": 60, "minimap": 6}
_FEW = {"keys": 4, "wheel": 4, "edge": 3, "drag": 120, "minimap": 12}


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to scroll, by units: a press, a notch, a push, a pixel of the pointer."""

    name: str
    """For people: "arrow keys"."""
    scroll: Scroll
    """With a scale of one: a minimap's places count its pixels."""
    is_guessed: bool = False
    """Whether no configuration names it."""

    @property
    def may_lose(self) -> bool:
        """Whether whole units may do nothing; a pointer's pixels may not."""
        return isinstance(self.scroll, KeyScroll | WheelScroll | EdgeScroll)

    @property
    def is_absolute(self) -> bool:
        """Whether units lead to a place, wherever the camera is: one beyond the world's edge must be taken back."""
        return self.scroll.is_absolute

    @property
    def is_second_choice(self) -> bool:
        """Whether it is tried only where nothing before it moved the camera steadily: how far held keys go varies."""
        return isinstance(self.scroll, KeyScroll) and self.scroll.hold_ms > 0 and self.is_guessed

    @property
    def first_units(self) -> int:
        """Units of a first try."""
        return _FIRST_UNITS[self.scroll.by]

    @property
    def few_units(self) -> int:
        """Units of a second try, where the first did nothing."""
        return _FEW[self.scroll.by]

    @property
    def unit_name(self) -> str:
        """What one unit is called."""
        names = {"keys": "press", "wheel": "notch", "edge": "push", "drag": "pixel dragged", "minimap": "minimap pixel"}
        return names[self.scroll.by]

    @property
    def pause_ms(self) -> int:
        """The pause after each unit."""
        return self.scroll.pause_ms

    def paused(self, pause_ms: int) -> "Way":
        """Return it with another pause after each unit."""
        return replace(self, scroll=self.scroll.model_copy(update={"pause_ms": pause_ms}))


def way_of(scroll: Scroll) -> Way:
    """Return the way that a configuration names."""
    by = {
        KeyScroll: "the keys of scroll",
        DragScroll: "the drag of scroll",
        WheelScroll: "the wheel",
        EdgeScroll: "the window's edge",
        MinimapScroll: "the minimap",
    }
    return Way(name=by[type(scroll)], scroll=scroll.model_copy(update={scroll.scale: _ONE}))


def ways_to_try() -> Sequence[Way]:
    """Return the ways that are tried, in the order in which they are preferred where they do equally well."""

    def keys(left: str, right: str, up: str, down: str, hold_ms: int = 0) -> KeyScroll:
        return KeyScroll(
            px_per_press=_ONE, left=left, right=right, up=up, down=down, hold_ms=hold_ms, pause_ms=_PAUSE_MS
        )

    arrows = ("Left", "Right", "Up", "Down")
    ways = (
        Way(name="arrow keys", scroll=keys(*arrows)),
        Way(name="Shift and arrow keys", scroll=keys("shift+Left", "shift+Right", "shift+Up", "shift+Down")),
        Way(name="a, d, w, s", scroll=keys("a", "d", "w", "s")),
        *(
            Way(
                name=f"drags with {button}",
                scroll=DragScroll(camera_px_per_px=_ONE, button=number, pause_ms=_DRAG_PAUSE_MS),
            )
            for number, button in ((3, "the right button"), (2, "the middle button"), (1, "the left button"))
        ),
        Way(name="arrow keys held for 200 ms", scroll=keys(*arrows, hold_ms=200)),
        Way(name="the window's edge", scroll=EdgeScroll(px_per_push=_ONE)),
    )
    return tuple(replace(way, is_guessed=True) for way in ways)
