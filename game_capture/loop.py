"""Where a camera is believed to be, and what to do next to bring it to a place. Pure: no keys, no pixels.

A camera is moved by presses: presses of a key, pixels of a pointer, clicks of a wheel. Each is believed to move it by
the same distance. What is believed is corrected by what is seen: a press that was lost is pressed again, and where a
camera does not advance the world has an edge. A wrong sight is worse than none: what is seen counts only where nothing
else explains it, several sub-windows support it, and it fits whole presses.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil, inf, log

from game_capture.axis import Axis as Axis
from game_capture.rules import FIT_PX
from game_capture.rules import Move as Move
from game_capture.rules import Rules as Rules
from imageflow_domain.capture import EXACT, Movement, Uncertainty
from imageflow_domain.geometry import Offset, Position

LEAST_WINDOWS = 4
"""Sub-windows that must support a movement: fewer may be one sprite, and sprites repeat."""

SURE_WINDOWS = 24
"""So many support a movement that no whole presses explain: an edge stopped the camera, or it slid along one."""

PUSHES = 2
"""Moves in a row that do not advance, before a move back tells an edge from a camera that does not obey."""

PUSHED_PRESSES = 4
"""Presses of these moves, at least: fewer may all be lost."""

_ALL_LOST = 0.001
"""So unlikely must it be that all of them were lost, as far as presses were lost before."""

_FIRM_PRESSES = 3
"""A move that is to tell something has so many presses at least, where they fit into a hop."""

PATIENCE = 4
"""Moves in a row that bring a camera no nearer that slides along a slanting edge; twice as many where it does not."""

MOST_MOVES = 12
"""To one place, beyond thrice those that the distance needs."""

_LOST, _OF_PRESSES = 1, 32
"""Presses that count as lost, and as sent, before any was seen."""

_LOST_MORE = 2.0
"""Of a move that nobody saw, so many times more presses may be lost than of others on average."""


@dataclass(frozen=True)
class Arrived:
    """The camera is where it was sent."""


@dataclass(frozen=True)
class AtEdge:
    """The world ends before the place: the camera is as near as it can be."""


@dataclass(frozen=True)
class GivenUp:
    """The camera does not come nearer, and no edge explains it."""


Next = Move | Arrived | AtEdge | GivenUp


class Phase(StrEnum):
    """What the next move is for."""

    GOING = "going"
    BACK = "back"
    """Away from what may be an edge, to see whether the camera obeys at all."""
    RETURN = "return"
    """To the edge again, and beyond it where it is none: a click on a minimap may be lost twice in a row."""


@dataclass(frozen=True, kw_only=True)
class Belief:
    """Where the camera is believed to be, and what its last moves told."""

    at: Position
    uncertainty: Uncertainty = EXACT
    edges: frozenset[tuple[Axis, int]] = frozenset()
    """Axes and directions in which the camera cannot go from where it is."""
    phase: Phase = Phase.GOING
    pushed: tuple[Axis, int] | None = None
    """In which direction the last moves did not advance."""
    pushes: int = 0
    pushed_presses: int = 0
    stopped: "Belief | None" = None
    """What was believed before the move back: where the camera did not advance."""
    moves: int = 0
    """Since the camera was sent to its place."""
    to: Position | None = None
    """Where the camera was sent last."""
    nearest_px: float = inf
    """How near it came, both axes added up."""
    idle: int = 0
    """Moves since it was nearest."""
    has_slid: bool = False
    """Whether it went sideways, as slanting edges make it."""
    lost: int = _LOST
    """Presses that did nothing, of those that were seen to."""
    pressed: int = _OF_PRESSES
    missing: Move | None = None
    """The last presses whose effect was not seen: they are lost, or late."""
    obeys: bool = True
    """False where it went neither forward nor back: whatever holds it is no edge."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """Where the camera is sent, and how many moves that may take."""

    to: Position
    most_moves: int


def sent(belief: Belief, to: Position, rules: Rules) -> tuple[Belief, Goal]:
    """Begin to bring the camera to a place."""
    hops = sum(
        ceil(abs(distance) / max(1.0, rules.hop_px[axis]))
        for axis, distance in ((Axis.X, to.x_px - belief.at.x_px), (Axis.Y, to.y_px - belief.at.y_px))
    )
    begun = replace(belief, moves=0, obeys=True, to=to, nearest_px=_distance_px(belief.at, to), idle=0, has_slid=False)
    return _going(begun), Goal(to=to, most_moves=MOST_MOVES + 3 * hops)


def next_step(belief: Belief, goal: Goal, rules: Rules) -> Next:
    """Return what to do next."""
    if not belief.obeys or belief.moves > goal.most_moves:
        return GivenUp()
    if belief.pushed is not None and belief.phase is not Phase.GOING:
        axis, direction = belief.pushed
        back = rules.hop(_FIRM_PRESSES, axis)
        is_return = belief.phase is Phase.RETURN
        return Move(axis=axis, presses=direction * rules.hop(2 * back, axis) if is_return else -direction * back)
    wanted = {
        Axis.X: rules.presses(goal.to.x_px - belief.at.x_px, Axis.X),
        Axis.Y: rules.presses(goal.to.y_px - belief.at.y_px, Axis.Y),
    }
    if not any(wanted.values()):
        return Arrived()
    ways = [(axis, presses) for axis, presses in wanted.items() if presses]
    if all((axis, _sign(presses)) in belief.edges for axis, presses in ways):
        return AtEdge()
    if belief.has_slid and belief.idle >= PATIENCE:
        return AtEdge()
    if belief.idle >= 2 * PATIENCE:
        return GivenUp()
    axis, presses = next((axis, presses) for axis, presses in ways if (axis, _sign(presses)) not in belief.edges)
    if belief.pushed == (axis, _sign(presses)) and abs(presses) < _FIRM_PRESSES:
        presses = _sign(presses) * _FIRM_PRESSES
    return Move(axis=axis, presses=rules.hop(presses, axis))


def moved(
    belief: Belief, move: Move, seen: Movement | None, rules: Rules, *, since_stop: Movement | None = None
) -> Belief:
    """Return what is believed after a move.

    Args:
        seen: The movement that the frames before and after the move show.
        since_stop: The movement from where the camera did not advance, after the return to that place.
    """
    belief = replace(belief, moves=belief.moves + 1)
    if belief.phase is Phase.RETURN and belief.stopped is not None and _is_same_place(since_stop):
        return _at_edge(replace(belief.stopped, moves=belief.moves), move)
    if seen is not None and is_accepted(seen, move, rules, belief.missing):
        return _nearer(_after_sight(belief, move, seen.offset, rules))
    return _nearer(_unseen(belief, move, seen, rules))


def is_accepted(seen: Movement, move: Move, rules: Rules, missing: Move | None = None) -> bool:
    """Whether a movement may be believed: the only one, well supported, and such as presses or an edge explain.

    Args:
        missing: Presses of the move before whose effect was not seen, and may come now.
    """
    along = move.direction * _along(seen.offset, move.axis)
    across = _along(seen.offset, move.axis.other)
    late_px = 0.0 if missing is None else rules.expected_px(missing)
    is_same_axis = missing is not None and missing.axis is move.axis
    late_along = move.direction * late_px if is_same_axis else 0.0
    late_across = 0.0 if is_same_axis else late_px
    is_plain = rules.fits(along, move.axis) and _is_late(across, late_across, move.axis.other, rules)
    if not seen.is_only or seen.windows < (LEAST_WINDOWS if is_plain else SURE_WINDOWS):
        return False
    # keys are lost or late, not made
    farthest = abs(rules.expected_px(move)) + max(0.0, late_along) + max(FIT_PX, rules.press_px[move.axis] / 2)
    return min(0.0, late_along) - FIT_PX <= along <= farthest


def is_short(seen: Movement, move: Move, rules: Rules) -> bool:
    """Whether a movement is at least half a press, or a few pixels, shorter than its move."""
    return _is_short(seen.offset, move, rules)


def has_late_presses(seen: Movement, move: Move, rules: Rules) -> bool:
    """Whether a movement is longer than its move, or goes aside or back by whole presses: earlier ones took effect."""
    press_px = rules.press_px[move.axis.other]
    along = move.direction * _along(seen.offset, move.axis)
    is_along = (
        not -rules.press_px[move.axis] / 2 <= along <= abs(rules.expected_px(move)) + rules.press_px[move.axis] / 2
    )
    across = _along(seen.offset, move.axis.other)
    return is_along or (abs(across) >= press_px / 2 and rules.fits(across, move.axis.other))


def _is_late(across: float, late_px: float, axis: Axis, rules: Rules) -> bool:
    """Whether a movement aside is none, or one of whole presses that were missing."""
    if abs(across) <= FIT_PX:
        return True
    return across * late_px > 0 and abs(across) <= abs(late_px) + FIT_PX and rules.fits(across, axis)


def is_lost_presses(off: Position, belief: Belief, rules: Rules) -> bool:
    """Whether whole presses that may be lost explain how far the camera is from where it is believed to be."""
    allowed = belief.uncertainty
    return (
        abs(off.x_px) <= allowed.x_px + FIT_PX
        and abs(off.y_px) <= allowed.y_px + FIT_PX
        and rules.fits(off.x_px, Axis.X)
        and rules.fits(off.y_px, Axis.Y)
    )


def shifted(belief: Belief, move: Move, offset: Offset) -> Belief:
    """Return what is believed after a movement that is sure, though it is not known how far one press goes."""
    presses = abs(move.presses)
    return replace(
        _going(belief),
        at=belief.at + Position(x_px=offset.dx_px, y_px=offset.dy_px),
        moves=belief.moves + 1,
        edges=frozenset(),
        lost=belief.lost + (presses if _is_still(offset) else 0),
        pressed=belief.pressed + presses,
        missing=None,
    )


def _after_sight(belief: Belief, move: Move, offset: Offset, rules: Rules) -> Belief:
    at = belief.at + Position(x_px=offset.dx_px, y_px=offset.dy_px)
    advanced = move.direction * _along(offset, move.axis) >= rules.press_px[move.axis] / 2
    late = belief.missing
    late_px = rules.expected_px(late) if late is not None and late.axis is not move.axis else 0.0
    slid = not _is_late(_along(offset, move.axis.other), late_px, move.axis.other, rules)
    belief = replace(
        belief,
        at=at,
        edges=belief.edges if _is_still(offset) else frozenset(),
        has_slid=belief.has_slid or slid,
        missing=_missing(late, move, offset, rules),
    )
    if belief.phase is Phase.BACK:
        if not advanced:
            return replace(_going(belief), obeys=False)
        # where presses back are lost, those before may be lost as well: they tell of no edge
        is_whole = not _is_short(offset, move, rules)
        return replace(belief, phase=Phase.RETURN) if is_whole else replace(_going(belief), edges=frozenset())
    if belief.phase is Phase.RETURN:
        stopped = belief.stopped or belief
        off_px = abs(move.axis.of(at) - move.axis.of(stopped.at))
        is_edge = advanced and off_px <= max(FIT_PX, rules.press_px[move.axis] / 2)
        return _at_edge(belief, move) if is_edge else replace(_going(belief), edges=frozenset())
    way = (move.axis, move.direction)
    again = belief.pushed == way
    presses = abs(move.presses) + (belief.pushed_presses if again else 0)
    if advanced:
        done = round(abs(_along(offset, move.axis)) / rules.press_px[move.axis])
        return replace(_going(belief), lost=belief.lost + max(0, presses - done), pressed=belief.pressed + presses)
    pushes = belief.pushes + 1 if again else 1
    pushed = replace(belief, pushed=way, pushes=pushes, pushed_presses=presses)
    if pushes < PUSHES or presses < _telling_presses(belief):
        return replace(pushed, phase=Phase.GOING)
    return replace(pushed, phase=Phase.BACK, stopped=belief)


def _telling_presses(belief: Belief) -> int:
    """Return how many presses without effect tell that something stops the camera."""
    return max(PUSHED_PRESSES, ceil(log(_ALL_LOST) / log(min(0.9, belief.lost / belief.pressed))))


def _at_edge(belief: Belief, move: Move) -> Belief:
    """Return what is believed where the world ends in the direction of a move."""
    return replace(_going(belief), edges=belief.edges | {(move.axis, move.direction)})


def _is_same_place(since_stop: Movement | None) -> bool:
    return (
        since_stop is not None
        and since_stop.is_only
        and since_stop.windows >= LEAST_WINDOWS
        and _is_still(since_stop.offset)
    )


def _missing(before: Move | None, move: Move, offset: Offset, rules: Rules) -> Move | None:
    """Return the presses that had no effect: of a move, and of those before that went the same way."""
    done = max(0, round(move.direction * _along(offset, move.axis) / rules.press_px[move.axis]))
    sent_ = abs(move.presses)
    if before is not None and (before.axis, before.direction) == (move.axis, move.direction):
        sent_ += abs(before.presses)
    missing = rules.hop(max(0, sent_ - done), move.axis)
    return replace(move, presses=move.direction * missing) if missing else None


def _nearer(belief: Belief) -> Belief:
    """Note whether a move brought the camera nearer to its place."""
    if belief.to is None or belief.phase is not Phase.GOING:
        return belief
    distance_px = _distance_px(belief.at, belief.to)
    if distance_px < belief.nearest_px - FIT_PX:
        return replace(belief, nearest_px=distance_px, idle=0)
    return replace(belief, idle=belief.idle + 1)


def _distance_px(one: Position, other: Position) -> float:
    return abs(one.x_px - other.x_px) + abs(one.y_px - other.y_px)


def _unseen(belief: Belief, move: Move, seen: Movement | None, rules: Rules) -> Belief:
    """Go on by dead reckoning, a little less sure: some presses may be lost, as others were.

    After a move back whose distance the frames do not show, the camera returns: what it showed before may come again. A
    frame that resembles the one before is no sign of a move.
    """
    expected_px = rules.expected_px(move)
    share = min(1.0, _LOST_MORE * belief.lost / belief.pressed)
    lost_px = max(1, ceil(share * abs(move.presses))) * rules.press_px[move.axis]
    (dx, dy), (off_x, off_y) = ((px, 0.0) if move.axis is Axis.X else (0.0, px) for px in (expected_px, lost_px))
    is_back = belief.phase is Phase.BACK and (seen is None or not _is_still(seen.offset))
    return replace(
        replace(belief, phase=Phase.RETURN) if is_back else _going(belief),
        at=Position(x_px=belief.at.x_px + dx, y_px=belief.at.y_px + dy),
        uncertainty=belief.uncertainty + Uncertainty(x_px=off_x, y_px=off_y),
        edges=frozenset(),
        missing=None,
    )


def _is_short(offset: Offset, move: Move, rules: Rules) -> bool:
    along = move.direction * _along(offset, move.axis)
    return along < abs(rules.expected_px(move)) - max(FIT_PX, rules.press_px[move.axis] / 2)


def _going(belief: Belief) -> Belief:
    """Return the belief with nothing suspected."""
    return replace(belief, phase=Phase.GOING, pushed=None, pushes=0, pushed_presses=0, stopped=None)


def _is_still(offset: Offset) -> bool:
    return max(abs(offset.dx_px), abs(offset.dy_px)) <= FIT_PX


def _along(offset: Offset, axis: Axis) -> int:
    return offset.dx_px if axis is Axis.X else offset.dy_px


def _sign(presses: int) -> int:
    return 1 if presses > 0 else -1
