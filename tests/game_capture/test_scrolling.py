"""Keys, drags, wheel, edge and minimap: what is sent adds up to the requested distance."""

import pytest

from game_capture.x11.scrolling import DragScroll, EdgeScroll, KeyScroll, MinimapScroll, Move, WheelScroll
from imageflow_domain.errors import PositionUnreachable
from imageflow_domain.geometry import Position, Rect

AREA = Rect(x_px=100, y_px=50, width_px=400, height_px=200)
WINDOW = Rect(x_px=40, y_px=30, width_px=500, height_px=300)


def _move(across: int, down: int, *, to: tuple[float, float] = (0, 0)) -> Move:
    return Move(units=(across, down), to=Position(x_px=to[0], y_px=to[1]), crop=AREA, window=WINDOW)


class Sent:
    """Keeps what is sent, and follows the pointer."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.dragged = [0, 0]
        self._at = (0, 0)
        self._held = False

    def __call__(self, *commands: str) -> None:
        for command in commands:
            self.commands.append(command)
            word, *rest = command.split()
            if word == "mousemove":
                there = (int(rest[0]), int(rest[1]))
                if self._held:
                    assert 100 <= there[0] <= 500
                    assert 50 <= there[1] <= 250
                    self.dragged = [self.dragged[axis] + there[axis] - self._at[axis] for axis in (0, 1)]
                self._at = there
            self._held = word == "mousedown" or (self._held and word != "mouseup")


def test_keys_are_pressed_as_often_as_needed() -> None:
    sent = Sent()
    scroll = KeyScroll(px_per_press=(20, 12.5), pause_ms=0)
    scroll.move(sent, _move(-3, 2))
    assert sent.commands == ["key Left"] * 3 + ["key Down"] * 2


def test_a_step_is_rounded_to_whole_presses() -> None:
    scroll = KeyScroll(px_per_press=(20, 12.5))
    assert scroll.reachable(805, 0) == 800
    assert scroll.reachable(1, 1) == 12.5


def test_drags_stay_in_the_picture_and_add_up() -> None:
    for factor in (-1.0, 2.0):
        sent = Sent()
        scroll = DragScroll(camera_px_per_px=(factor, factor), pause_ms=0)
        scroll.move(sent, _move(1000, -346))
        assert sent.dragged == ([1000, -346] if factor > 0 else [-1000, 346])
        assert scroll.reachable(801, 0) in (801, 800, 802)


def test_the_halves_of_strokes_add_up_to_half_of_the_drag() -> None:
    area = Rect(x_px=48, y_px=0, width_px=1230, height_px=741)
    for units in ((1792, 896), (-1792, -896), (922, -1110), (2, 4)):
        sent: list[str] = []
        move = Move(units=units, to=Position(x_px=0, y_px=0), crop=area, window=area)
        DragScroll(camera_px_per_px=(0.5, 0.5), pause_ms=0).move(sent.append, move)
        places = [[int(word) for word in line.split()[1:]] for line in sent if line.startswith("mousemove")]
        middles, ends = places[1::3], places[2::3]
        assert len(middles) == len(ends) >= 1
        for axis in (0, 1):
            assert sum(end[axis] - middle[axis] for middle, end in zip(middles, ends, strict=True)) == units[axis] / 2


def test_a_pixel_of_the_pointer_that_moves_the_camera_by_less_than_one_is_dragged_all_the_same() -> None:
    scroll = DragScroll(camera_px_per_px=(-0.3, 0.05), pause_ms=0)
    for units, dragged in (((1, 0), [-1, 0]), ((0, -3), [0, -3]), ((7, 9), [-7, 9])):
        sent = Sent()
        scroll.move(sent, _move(*units))
        assert sent.dragged == dragged


def test_a_wheel_turns_over_the_map_sideways_or_with_a_key_held() -> None:
    sent = Sent()
    WheelScroll(px_per_notch=(40, -40), pause_ms=0).move(sent, _move(-2, 1))
    assert sent.commands == ["mousemove 300 150", "click 6", "click 6", "click 4"]
    sent = Sent()
    scroll = WheelScroll(px_per_notch=(40, 40), pause_ms=0, held=("ctrl",), held_across=("shift",), at=(7, 8))
    scroll.move(sent, _move(1, 1))
    assert sent.commands == [
        *["mousemove 7 8", "keydown ctrl", "keydown shift", "click 5", "keyup shift", "keyup ctrl"],
        *["keydown ctrl", "click 5", "keyup ctrl"],
    ]


def test_an_edge_is_pushed_and_left_again() -> None:
    sent = Sent()
    EdgeScroll(px_per_push=(100, 50), push_ms=0, pause_ms=0).move(sent, _move(-1, 2))
    assert sent.commands == [
        *["mousemove 40 150", "mousemove 300 150"],
        *["mousemove 300 329", "mousemove 300 150"] * 2,
    ]


def test_a_minimap_is_clicked_where_the_area_lies_and_never_beside_it() -> None:
    minimap = Rect(x_px=400, y_px=200, width_px=64, height_px=64)
    scroll = MinimapScroll(minimap=minimap, first=(402, 203), camera_px_per_px=(32, 16), hold_ms=1, pause_ms=0)
    sent = Sent()
    scroll.move(sent, _move(0, 0, to=(320, 160)))
    assert sent.commands == ["mousemove 412 213", "mousedown 1", "mouseup 1"]
    assert scroll.reachable(330, 0) == 320
    assert scroll.first_click() == ((402, 203), 1)
    with pytest.raises(PositionUnreachable, match="464,203, outside"):
        scroll.move(sent, _move(0, 0, to=(62 * 32, 0)))
