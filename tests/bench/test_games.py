"""`make games` accepts no map with a hole, a seam or a failed check."""

from typing import Any

import pytest

from bench.games import GAMES, LEAST_EQUAL, is_right

RIGHT = {"taken": 16, "anchored": 16, "holes": 0, "wrong": 0, "least_equal": 1.0, "failed_checks": []}
STILL, MOVING = GAMES["lincity"], GAMES["widelands"]


def test_a_whole_map_whose_overlaps_agree_is_right() -> None:
    assert is_right(STILL, RIGHT)
    assert is_right(STILL, RIGHT | {"least_equal": LEAST_EQUAL})


@pytest.mark.parametrize(
    "wrong",
    [
        {"anchored": 15},
        {"holes": 1},
        {"wrong": 1},
        {"least_equal": LEAST_EQUAL - 0.001},
        {"failed_checks": ["loops_close"]},
    ],
    ids=lambda wrong: "".join(wrong),
)
def test_a_map_with_a_fault_is_wrong(wrong: dict[str, Any]) -> None:
    assert not is_right(STILL, RIGHT | wrong)


def test_a_survey_that_failed_is_wrong() -> None:
    assert not is_right(STILL, {"failed": "NoMap: a menu"})


def test_overlaps_may_differ_only_where_the_map_moves() -> None:
    seam = RIGHT | {"least_equal": 0.75}
    assert is_right(MOVING, seam)
    assert not is_right(MOVING, seam | {"failed_checks": ["loops_close"]})
    assert [name for name, game in GAMES.items() if game.moves] == ["widelands"]
