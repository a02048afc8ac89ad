"""What a probe measured."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from game_capture.probe.scale import Scale
from game_capture.probe.settling import Waiting
from game_capture.probe.ways import Way
from imageflow_domain.geometry import Rect

RESTLESS_SHARE = 0.005
"""Share of the map that may change by itself, and be waited for all the same."""

_USUAL_PX = 40.0
"""Of a move, beside which what it is off counts."""

_LEAST_PAUSE_MS = 20
_PAUSE_FACTOR = 2


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What one way to scroll did."""

    way: Way
    across: Scale | None
    """To the right and left; `None` where it did not move the camera so."""
    down: Scale | None
    changed_otherwise: bool = False
    """The picture changed, and no movement of the camera explains it."""

    @property
    def moves(self) -> bool:
        """Whether it moves the camera along both axes."""
        return self.across is not None and self.down is not None

    @property
    def is_steady(self) -> bool:
        """Whether all its units go equally far, along both axes."""
        return self.across is not None and self.down is not None and self.across.is_steady and self.down.is_steady

    @property
    def unsteadiness(self) -> float:
        """How far moves are from whole units; infinite where an axis does not move."""
        if self.across is None or self.down is None:
            return float("inf")
        return max(
            one.variation_px / max(_USUAL_PX, abs(one.unit_px)) + one.lost / one.sent
            for one in (self.across, self.down)
        )

    def __str__(self) -> str:
        """Say it in a few words."""
        if self.across is None and self.down is None:
            return (
                "changed the picture, and no move of the camera explains it"
                if self.changed_otherwise
                else "nothing moved"
            )
        across, down = (0.0 if one is None else one.unit_px for one in (self.across, self.down))
        steady = "steady" if self.is_steady else "not steady" if self.moves else "one axis only"
        return f"{across:.4g}, {down:.4g} px per {self.way.unit_name}, {steady}"


@dataclass(frozen=True, kw_only=True)
class Pause:
    """How short the pause after each unit may be."""

    shortest_ms: int | None
    """The shortest of those tried at which nothing was lost; `None` where something was lost at all of them."""
    tried_ms: tuple[int, ...]

    @property
    def safe_ms(self) -> int:
        """A pause to use: longer than the shortest, as a machine may be busier another time."""
        shortest = max(self.tried_ms) if self.shortest_ms is None else self.shortest_ms
        return max(_LEAST_PAUSE_MS, _PAUSE_FACTOR * shortest)


@dataclass(frozen=True, kw_only=True)
class Edge:
    """What the camera does where it is sent one way on and on."""

    way: str
    """left, right, up or down."""
    kind: str
    """`stops`, `wraps`, `not met` or `not seen`: where the pictures stopped to tell."""
    after_px: float
    """How far it went until then; where it wraps, the length of a turn."""

    def __str__(self) -> str:
        """Say it in a few words."""
        said = {
            "stops": "stops after",
            "wraps": "wraps after",
            "not met": "no edge within",
            "not seen": "nothing distinctive after",
        }
        return f"{self.way}: {said[self.kind]} {self.after_px:.0f} px"


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that was measured."""

    window: Rect
    """On the display."""
    park: tuple[int, int]
    """Where the pointer rested, on the display."""
    tried: tuple[Tried, ...]
    chosen: Tried
    """The way that moves the camera most reliably, measured in more moves."""
    pause: Pause | None
    """`None` where no two units fit into a picture, or the way has no pause that could be shorter."""
    settle_s: float
    """The longest time that a picture took to settle after a move."""
    waiting: Waiting
    crop: Rect
    """The part of the display that shows the map, as configured or as found."""
    found_crop: Rect | None
    """The same as it was found; `None` without any part that moved with the camera."""
    masks: tuple[Rect, ...]
    """Panels inside it, in its pixels."""
    ignored: tuple[Rect, ...]
    """What keeps changing at its place inside it, in its pixels: clocks, lights of a panel."""
    restless_share: float
    """Share of the crop that changes by itself while the camera rests, 0 to 1, without what is ignored."""
    edges: tuple[Edge, ...]
    flicker_share: float = 0.0
    """Share of the window that may differ from one grab to the next while the camera stands, 0 to 1."""
    late_s: float = 0.0
    """From the end of `prepare` and `home` until the map was shown; 0 where it was shown at once."""
    other_start_share: float = 0.0
    """How much of the picture differed between two starts of the program, 0 to 1."""
    starts_restless: bool = False
    """Whether the first picture after the start, which a survey waits for, did not stand still."""

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield what people read: a name, and the figures."""
        for one in self.tried:
            yield one.way.name, str(one)
        across, down = self.chosen.across, self.chosen.down
        for axis, scale in (("across", across), ("down", down)):
            if scale is not None:
                lost = f", {scale.lost} of {scale.sent} lost" if self.chosen.way.may_lose else ""
                farther = "less" if scale.slip_px > 0 else "farther"
                lost += f", each move goes {abs(scale.slip_px):.0f} px {farther}" if abs(scale.slip_px) >= 1 else ""
                yield (
                    f"px per {self.chosen.way.unit_name}, {axis}",
                    f"{scale.unit_px:.4g}, variation {scale.variation_px:.1f}, {scale.moves} moves{lost}",
                )
        if self.pause is not None:
            shortest = self.pause.shortest_ms
            said = f"longer than {max(self.pause.tried_ms)} ms" if shortest is None else f"{shortest} ms"
            yield "shortest pause without loss", said
        yield "picture settles after", f"{self.settle_s:.2f} s"
        yield "map", f"{self.crop}" if self.found_crop is None else f"{self.found_crop}"
        yield "panels in the map", ", ".join(map(str, self.masks)) or "none"
        yield "keeps changing", ", ".join(map(str, self.ignored)) or f"{self.restless_share:.0%} of the map"
        for edge in self.edges:
            yield "edge", str(edge)

    def as_json(self) -> dict[str, Any]:
        """Return it for programs; lengths in px, times in s or ms as their names say."""
        return {
            "ways": [
                {
                    "name": one.way.name,
                    "across": one.across and asdict(one.across),
                    "down": one.down and asdict(one.down),
                    "changed_otherwise": one.changed_otherwise,
                }
                for one in (*self.tried, self.chosen)
            ],
            "chosen": self.chosen.way.name,
            "unit": self.chosen.way.unit_name,
            "pause": self.pause and asdict(self.pause),
            "settle_s": round(self.settle_s, 3),
            "waiting": asdict(self.waiting),
            "window": self.window.model_dump(),
            "park": list(self.park),
            "crop": self.crop.model_dump(),
            "found_crop": self.found_crop and self.found_crop.model_dump(),
            "masks": [rect.model_dump() for rect in self.masks],
            "ignored": [rect.model_dump() for rect in self.ignored],
            "restless_share": round(self.restless_share, 3),
            "flicker_share": round(self.flicker_share, 3),
            "late_s": round(self.late_s, 3),
            "other_start_share": round(self.other_start_share, 3),
            "starts_restless": self.starts_restless,
            "edges": [asdict(edge) for edge in self.edges],
        }
