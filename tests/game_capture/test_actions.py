"""What `prepare` and `home` do: what each action sends, and what it waits for."""

import itertools
import re

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from game_capture.grabber import Screen
from game_capture.x11.actions import Action, Until, contains, perform
from game_capture.x11.parameters import X11Parameters
from imageflow_domain.errors import GameNeverSettled
from imageflow_domain.geometry import Rect


def _rect(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x_px": x, "y_px": y, "width_px": width, "height_px": height}


_ACTIONS: TypeAdapter[tuple[Action, ...]] = TypeAdapter(tuple[Action, ...])


def _noise(seed: int, *, height: int = 40, width: int = 60) -> Screen:
    screen = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    screen[..., 3] = 0
    return screen


class Program:
    """Shows one picture after the other: the next one with each key that it is sent."""

    screen = Rect(x_px=0, y_px=0, width_px=60, height_px=40)

    def __init__(self, *pictures: Screen, late: int = 0) -> None:
        self.sent: list[str] = []
        self._pictures = pictures
        self._shown = 0
        self._late = late
        self._waited = 0

    def send(self, *commands: str) -> None:
        self.sent += commands
        self._waited = 0
        self._shown += any(command.startswith("key ") for command in commands)

    def grab(self, rect: Rect) -> Screen:
        self._waited += 1
        shown = self._shown if self._waited > self._late else self._shown - 1
        picture = self._pictures[max(0, min(shown, len(self._pictures) - 1))]
        return picture[rect.y_px : rect.bottom_px, rect.x_px : rect.right_px]


def _do(program: Program, *actions: object, **pictures: "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]") -> None:
    perform(_ACTIONS.validate_python(actions), program, pictures, where="prepare")


@pytest.mark.parametrize(
    ("action", "sent"),
    [
        ({"key": "ctrl+p", "count": 2, "hold_ms": 1, "pause_ms": 0}, ["keydown ctrl+p", "keyup ctrl+p"] * 2),
        ({"key": 7}, ["key 7"]),
        ({"key": ","}, ["key comma"]),
        ({"type": "7,é", "pause_ms": 0}, ["key U0037", "key U002C", "key U00E9"]),
        ({"at": [3, 4], "button": 2, "count": 2}, ["mousemove 3 4", "click 2", "click 2"]),
        ({"at": [3, 4], "hold_ms": 1}, ["mousemove 3 4", "mousedown 1", "mouseup 1"]),
        (
            {"at": [3, 4], "held": ["ctrl", "a"]},
            ["keydown ctrl", "keydown a", "mousemove 3 4", "click 1", "keyup a", "keyup ctrl"],
        ),
        (
            {"drag": [10, 10], "to": [30, 20], "button": 2, "pause_ms": 0},
            ["mousemove 10 10", "mousedown 2", "mousemove 20 15", "mousemove 30 20", "mouseup 2"],
        ),
        ({"wheel": "up", "count": 2, "at": [5, 6], "pause_ms": 0}, ["mousemove 5 6", "click 4", "click 4"]),
        ({"wheel": "right", "held": ["shift"]}, ["keydown shift", "click 7", "keyup shift"]),
    ],
)
def test_an_action_sends_what_it_says(action: dict[str, object], sent: list[str]) -> None:
    program = Program(_noise(1))
    _do(program, action)
    assert program.sent == sent


def test_a_change_is_seen_however_late_it_comes() -> None:
    program = Program(_noise(1), _noise(2), late=3)
    _do(program, {"key": "a"}, {"wait_until": {"changed": True, "timeout_s": 5}})
    assert np.array_equal(program.grab(program.screen), _noise(2))


def test_a_change_that_was_quicker_than_the_look_is_seen_too() -> None:
    program = Program(_noise(1), _noise(2))
    _do(program, {"key": "a"}, {"wait_s": 0.01}, {"wait_until": {"changed": True, "timeout_s": 5}})


def test_a_change_that_never_comes_names_the_action() -> None:
    with pytest.raises(GameNeverSettled, match=r"prepare\.1: the picture did not change within 0\.05 s"):
        _do(Program(_noise(1)), {"key": "a"}, {"wait_until": {"changed": True, "timeout_s": 0.05}})


def test_a_slow_machine_waits_longer_than_the_action_says() -> None:
    actions = _ACTIONS.validate_python([{"key": "a"}, {"wait_until": {"changed": True, "timeout_s": 0.01}}])
    perform(actions, Program(_noise(1), _noise(2), late=5), {}, where="prepare", least_timeout_s=10)


def test_a_colour_is_waited_for_and_named_where_it_does_not_come() -> None:
    colour = f"#{bytes(_noise(2)[20, 30, 2::-1]).hex()}"
    _do(Program(_noise(1), _noise(2), late=3), {"key": "a"}, {"wait_until": {"at": [30, 20], "colour": colour}})
    before = f"#{bytes(_noise(1)[20, 30, 2::-1]).hex()}"
    with pytest.raises(GameNeverSettled, match=rf"prepare\.0: the pixel at 30,20 is {before} and not {colour}"):
        _do(Program(_noise(1)), {"wait_until": {"at": [30, 20], "colour": colour, "timeout_s": 0.05}})


def test_a_picture_that_keeps_changing_names_the_action_unless_another_part_is_looked_at() -> None:
    class Blinking(Program):
        _frames = itertools.count()

        def grab(self, rect: Rect) -> Screen:
            picture = self._pictures[0].copy()
            picture[0, 0] = next(self._frames) % 256
            return picture[rect.y_px : rect.bottom_px, rect.x_px : rect.right_px]

    with pytest.raises(GameNeverSettled, match=r"prepare\.0: the picture did not stand still for 0\.2 s within 0\.3 s"):
        _do(Blinking(_noise(1)), {"wait_until": {"still": True, "for_s": 0.2, "timeout_s": 0.3}})
    part = {"x_px": 1, "y_px": 0, "width_px": 59, "height_px": 40}
    _do(Blinking(_noise(1)), {"wait_until": {"still": True, "for_s": 0.2, "within": part, "timeout_s": 5}})


def test_what_is_shown_decides_whether_something_is_done() -> None:
    dialog = np.ascontiguousarray(_noise(1)[10:20, 15:40, 2::-1])
    asked = {"if_shown": "dialog", "then": [{"key": "Escape"}]}
    for screen, sent in ((_noise(1), ["key Escape"]), (_noise(2), [])):
        program = Program(screen, screen)
        _do(program, asked, dialog=dialog)
        assert program.sent == sent


def test_what_comes_later_is_waited_for_and_may_differ_a_little() -> None:
    picture = _noise(2)[10:20, 15:40, 2::-1].astype(np.int16) + 5
    dialog = np.ascontiguousarray(picture.clip(0, 255), dtype=np.uint8)
    program = Program(_noise(1), _noise(2), _noise(3), late=2)
    _do(program, {"key": "a"}, {"if_shown": "dialog", "wait_s": 5, "then": [{"key": "b"}]}, dialog=dialog)
    assert program.sent == ["key a", "key b"]
    assert not contains(_noise(2), dialog, tolerance=4)


def test_a_picture_larger_than_the_screen_is_not_shown() -> None:
    assert not contains(_noise(1, height=5), np.zeros((6, 6, 3), np.uint8), tolerance=128)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"prepare": [{"wait_until": {"at": [600, 10], "colour": "#ffffff"}}]}, "prepare.0.wait_until.at is 600,10"),
        ({"home": [{"key": "p"}, {"at": [480, 1]}]}, "home.1.at is 480,1"),
        ({"home": [{"drag": [1, 1], "to": [5, 360]}]}, "home.0.to is 5,360"),
        ({"prepare": [{"if_shown": "a.png", "then": [{"at": [5, 400]}]}]}, "prepare.0.then.0.at is 5,400"),
        (
            {"prepare": [{"wait_until": {"still": True, "within": _rect(0, 300, 10, 100)}}]},
            "prepare.0.wait_until.within is 0,300,10,100",
        ),
        ({"scroll": {"by": "wheel", "px_per_notch": [1, 1], "at": [500, 1]}}, "scroll.at is 500,1"),
    ],
)
def test_a_place_outside_the_display_is_named_with_its_path(changes: dict[str, object], path: str) -> None:
    given = {"command": ["x"], "scroll": {"by": "keys", "px_per_press": [10, 10]}, "step": [9, 9], "window": [480, 360]}
    X11Parameters.model_validate({**given, "home": [{"at": [479, 359]}]})
    with pytest.raises(ValidationError, match=re.escape(f"{path}, and must lie inside the display of 480x360 px")):
        X11Parameters.model_validate({**given, **changes})


def test_a_picture_cannot_stand_still_longer_than_it_is_waited_for() -> None:
    with pytest.raises(ValidationError, match="must have a timeout_s above for_s"):
        Until(still=True, for_s=60)
