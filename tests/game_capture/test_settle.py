"""The settle rule against pictures that change on cue."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from game_capture.settle import SettleRule, settle, watch
from imageflow_domain.errors import GameNeverSettled
from imageflow_domain.geometry import Rect


class Clock:
    """A clock that only sleeping advances."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def showing(*values: int) -> Callable[[], NDArray[np.uint8]]:
    """Pictures of these grey values, the last one repeated."""
    left = list(values)

    def grab() -> NDArray[np.uint8]:
        return np.full((4, 6, 4), left.pop(0) if len(left) > 1 else left[0], dtype=np.uint8)

    return grab


def test_the_first_equal_pictures_are_taken() -> None:
    clock = Clock()
    picture = settle(showing(1, 2, 3, 3, 4), SettleRule(interval_s=0.5), clock=clock, sleep=clock.sleep)
    assert picture[0, 0, 0] == 3
    assert clock.now_s == 1.5


def test_more_equal_pictures_can_be_asked_for() -> None:
    clock = Clock()
    rule = SettleRule(equal_grabs=3)
    assert settle(showing(1, 1, 2, 2, 2), rule, clock=clock, sleep=clock.sleep)[0, 0, 0] == 2


def test_one_grab_takes_what_is_there() -> None:
    assert settle(showing(1, 2), SettleRule(equal_grabs=1))[0, 0, 0] == 1


def test_a_picture_that_never_stands_still_is_reported() -> None:
    clock = Clock()
    values = iter(range(100_000))
    with pytest.raises(GameNeverSettled, match="2 s"):
        settle(
            lambda: np.full((2, 2, 4), next(values) % 251, dtype=np.uint8),
            SettleRule(timeout_s=2.0),
            clock=clock,
            sleep=clock.sleep,
        )
    assert 2.0 <= clock.now_s < 2.1


def test_ignored_parts_may_keep_changing() -> None:
    count = iter(range(250))

    def grab() -> NDArray[np.uint8]:
        picture = np.zeros((8, 8, 4), dtype=np.uint8)
        picture[2:4, 5:9] = next(count)
        return picture

    inside = Rect(x_px=5, y_px=2, width_px=100, height_px=2)
    beside = Rect(x_px=-3, y_px=-3, width_px=4, height_px=4)
    clock = Clock()
    settle(grab, SettleRule(ignored=(inside, beside)), clock=clock, sleep=clock.sleep)
    with pytest.raises(GameNeverSettled):
        settle(grab, SettleRule(ignored=(beside,), timeout_s=1), clock=clock, sleep=clock.sleep)


def test_a_picture_that_is_only_watched_is_given_as_it_is_when_the_time_is_up() -> None:
    clock = Clock()
    values = iter(range(100_000))
    watched = watch(
        lambda: np.full((2, 2, 4), next(values) % 251, dtype=np.uint8),
        SettleRule(timeout_s=2.0, interval_s=1.0),
        clock=clock,
        sleep=clock.sleep,
    )
    assert (watched.is_settled, int(watched.picture[0, 0, 0])) == (False, 2)
    assert watch(showing(4, 4), SettleRule(), clock=clock, sleep=clock.sleep).is_settled


def test_where_something_always_moves_a_share_of_equal_pixels_is_enough() -> None:
    clock = Clock()
    values = iter(range(100))

    def grab() -> NDArray[np.uint8]:
        value = next(values)
        picture = np.full((4, 6, 4), value if value < 5 else 7, dtype=np.uint8)
        picture[:2] = value  # water over half of the picture; the camera stops at the sixth grab
        return picture

    watched = watch(grab, SettleRule(equal_share=0.5), clock=clock, sleep=clock.sleep)
    assert watched.is_settled
    assert watched.picture[0, 0, 0] == 6
    assert not watch(grab, SettleRule(equal_share=0.6, timeout_s=1), clock=clock, sleep=clock.sleep).is_settled
