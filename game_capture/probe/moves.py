"""Which moves are made to measure a camera, and which ways are preferred. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from game_capture.loop import Axis
from game_capture.probe.report import Tried
from game_capture.probe.scale import Scale, Trial
from game_capture.probe.ways import Way
from imageflow_domain.geometry import Offset, Rect

Picture = NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""

_COUNTS = (1, 2, 3, 5)
_PLACES = 6
"""Of a minimap, along each axis."""

FARTHEST = 0.55
"""Of the box's side: farther moves leave too little that both pictures show."""

_LEAST_PX = 40
"""Of a move by the pointer."""

_LEAST_MOVES = 8
"""Along each axis."""

_WATCHED_PX = 200

_HIDING_SHARE = 0.05
"""Of the picture: where more changes by itself, pixels of two pictures of one place differ too much to be compared."""


def preference(one: Tried) -> tuple[bool, float]:
    """Sort steady ways first, in the order in which they were tried."""
    return not one.is_steady, 0.0 if one.is_steady else one.unsteadiness


def boxes(picture: Picture) -> tuple[Rect, ...]:
    """Return parts of a window, one of which may show the map and no panels: its middle first, and all of it last."""
    height, width = picture.shape[:2]
    parts = ((1, 1, 3), (0.5, 0.5, 4), (1.25, 0, 3.75), (0, 0, 3.75), (1.25, 1.25, 3.75), (0, 1.25, 3.75), (0, 0, 5))
    return tuple(
        Rect(
            x_px=int(width * left / 5),
            y_px=int(height * top / 5),
            width_px=int(width * side / 5),
            height_px=int(height * side / 5),
        )
        for left, top, side in parts
    )


def trial_of(axis: Axis, units: int, offset: Offset) -> Trial:
    """Return what a move of `units` along `axis` did, where the pictures tell that the camera went by `offset`."""
    along, across = (offset.dx_px, offset.dy_px) if axis is Axis.X else (offset.dy_px, offset.dx_px)
    return Trial(units=units, along_px=along, across_px=across)


def side_px(box: Rect, axis: Axis) -> int:
    """Return how long a box is along an axis."""
    return box.width_px if axis is Axis.X else box.height_px


def series(way: Way, scale: Scale, side_px: int) -> tuple[int, ...]:
    """Return the units of a series of moves: several lengths that a picture holds, each forth and back."""
    unit_px = abs(scale.unit_px)
    most = max(1, int(FARTHEST * side_px / unit_px))
    base = 1 if way.may_lose else max(1, round(_LEAST_PX / unit_px))
    if way.is_absolute:  # short moves tell little of the scale where each click leads to the nearest tile
        lengths = sorted({max(1, round(most * part / _PLACES)) for part in range(1, _PLACES + 1)})
    else:
        lengths = sorted({min(most, count * base) for count in _COUNTS})
    series = [units for length in lengths for units in (length, -length)]
    # few lengths are tried more often
    return tuple(series * max(1, -(-_LEAST_MOVES // len(series))))


def watched_units(scale: Scale | None) -> int:
    """Return the units of a move that is long enough to be watched, at least one; `scale` must not be `None`."""
    assert scale is not None  # noqa: S101  a way that is chosen moves along both axes
    return max(1, round(_WATCHED_PX / abs(scale.unit_px)))


def longest_seen(trials: Sequence[Trial]) -> int:
    """Return the most units of a move of which the pictures told something, and of all shorter ones."""
    unseen = min((abs(trial.units) for trial in trials if trial.along_px is None), default=None)
    return max((abs(trial.units) for trial in trials if unseen is None or abs(trial.units) < unseen), default=1)


def nothing_moved(tried: Sequence[Tried], restless_share: float) -> str:
    """Say what came of each way that was tried, and what a person can do before the next probe.

    Args:
        restless_share: Of the picture: so much changes while nothing is sent, 0 to 1.
    """
    outcomes = {str(one): [other.way.name for other in tried if str(other) == str(one)] for one in tried}
    said = "; ".join(f"{', '.join(names)}: {outcome}" for outcome, names in outcomes.items())
    hidden = (
        f" {restless_share:.0%} of the picture changes by itself, which hides how a camera moves: pause the game in "
        "`prepare`, or switch off animations in its settings, which `files` can bring."
        if restless_share > _HIDING_SHARE
        else ""
    )
    return (
        f"Nothing that was tried moved the camera ({said}).{hidden} See by the pictures whether a menu, a dialog or a "
        "loading screen is open: close it by steps in `prepare` (where to click can be read off the pictures), wait "
        "longer by `start_wait_s`, or name in `scroll` what scrolls: other keys, the wheel, a minimap. Then probe "
        "again."
    )


def not_covered(panels: Sequence[Rect], masks: Sequence[Rect]) -> tuple[Rect, ...]:
    """Return the panels that no mask covers already."""
    return tuple(panel for panel in panels if all(mask.intersection(panel) != panel for mask in masks))
