"""From what was measured to the settings that survey the game. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

from game_capture.probe.report import RESTLESS_SHARE, Report
from game_capture.probe.scale import Scale
from game_capture.x11.scrolling import EdgeScroll, KeyScroll, Scroll
from imageflow_domain.geometry import Rect

_STEP = 0.7
"""Of the crop's side: neighbouring areas then overlap by three tenths."""

_OTHER_WORLD = 0.5
"""Share of the picture that differs where two starts do not show the same place; units and clocks change less."""

_NEAR = 0.25
"""Of the crop's side: a camera that is nearer to the world's edge needs no other `home`."""

_SURE = 1.2
"""More presses than the distance needs: some may be lost, and the camera stops at the edge."""

_LEAST_EQUAL = 0.5
"""Share of the pixels that must be equal: a camera that moves leaves less."""

_MOST_STEP = 0.8
"""A step that is configured is kept up to here."""


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """One setting, and what was measured of it."""

    value: Any
    """As YAML has it."""
    said: str
    """One line."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a game's YAML should say."""

    parameters: Mapping[str, Proposed]
    """Of the driver."""
    masks: tuple[Rect, ...]
    """Panels over the map that it does not name yet."""
    advice: tuple[str, ...]
    """What a person should look at."""


def propose(
    report: Report, given: Mapping[str, Any], scroll: Scroll | None, *, default_park: tuple[int, int]
) -> Proposal:
    """Return the settings that follow from a report.

    Args:
        default_park: Where the pointer rests where nothing is set.
        given: The driver's parameters as configured, which are kept where they fit what was measured.
        scroll: The way to scroll among them; `None` where none was given.
    """
    parameters: dict[str, Proposed] = {"scroll": _scroll(report, scroll)}
    across, down = report.chosen.across, report.chosen.down
    assert across is not None  # noqa: S101  a way that is chosen moves along both axes
    assert down is not None  # noqa: S101
    if "crop" not in given and report.found_crop is not None and report.found_crop != report.window:
        parameters["crop"] = Proposed(
            value=report.found_crop.model_dump(), said="the part of the window that moves with the camera"
        )
    sides = (report.crop.width_px, report.crop.height_px)
    step = [_step(side, abs(scale.unit_px)) for side, scale in zip(sides, (across, down), strict=True)]
    if not _is_fit(given.get("step"), sides):
        overlap = " and ".join(f"{1 - px / side:.0%}" for px, side in zip(step, sides, strict=True))
        parameters["step"] = Proposed(value=step, said=f"neighbours overlap by {overlap}")
    if "move_wait_s" not in given or report.waiting.move_wait_s > float(given["move_wait_s"]):
        parameters["move_wait_s"] = Proposed(
            value=report.waiting.move_wait_s, said=f"a picture took up to {report.settle_s:.2f} s to settle"
        )
    if report.park != default_park:
        parameters["park"] = Proposed(
            value=list(report.park),
            said="the pointer scrolls in the window's corner, and not here",
        )
    settle = _settle(report, given.get("settle") or {})
    if settle is not None:
        parameters["settle"] = settle
    return Proposal(parameters=parameters, masks=report.masks, advice=tuple(_advice(report, step, sides)))


def _scroll(report: Report, given: Scroll | None) -> Proposed:
    way, across, down = report.chosen.way, report.chosen.across, report.chosen.down
    assert across is not None  # noqa: S101
    assert down is not None  # noqa: S101
    scroll = way.scroll
    settings = scroll.model_dump(mode="json", exclude_defaults=True)
    scale = [_number(across.unit_px), _number(down.unit_px)]
    if isinstance(scroll, KeyScroll):
        for px, (one, other) in zip((across, down), (("left", "right"), ("up", "down")), strict=True):
            if px.unit_px < 0:
                settings[one], settings[other] = getattr(scroll, other), getattr(scroll, one)
    if isinstance(scroll, KeyScroll | EdgeScroll):
        scale = [abs(px) for px in scale]
    settings |= {"by": scroll.by, scroll.scale: scale}
    settings["pause_ms"] = _pause_ms(report, given)
    ordered = {"by": settings.pop("by"), **settings}
    shortest = report.pause and report.pause.shortest_ms
    pause = "" if shortest is None else f"; nothing was lost from a pause of {shortest} ms on"
    said = f"{across.moves + down.moves} moves, off by at most {_off(across, down):.1f} px{pause}"
    return Proposed(value=ordered, said=said)


def _off(across: Scale | None, down: Scale | None) -> float:
    return max(scale.variation_px for scale in (across, down) if scale is not None)


def _pause_ms(report: Report, given: Scroll | None) -> int:
    if report.pause is None:
        return report.chosen.way.pause_ms
    return report.pause.safe_ms if given is None else max(given.pause_ms, report.pause.safe_ms)


def _number(px: float) -> float | int:
    """Round to what was measured: whole pixels where it is so near to them, else thousandths."""
    return round(px) if abs(px - round(px)) < 0.005 * min(1.0, abs(px)) else round(px, 3)


def _step(side_px: int, unit_px: float) -> int:
    return max(1, round(max(1, int(_STEP * side_px / unit_px)) * unit_px))


def _is_fit(given: Any, sides: tuple[int, int]) -> bool:
    """Whether a configured step leaves an overlap."""
    return (
        isinstance(given, list | tuple)
        and len(given) == len(sides)
        and all(0 < px <= _MOST_STEP * side for px, side in zip(given, sides, strict=True))
    )


def _settle(report: Report, given: Mapping[str, Any]) -> Proposed | None:
    waiting = report.waiting
    is_restless = report.restless_share > RESTLESS_SHARE
    wanted: dict[str, Any] = {"equal_grabs": waiting.equal_grabs, "interval_s": waiting.interval_s}
    if is_restless and report.flicker_share:
        window, crop = report.window, report.crop
        spread = report.flicker_share * window.width_px * window.height_px / (crop.width_px * crop.height_px)
        if 1 - spread < _LEAST_EQUAL:
            wanted = {"equal_grabs": 1}
        else:
            wanted["equal_share"] = floor(100 * (1 - spread)) / 100
    elif is_restless:
        wanted = {"equal_grabs": 1}
    if report.ignored and not is_restless:  # else they may be parts of the map, such as waves
        wanted["ignored"] = [rect.model_dump() for rect in report.ignored]
    if not is_restless and not report.ignored and int(given.get("equal_grabs", 0)) >= waiting.equal_grabs:
        return None
    said = f"{report.restless_share:.0%} of the map changes by itself" if is_restless else "as pictures settled"
    return Proposed(value={**given, **wanted}, said=said)


def _advice(report: Report, step: list[int], sides: tuple[int, int]) -> list[str]:
    advice = []
    if report.restless_share > RESTLESS_SHARE:
        advice.append(
            f"{report.restless_share:.0%} of the map changes by itself: pause the game in `prepare`, or switch off "
            "animations in its settings, which `files` can bring."
        )
    if report.starts_restless and report.restless_share <= RESTLESS_SHARE:
        advice.append(
            "The first picture after the start does not stand still, which a survey waits for: begin `prepare` with "
            "{wait_s: 5}, or better with a `wait_until` that names a pixel's colour."
        )
    if report.late_s:
        advice.append(
            f"The map came up {report.late_s:.0f} s after the first picture that stood still, and a survey would begin "
            "without it: end `prepare` with a `wait_until` that names a pixel's colour by which it is there."
        )
    if report.other_start_share > _OTHER_WORLD:
        advice.append(
            f"{report.other_start_share:.0%} of the picture differed between two starts of the game: it begins in "
            "another world or at another place each time, and a survey that starts it again cannot go on. Load a "
            "savegame or a scenario, name the world's seed, or bring the camera to one place in `home`, such as by a "
            "click on the minimap: {at: [X, Y]}."
        )
    if not report.chosen.is_steady and report.chosen.way.is_absolute:
        off_px = _off(report.chosen.across, report.chosen.down)
        advice.append(
            f"Clicks on the minimap lead up to {off_px:.0f} px beside the place that was clicked, such as to the "
            "middle of a tile. A survey measures each move: it needs a map on which neighbours show distinctive things."
        )
    elif not report.chosen.is_steady:
        advice.append(
            f"No way to scroll was steady: {report.chosen.way.name} is the least unsteady one. Where the game has a "
            "minimap that takes clicks, name it in `scroll`, without `camera_px_per_px`, and probe again."
        )
    if any(px > _MOST_STEP * side for px, side in zip(step, sides, strict=True)):
        advice.append(
            f"One {report.chosen.way.unit_name} goes so far that neighbouring areas hardly overlap: ask the game for a "
            "larger window, or scroll otherwise."
        )
    near = [edge.way for edge in report.edges if edge.kind == "stops" and edge.after_px < report.crop.width_px / 4]
    stops = [way for way in near if way in ("right", "down")]
    if stops:
        advice.append(
            f"The camera stops at once when it is sent {' and '.join(stops)}: bring it to the upper left of what is to "
            "be surveyed in `home`."
        )
    corner = _to_world_corner(report)
    return advice if corner is None else [*advice, corner]


def _to_world_corner(report: Report) -> str | None:
    """Say how the camera comes to the world's upper left; `None` where that is not known, or it is near already."""
    gone = {edge.way: edge.after_px for edge in report.edges if edge.kind == "stops"}
    if "left" not in gone or "up" not in gone:
        return None
    if gone["left"] < report.crop.width_px * _NEAR and gone["up"] < report.crop.height_px * _NEAR:
        return None
    said = (
        f"The upper left of the world is {gone['left']:.0f} px to the left of the first area and {gone['up']:.0f} px "
        "above it: to survey from there, bring the camera to it at the end of `home`"
    )
    scroll = report.chosen.way.scroll
    if not isinstance(scroll, KeyScroll):
        return f"{said}."
    across, down = report.chosen.across, report.chosen.down
    assert across is not None  # noqa: S101  a way that is chosen moves along both axes
    assert down is not None  # noqa: S101
    keys = (
        (scroll.left if across.unit_px > 0 else scroll.right, gone["left"] / abs(across.unit_px)),
        (scroll.up if down.unit_px > 0 else scroll.down, gone["up"] / abs(down.unit_px)),
    )
    settings = "".join(f", {name}: {ms}" for name, ms in (("hold_ms", scroll.hold_ms),) if ms)
    settings += f", pause_ms: {_pause_ms(report, None)}"
    actions = ", ".join(f"{{key: {key}, count: {ceil(_SURE * presses) + 1}{settings}}}" for key, presses in keys)
    return f"{said}, by {actions}."
