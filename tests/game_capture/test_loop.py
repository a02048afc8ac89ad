"""What the loop decides: where the camera is after a move, and what to do next."""

from dataclasses import replace

import pytest

from game_capture.loop import (
    LEAST_WINDOWS,
    SURE_WINDOWS,
    Arrived,
    AtEdge,
    Axis,
    Belief,
    GivenUp,
    Move,
    Next,
    Phase,
    Rules,
    is_accepted,
    moved,
    next_step,
    sent,
)
from imageflow_domain.capture import EXACT, Movement, Uncertainty
from imageflow_domain.geometry import Offset, Position

RULES = Rules(press_px={Axis.X: 64.0, Axis.Y: 32.0}, hop_px={Axis.X: 1024.0, Axis.Y: 704.0})
HOME = Belief(at=Position(x_px=0.0, y_px=0.0))
RIGHT = Move(axis=Axis.X, presses=16)


def at(x_px: float, y_px: float, **known: object) -> Belief:
    return replace(HOME, at=Position(x_px=x_px, y_px=y_px), **known)  # type: ignore[arg-type]


def sight(dx_px: int, dy_px: int = 0, *, windows: int = 200, is_only: bool = True) -> Movement:
    return Movement(offset=Offset(dx_px=dx_px, dy_px=dy_px), windows=windows, is_only=is_only)


@pytest.mark.parametrize(
    ("here", "there", "wanted"),
    [
        (HOME, (0, 0), Arrived()),
        (HOME, (1024, 0), Move(axis=Axis.X, presses=16)),
        (HOME, (1024, 704), Move(axis=Axis.X, presses=16)),
        (at(1024, 0), (1024, 704), Move(axis=Axis.Y, presses=22)),
        (at(960, 0), (1024, 0), Move(axis=Axis.X, presses=1)),
        (at(1088, 0), (1024, 0), Move(axis=Axis.X, presses=-1)),
        (at(1010, 0), (1024, 0), Arrived()),
        (HOME, (4096, 0), Move(axis=Axis.X, presses=16)),
        (at(2048, 0), (0, 0), Move(axis=Axis.X, presses=-16)),
    ],
    ids=["there", "a hop", "across first", "then down", "a lost press", "too far", "near enough", "in hops", "back"],
)
def test_the_camera_goes_to_its_place_in_hops(here: Belief, there: tuple[int, int], wanted: Next) -> None:
    belief, goal = sent(here, Position(x_px=there[0], y_px=there[1]), RULES)
    assert next_step(belief, goal, RULES) == wanted


@pytest.mark.parametrize(
    ("seen", "believed"),
    [
        (sight(1024), True),
        (sight(960), True),
        (sight(0), True),
        (sight(1024, windows=LEAST_WINDOWS - 1), False),
        (sight(1024, is_only=False), False),
        (sight(1000, windows=SURE_WINDOWS - 1), False),
        (sight(1000, windows=SURE_WINDOWS), True),
        (sight(960, -160, windows=SURE_WINDOWS - 1), False),
        (sight(320, -160), True),
        (sight(-64), False),
        (sight(1152), False),
    ],
    ids=[
        "as pressed",
        "a press lost",
        "not at all",
        "one sprite",
        "one of several",
        "no whole presses",
        "stopped on the way",
        "sideways, weak",
        "along an edge",
        "the wrong way",
        "more than pressed",
    ],
)
def test_a_movement_counts_only_where_it_is_explained_and_supported(seen: Movement, believed: bool) -> None:
    assert is_accepted(seen, RIGHT, RULES) is believed


def test_what_is_seen_corrects_what_is_believed() -> None:
    belief = moved(HOME, RIGHT, sight(960), RULES)
    assert belief.at == Position(x_px=960.0, y_px=0.0)
    assert belief.uncertainty == EXACT


@pytest.mark.parametrize("seen", [None, sight(960, is_only=False), sight(0, windows=1)])
def test_without_a_sight_dead_reckoning_goes_on_less_sure_by_whole_presses(seen: Movement | None) -> None:
    belief = moved(HOME, RIGHT, seen, RULES)
    assert belief.at == Position(x_px=1024.0, y_px=0.0)
    assert belief.uncertainty == Uncertainty(x_px=64.0, y_px=0.0)
    assert moved(belief, RIGHT, seen, RULES).uncertainty.x_px == 128.0


def test_where_many_presses_are_lost_a_move_that_nobody_saw_is_less_sure() -> None:
    belief = HOME
    for _ in range(8):
        belief = moved(belief, RIGHT, sight(768), RULES)
    assert moved(belief, RIGHT, None, RULES).uncertainty.x_px > 4 * 64


def _led(belief: Belief, to: Position, *sights: Movement | None) -> tuple[Belief, list[Next]]:
    """Let the loop go on while it is shown these sights; return what is believed then, and all that it decided."""
    belief, goal = sent(belief, to, RULES)
    said: list[Next] = []
    for seen in sights:
        step = next_step(belief, goal, RULES)
        said.append(step)
        assert isinstance(step, Move)
        belief = moved(belief, step, seen, RULES)
    return belief, [*said, next_step(belief, goal, RULES)]


def test_an_edge_takes_two_moves_that_do_not_advance_and_one_back() -> None:
    belief, said = _led(HOME, Position(x_px=1024, y_px=0), sight(0), sight(0), sight(-192), sight(192))
    assert said == [
        Move(axis=Axis.X, presses=16),
        Move(axis=Axis.X, presses=16),
        Move(axis=Axis.X, presses=-3),
        Move(axis=Axis.X, presses=6),
        AtEdge(),
    ]
    assert belief.edges == {(Axis.X, 1)}
    assert belief.at == HOME.at


def test_a_camera_that_goes_beyond_where_it_stood_still_was_at_no_edge() -> None:
    belief, said = _led(HOME, Position(x_px=1024, y_px=0), sight(0), sight(0), sight(-192), sight(384))
    assert said[-1] == Move(axis=Axis.X, presses=13)
    assert not belief.edges


def test_where_presses_back_are_lost_those_before_may_be_lost_as_well() -> None:
    belief, said = _led(HOME, Position(x_px=1024, y_px=0), sight(0), sight(0), sight(-64), sight(0))
    assert said[-1] == Move(axis=Axis.X, presses=16), "it goes on"
    assert not belief.edges
    assert belief.at == Position(x_px=-64, y_px=0)


def test_the_more_presses_were_lost_the_more_have_to_tell_of_an_edge() -> None:
    losing = replace(HOME, lost=16, pressed=32)
    _, said = _led(losing, Position(x_px=256, y_px=0), sight(0), sight(0), sight(0))
    assert [step.presses for step in said if isinstance(step, Move)] == [4, 4, 4, -3]


def test_a_camera_that_does_not_come_back_either_is_at_no_edge() -> None:
    belief, said = _led(HOME, Position(x_px=1024, y_px=0), sight(0), sight(0), sight(0))
    assert said[-1] == GivenUp()
    assert not belief.edges


def test_one_press_that_was_lost_twice_is_no_edge() -> None:
    belief, said = _led(at(960, 0), Position(x_px=1024, y_px=0), sight(0), sight(64))
    assert said == [Move(axis=Axis.X, presses=1), Move(axis=Axis.X, presses=3), Arrived()]
    assert belief.phase is Phase.GOING


def test_two_moves_of_which_nothing_was_seen_are_no_edge() -> None:
    _, said = _led(HOME, Position(x_px=2048, y_px=0), None, None)
    assert said[-1] == Arrived()


def test_at_an_edge_the_other_axis_is_tried_and_opens_the_way_again() -> None:
    pinned = at(0, 0, edges=frozenset({(Axis.X, 1)}))
    belief, said = _led(pinned, Position(x_px=1024, y_px=704), sight(0, 704))
    assert said == [Move(axis=Axis.Y, presses=22), Move(axis=Axis.X, presses=16)]
    assert not belief.edges


def test_an_edge_is_known_as_long_as_the_camera_stays() -> None:
    pinned = at(0, 0, edges=frozenset({(Axis.X, 1)}))
    belief, goal = sent(pinned, Position(x_px=2048, y_px=0), RULES)
    assert next_step(belief, goal, RULES) == AtEdge()
    left = moved(belief, Move(axis=Axis.X, presses=-1), sight(-64), RULES)
    assert not left.edges


def test_a_camera_that_never_comes_near_is_given_up() -> None:
    belief, goal = sent(HOME, Position(x_px=1024, y_px=0), RULES)
    moves = 0
    while isinstance(step := next_step(belief, goal, RULES), Move):
        belief = moved(belief, step, sight(64 if moves % 2 else 0), RULES)
        moves += 1
        assert moves < 40
    assert step in (GivenUp(), Arrived())


def test_a_camera_that_slides_to_and_fro_along_a_slanting_edge_is_at_it() -> None:
    belief, goal = sent(HOME, Position(x_px=1024, y_px=704), RULES)
    said: list[Next] = []
    for number in range(20):
        step = next_step(belief, goal, RULES)
        said.append(step)
        if not isinstance(step, Move):
            break
        way = 1 if step.presses > 0 else -1
        seen = sight(1024) if number == 0 else sight(way * 96, -48) if step.axis is Axis.X else sight(-96, 48)
        belief = moved(belief, step, seen, RULES)
    assert said[-1] == AtEdge()
    assert len(said) < 14


@pytest.mark.parametrize(
    ("move", "late"),
    [
        (RIGHT, sight(1088)),
        (Move(axis=Axis.X, presses=-1), sight(0)),
        (Move(axis=Axis.Y, presses=22), sight(64, 704)),
    ],
    ids=["the same way", "the way back", "the other axis"],
)
def test_a_missing_press_may_take_effect_during_the_next_move(move: Move, late: Movement) -> None:
    belief = moved(HOME, RIGHT, sight(960), RULES)
    assert belief.missing == Move(axis=Axis.X, presses=1)
    after = moved(belief, move, late, RULES)
    assert after.uncertainty == EXACT
    assert after.at == Position(x_px=960.0 + late.offset.dx_px, y_px=late.offset.dy_px)
    assert not after.has_slid


@pytest.mark.parametrize(
    ("back", "since_stop", "is_edge"),
    [
        (None, sight(0), True),
        (None, None, False),
        (None, sight(0, windows=LEAST_WINDOWS - 1), False),
        (None, sight(0, is_only=False), False),
        (None, sight(192), False),
        (sight(0, windows=1), sight(0), False),
    ],
    ids=["seen again", "nothing seen", "one sprite", "one of several", "beyond it", "it never left"],
)
def test_a_move_back_that_nobody_saw_counts_where_the_camera_comes_to_the_same_picture(
    back: Movement | None, since_stop: Movement | None, is_edge: bool
) -> None:
    there = Position(x_px=1024, y_px=0)
    belief, said = _led(HOME, there, sight(0), sight(0), back)
    step = said[-1]
    assert isinstance(step, Move)
    belief = moved(belief, step, None, RULES, since_stop=since_stop)
    assert belief.edges == ({(Axis.X, 1)} if is_edge else set())
    assert ((belief.at, belief.uncertainty) == (HOME.at, EXACT)) is is_edge
