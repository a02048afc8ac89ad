"""What a window shows while nothing is sent: what changes by itself, where the pointer may rest, when the map is up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from game_capture.probe.parts import changed_squares
from game_capture.probe.rig import Picture, Rig

_REST_S, _REST_GRABS = 2.5, 10

_RESTS = 3
"""How often a picture is looked at that changes most of itself."""

_DRIFTING_SHARE = 0.3
"""Share of squares that change while the camera should rest, above which the pointer may be what scrolls."""

_CALMER = 0.75
"""What still changes of what changed before, where the pointer was what scrolled: water may flow on."""

_FROM_EDGE_PX = 64


def at_rest(rig: Rig) -> Sequence[Picture]:
    """Return pictures of the window from a time in which nothing is sent; raise `GameDied`."""
    return rig.rest(_REST_S, _REST_GRABS)


def look_at_rest(rig: Rig, *, may_park: bool) -> NDArray[np.bool_]:
    """Return the squares that change by themselves, and have the rig know them and where its pointer rests.

    Where the picture does not stand still, or is not what was shown before the pointer came to rest, the pointer may be
    what scrolls, or the map came up late. A second start, with the pointer farther from the window's edge, tells one
    from the other. To move the pointer away is not enough: a camera at the end of the world scrolls no farther.

    Args:
        may_park: Whether the pointer may rest elsewhere than configured.

    Raises:
        CaptureError: As the driver does.
    """
    rest = _rest(rig)
    if rest.drifting_share > _DRIFTING_SHARE and may_park:
        corner, rig.park = rig.park, (rig.window.right_px - _FROM_EDGE_PX, rig.window.bottom_px - _FROM_EDGE_PX)
        rig.restart()
        again = _rest(rig)
        # where a program scrolls until its pointer first moves, the picture after the start tells nothing
        pairs = ((again.drifting_share, rest.drifting_share), (again.squares.mean(), rest.squares.mean()))
        if any(now < _CALMER * before for now, before in pairs) or _rests_elsewhere(rig, rest, again):
            rest = again
        else:
            rig.park = corner
    if rig.stood_at_start and rest.squares.mean() <= _DRIFTING_SHARE < rest.drifting_share:
        rig.late_s = rest.after_s
    rig.ignore(rest.squares)
    return rest.squares


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rest:
    squares: NDArray[np.bool_]
    """Those that change."""
    drifting_share: float
    """Share of the squares that changed since the pointer came to rest."""
    after_s: float
    """From the end of the start."""
    last: Picture
    """What was shown in the end."""


def _rest(rig: Rig) -> _Rest:
    for _ in range(_RESTS):
        rig.look()  # what `home` did may go on for a while
        after_s = rig.up_s
        pictures = at_rest(rig)
        squares = changed_squares(pictures)
        if squares.mean() <= _DRIFTING_SHARE:
            break
    share = float(changed_squares([rig.starts[-1], *pictures]).mean())
    return _Rest(squares=squares, drifting_share=share, after_s=after_s, last=pictures[-1])


def _rests_elsewhere(rig: Rig, one: _Rest, other: _Rest) -> bool:
    """Whether two starts that showed the same at their end came to rest at two places of the map.

    Where the last step of `home` has an effect only after the start, the picture changes after both, and only the place
    of rest tells that the pointer scrolled.
    """
    restless = one.squares | other.squares
    starts, rests = (
        float((changed_squares(pictures) & ~restless).mean()) for pictures in (rig.starts[-2:], (one.last, other.last))
    )
    return starts <= _DRIFTING_SHARE < rests
