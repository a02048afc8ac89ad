"""How far a camera moved, seen on recorded frames: right, or not at all."""

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from game_capture.loop import Axis, Belief, Move, Rules, moved
from imageflow_domain.capture import Movement
from imageflow_domain.geometry import Offset, Position, Rect
from imageflow_mosaic.codec import decode_picture
from imageflow_mosaic.movement import FrameComparer

DATA = Path(__file__).parents[1] / "data"
STEP = (832, 608)
PRESS = (64.0, 32.0)
RULES = Rules(
    press_px=dict(zip(Axis, PRESS, strict=True)),
    hop_px=dict(zip(Axis, (float(step) for step in STEP), strict=True)),
)

Sight = tuple[Axis, Offset, Movement | None]


@cache
def sights(name: str, lost: int = 0) -> tuple[Sight, ...]:
    """For each pair of neighbours: the axis of the move, how far it truly went, and what was seen.

    Args:
        lost: Presses that were sent beyond those that took effect.
    """
    return tuple(_sights(DATA / name, lost))


def _sights(folder: Path, lost: int) -> Iterator[Sight]:
    rows = list(csv.DictReader((folder / "truth.csv").open()))
    frames: dict[tuple[int, int], NDArray[np.uint8]] = {}
    true: dict[tuple[int, int], Offset] = {}
    for row in rows:
        cell = int(row["row"]), int(row["col"])
        frames[cell] = decode_picture((folder / row["file"]).read_bytes())
        true[cell] = Offset(dx_px=int(row["true_x"]), dy_px=int(row["true_y"]))
    comparer = FrameComparer()
    for cell in frames:
        for axis, other in ((Axis.X, (cell[0], cell[1] + 1)), (Axis.Y, (cell[0] + 1, cell[1]))):
            if other in frames:
                half = (STEP[axis is Axis.Y] + round(lost * PRESS[axis is Axis.Y])) // 2
                middle = Offset(dx_px=half, dy_px=0) if axis is Axis.X else Offset(dx_px=0, dy_px=half)
                seen = comparer.compare(frames[cell], frames[other], middle, 3 * half // 2 + 64)
                yield axis, true[other] - true[cell], seen


@pytest.mark.parametrize(("name", "least"), [("openttd-water", 30), ("openttd-keys", 60)])
def test_a_movement_over_a_whole_range_is_seen_right_or_not_at_all(name: str, least: int) -> None:
    seen = [(true, movement) for _, true, movement in sights(name, 0) if movement is not None]
    assert all(movement.offset == true for true, movement in seen)
    assert sum(movement.is_only and movement.windows >= 24 for _, movement in seen) >= least


@pytest.mark.parametrize("lost", [0, 2])
def test_on_open_water_the_loop_never_makes_a_position_worse_than_dead_reckoning(lost: int) -> None:
    better = 0
    for axis, true, seen in sights("openttd-water", lost):
        move = Move(axis=axis, presses=lost + round(STEP[axis is Axis.Y] / PRESS[axis is Axis.Y]))
        belief = moved(Belief(at=Position(x_px=0.0, y_px=0.0)), move, seen, RULES)
        reckoned = RULES.expected_px(move)
        error = (abs(belief.at.x_px - true.dx_px), abs(belief.at.y_px - true.dy_px))
        before = (
            abs((reckoned if axis is Axis.X else 0.0) - true.dx_px),
            abs((reckoned if axis is Axis.Y else 0.0) - true.dy_px),
        )
        assert max(error) <= max(before)
        better += max(error) < max(before)
        if max(error) > 0:
            assert belief.uncertainty.longest_px > 0, "what was not seen is not sure"
    assert better >= (30 if lost else 0)


def test_a_frame_that_shows_nothing_tells_of_no_movement() -> None:
    plain = np.full((256, 320, 3), 90, np.uint8)
    assert FrameComparer().compare(plain, plain.copy(), Offset(dx_px=0, dy_px=0), 64) is None


def test_a_camera_at_rest_is_seen_to_be() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (32, 40, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    seen = FrameComparer().compare(noise, noise.copy(), Offset(dx_px=100, dy_px=0), 164)
    assert seen is not None
    assert (seen.offset, seen.is_only) == (Offset(dx_px=0, dy_px=0), True)
    assert seen.windows == 80


def test_a_texture_that_repeats_with_every_press_tells_of_no_movement() -> None:
    tile = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    field = np.tile(tile, (5, 8, 1))
    seen = FrameComparer().compare(field[:, :384], field[:, 64:448], Offset(dx_px=64, dy_px=0), 128)
    assert seen is None or not seen.is_only


def test_what_is_masked_supports_no_movement() -> None:
    noise = np.random.default_rng(3).integers(0, 256, (256, 640, 3), np.uint8)
    mask = Rect(x_px=0, y_px=0, width_px=320, height_px=128)
    seen = FrameComparer([mask]).compare(noise[:, :320], noise[:, 64:384], Offset(dx_px=64, dy_px=0), 96)
    assert seen is not None
    assert seen.windows == 8 * 4
