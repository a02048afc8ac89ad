"""Keys and drags: what is sent adds up to the distance that was asked for."""

from game_capture.scrolling import Click, DragScroll, KeyScroll, Press
from imageflow_domain.geometry import Offset, Rect

AREA = Rect(x_px=100, y_px=50, width_px=400, height_px=200)


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
    scroll.move(sent, Offset(dx_px=-60, dy_px=25), AREA)
    assert sent.commands == ["key Left"] * 3 + ["key Down"] * 2


def test_keys_can_be_held() -> None:
    sent = Sent()
    Press(key="ctrl+p", hold_ms=1, pause_ms=0, count=2).perform(sent)
    assert sent.commands == ["keydown ctrl+p", "keyup ctrl+p"] * 2


def test_a_step_is_rounded_to_whole_presses() -> None:
    scroll = KeyScroll(px_per_press=(20, 12.5))
    assert scroll.reachable(805, 0) == 800
    assert scroll.reachable(1, 1) == 12.5


def test_drags_stay_in_the_picture_and_add_up() -> None:
    for factor in (-1.0, 2.0):
        sent = Sent()
        scroll = DragScroll(camera_px_per_px=(factor, factor))
        scroll.move(sent, Offset(dx_px=1000, dy_px=-346), AREA)
        assert sent.dragged == [1000 / factor, -346 / factor]
        assert scroll.reachable(801, 0) in (801, 800, 802)


def test_a_click_goes_to_its_place_first() -> None:
    sent = Sent()
    Click(at=(3, 4), button=2).perform(sent)
    assert sent.commands == ["mousemove 3 4", "click 2"]
