"""Where a world ends: the camera is sent each way until it stops, is back where it began, or has gone far enough."""

import time
from collections.abc import Callable, Mapping

from game_capture.loop import Axis
from game_capture.probe.report import Edge, Tried
from game_capture.probe.rig import Picture, Rig
from game_capture.probe.sight import Sight
from imageflow_domain.errors import PositionUnreachable

_HOP = 0.5
"""Of the crop's side."""

_MOST_HOPS = 16
_MOST_S = 60.0
"""For each way: worlds may be large."""

_UNSEEN = 2
"""Hops in a row that the pictures told nothing of, after which nothing is said of the edge."""

_WAYS = (("left", Axis.X, -1), ("right", Axis.X, 1), ("up", Axis.Y, -1), ("down", Axis.Y, 1))


def find_edges(
    rig: Rig, chosen: Tried, sight: Sight, longest: Mapping[Axis, int], tell: Callable[[str, int, int], None]
) -> tuple[Edge, ...]:
    """Return what the camera does where it is sent each way on and on; it ends where it was sent last.

    Args:
        longest: The most units of one move that pictures tell of.
    """
    found = []
    for number, (name, axis, direction) in enumerate(_WAYS):
        tell("Looking for the world's edges", number, len(_WAYS))
        found.append(_edge(rig, chosen, sight, name, axis, direction, longest[axis]))
    tell("Looking for the world's edges", len(_WAYS), len(_WAYS))
    return tuple(found)


def _edge(rig: Rig, chosen: Tried, sight: Sight, name: str, axis: Axis, direction: int, longest: int) -> Edge:
    scale = chosen.across if axis is Axis.X else chosen.down
    assert scale is not None  # noqa: S101  a way that is chosen moves along both axes
    side = sight.box.width_px if axis is Axis.X else sight.box.height_px
    units = max(1, min(longest, int(_HOP * side / abs(scale.unit_px))))
    hop_px = units * abs(scale.unit_px)
    sign = direction if scale.unit_px > 0 else -direction
    first = before = rig.look()
    gone_px, unseen, began = 0.0, 0, time.monotonic()
    for _ in range(_MOST_HOPS):
        try:
            rig.go(chosen.way, axis, sign * units)
        except PositionUnreachable:  # beyond the minimap
            return Edge(way=name, kind="not met", after_px=gone_px)
        after = rig.look()
        offset = sight.moved(before, after)
        before = after
        if offset is None:
            unseen += 1
            gone_px += hop_px
            if unseen >= _UNSEEN:
                return Edge(way=name, kind="not seen", after_px=gone_px)
            continue
        unseen = 0
        went_px = direction * (offset.dx_px if axis is Axis.X else offset.dy_px)
        if went_px < abs(scale.unit_px) / 2:
            if chosen.way.is_absolute:  # or the first move the other way would only undo this one
                rig.go(chosen.way, axis, -sign * units)
            return Edge(way=name, kind="stops", after_px=gone_px)
        gone_px += went_px
        turn_px = _turn(sight, first, after, axis, direction, gone_px, side)
        if turn_px is not None:
            return Edge(way=name, kind="wraps", after_px=turn_px)
        if time.monotonic() - began > _MOST_S:
            break
    return Edge(way=name, kind="not met", after_px=gone_px)


def _turn(
    sight: Sight, first: Picture, now: Picture, axis: Axis, direction: int, gone_px: float, side: int
) -> float | None:
    """Return the length of a turn around the world where the first picture is in view again; `None` where it is not."""
    if gone_px < 2 * side:
        return None
    offset = sight.moved(first, now)
    if offset is None or abs(offset.dy_px if axis is Axis.X else offset.dx_px) > 2:
        return None
    return gone_px - direction * (offset.dx_px if axis is Axis.X else offset.dy_px)
