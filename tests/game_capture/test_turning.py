"""Worlds that wrap around, and worlds that only look as if they did: generated, so that the truth is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from game_capture.circling import Circling
from game_capture.loop import Axis
from game_capture.pilot import Pilot, View
from game_capture.turning import has_contrast
from game_capture.x11.scrolling import KeyScroll
from imageflow_domain.capture import EXACT, StoredFrame, Turn, Uncertainty
from imageflow_domain.geometry import Position, Size
from imageflow_domain.grid import Cell, Grid
from imageflow_mosaic.movement import FrameComparer
from imageflow_surveys.capture_order import capture_order

Pixels = NDArray[np.uint8]

VIEW = Size(width_px=320, height_px=256)
_TILE = 16
_ISLAND_TILES = 2.5


@cache
def world(width: int, height: int, seed: int = 0, sea: float = 0.5) -> Pixels:
    """Return land and sea that continue around all edges: RGB, shape (height, width, 3).

    Args:
        sea: Share of the world.
    """
    rng = np.random.default_rng(seed)
    rows, columns = height // _TILE, width // _TILE
    waves = np.fft.fft2(rng.standard_normal((rows, columns)))
    per_tile = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.fftfreq(columns)[None])
    heights = np.fft.ifft2(waves * np.exp(-((2 * np.pi * per_tile * _ISLAND_TILES) ** 2) / 2)).real
    is_land = heights > np.quantile(heights, sea)
    sprites = rng.integers(0, 256, (24, _TILE, _TILE, 3), np.uint8) // 2 + 100
    tiles = sprites[rng.integers(0, 24, (rows, columns))]
    tiles[~is_land] = texture(_TILE, _TILE, seed)
    return np.ascontiguousarray(tiles.swapaxes(1, 2).reshape(rows * _TILE, columns * _TILE, 3))


def texture(width: int, height: int, seed: int = 0) -> Pixels:
    """Return waves: blue, and without an end that shows where they are repeated."""
    rng = np.random.default_rng(seed + 1)
    waves = rng.integers(0, 40, ((height + 3) // 4, (width + 3) // 4)).repeat(4, axis=0).repeat(4, axis=1)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 2] = 100 + waves[:height, :width]
    return pixels


@dataclass
class Camera:
    """A camera over a world that continues around its edges, as far as it is let."""

    pixels: Pixels
    at: list[int] = field(default_factory=lambda: [0, 0])
    px: tuple[int, int] = (32, 16)
    loses: float = 0.0
    last: tuple[int, int] | None = None
    """Where an edge stops it, right and down; `None` where it goes on around the world."""
    dice: Random = field(default_factory=lambda: Random(3))  # noqa: S311  dice, no secret
    moves: int = 0

    def press(self, axis: Axis, presses: int, to: Position) -> None:
        number = 0 if axis is Axis.X else 1
        for _ in range(abs(presses)):
            self.moves += 1
            if self.dice.random() < self.loses:
                continue
            there = self.at[number] + self.px[number] * (1 if presses > 0 else -1)
            if self.last is None or 0 <= there <= self.last[number]:
                self.at[number] = there

    def look(self) -> View:
        return View(frame=seen_at(self.pixels, self.at[0], self.at[1]), is_settled=True)


def seen_at(pixels: Pixels, x: int, y: int) -> Pixels:
    rows = np.arange(y, y + VIEW.height_px) % pixels.shape[0]
    columns = np.arange(x, x + VIEW.width_px) % pixels.shape[1]
    return pixels[rows[:, None], columns[None]]


@dataclass
class Survey:
    """A survey in memory: the areas that were taken, and those beyond a turn."""

    camera: Camera
    step: tuple[int, int] = (224, 176)
    taken: dict[Cell, StoredFrame] = field(default_factory=dict)
    past: set[Cell] = field(default_factory=set)
    known: Turn = field(default_factory=Turn)

    def near(self, cell: Cell) -> Sequence[StoredFrame]:
        beside = [one for one in self.taken.values() if _is_beside(one.cell, cell)]
        return sorted(beside, key=lambda one: one.uncertainty.longest_px)[:3]

    def first(self, cell: Cell, *, is_row: bool, within_px: float) -> Sequence[StoredFrame]:
        def along(one: Cell) -> int:
            return one.col if is_row else one.row

        line = [one for one in self.taken.values() if (one.cell.row == cell.row) == is_row or not is_row]
        line = [one for one in line if along(one.cell) < along(cell) and (is_row or one.cell.col == cell.col)]
        line.sort(key=lambda one: along(one.cell))
        return [one for one in line if _far_px(one, line[0]) <= within_px]

    def has_other(self, cell: Cell, at: Position, within: Uncertainty) -> bool:
        return False

    def turn(self) -> Turn:
        return self.known

    def run(self, grid: Grid, order: Callable[[Sequence[Cell]], Sequence[Cell]]) -> None:
        home = tuple(self.camera.at)
        pilot = Pilot(
            press=self.camera.press,
            look=self.camera.look,
            press_px={Axis.X: float(self.camera.px[0]), Axis.Y: float(self.camera.px[1])},
            hop_px={Axis.X: self.step[0], Axis.Y: self.step[1]},
            view=VIEW,
            names=KeyScroll(px_per_press=self.camera.px),
            comparer=FrameComparer(),
            neighbours=self,
            sleep=lambda _s: None,
            clock=_Clock(),
        )
        step = Position(x_px=self.step[0], y_px=self.step[1])
        circling = Circling(pilot.go, step=step, view=VIEW, comparer=FrameComparer(), stored=self)
        for cell in order(tuple(grid.cells())):
            to = Position(x_px=cell.col * self.step[0], y_px=cell.row * self.step[1])
            if circling.is_past(cell, to):
                self.past.add(cell)
                continue
            reached = circling.go(cell, to)
            if circling.is_past(cell, to):
                self.past.add(cell)
            else:
                assert reached.uncertainty is not None
                frame = StoredFrame(
                    cell=cell, frame=reached.view.frame, position=reached.position, uncertainty=reached.uncertainty
                )
                self.taken[cell] = frame
                if reached.uncertainty == EXACT and reached.is_there:
                    truth = (self.camera.at[0] - home[0], self.camera.at[1] - home[1])
                    assert (reached.position.x_px, reached.position.y_px) == truth
            self.known = circling.learnt or self.known


class _Clock:
    """Goes on by half a second at each look."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def __call__(self) -> float:
        self._now_s += 0.5
        return self._now_s


def _is_beside(one: Cell, other: Cell) -> bool:
    return one != other and max(abs(one.row - other.row), abs(one.col - other.col)) == 1


def _far_px(one: StoredFrame, first: StoredFrame) -> float:
    far_x, far_y = one.position.x_px - first.position.x_px, one.position.y_px - first.position.y_px
    return max(abs(far_x), abs(far_y))


def _snake(cells: Sequence[Cell]) -> Sequence[Cell]:
    return capture_order(cells, at=Cell(row=0, col=0), step_by_step=True)


def _row_by_row(cells: Sequence[Cell]) -> Sequence[Cell]:
    return sorted(cells)


@pytest.mark.parametrize("loses", [0.0, 0.1])
@pytest.mark.parametrize("order", [_snake, _row_by_row])
@pytest.mark.parametrize(("turn_px", "phase"), [(1280, 0), (1312, 96), (1408, 640), (1600, 1000)])
def test_the_rest_of_a_row_lies_outside_once_the_world_begins_again(
    turn_px: int, phase: int, order: Callable[[Sequence[Cell]], Sequence[Cell]], loses: float
) -> None:
    survey = Survey(Camera(pixels=world(turn_px, 1920, seed=phase), at=[phase, 640], loses=loses))
    survey.run(Grid(rows=3, cols=11), order)
    assert survey.known in (Turn(x_px=turn_px), Turn()), "uncertain turns are not given to other games"
    assert survey.past == {Cell(row=row, col=col) for row in range(3) for col in range(11) if col * 224 >= turn_px - 16}


def test_a_world_that_wraps_down_ends_after_a_turn_too() -> None:
    survey = Survey(Camera(pixels=world(4000, 1120, seed=4), at=[640, 320]))
    survey.run(Grid(rows=9, cols=3), _snake)
    assert survey.known == Turn(y_px=1120)
    assert survey.past == {Cell(row=row, col=col) for row in range(9) for col in range(3) if row * 176 >= 1120 - 16}


def test_a_turn_that_another_game_has_seen_spares_the_moves() -> None:
    camera = Camera(pixels=world(1280, 1920))
    survey = Survey(camera, known=Turn(x_px=1280))
    survey.run(Grid(rows=1, cols=11), _row_by_row)
    assert camera.at[0] == 5 * 224
    assert survey.past == {Cell(row=0, col=col) for col in range(6, 11)}


@pytest.mark.parametrize("sea", [0.5, 0.8])
@pytest.mark.parametrize("seed", range(4))
def test_a_world_that_ends_has_no_turn(seed: int, sea: float) -> None:
    pixels = world(1600, 1920, seed=seed, sea=sea)
    survey = Survey(Camera(pixels=pixels, last=(1600 - VIEW.width_px, 1920 - VIEW.height_px)))
    survey.run(Grid(rows=4, cols=11), _snake)
    assert survey.known == Turn()
    assert not survey.past


@pytest.mark.parametrize("side_px", [16, 48, 240, 256, 512, 704, 1024])
def test_waves_that_repeat_are_no_turn(side_px: int) -> None:
    survey = Survey(Camera(pixels=texture(side_px, side_px)))
    survey.run(Grid(rows=3, cols=12), _snake)
    assert survey.known == Turn()
    assert not survey.past


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("period_px", [704, 960])
def test_land_behind_a_sea_that_repeats_is_taken(period_px: int, seed: int) -> None:
    pixels = np.tile(texture(period_px, 960, seed), (2, 4, 1))
    land = world(1280, 1920, seed=seed)
    pixels[:960, 2400:] = np.tile(land, (1, 2, 1))[:960, : pixels.shape[1] - 2400]
    survey = Survey(Camera(pixels=pixels))
    survey.run(Grid(rows=3, cols=13), _snake)
    assert not survey.past


@pytest.mark.parametrize("apart_px", [704, 800, 960, 1216])
def test_an_island_that_is_drawn_twice_is_no_turn(apart_px: int) -> None:
    pixels = np.tile(texture(16, 16), (120, 200, 1))
    island = world(640, 640, seed=5, sea=0.3)[:208, :256]
    for left in (32, 32 + apart_px):
        pixels[32 : 32 + island.shape[0], left : left + island.shape[1]] = island
    survey = Survey(Camera(pixels=pixels))
    survey.run(Grid(rows=2, cols=12), _snake)
    assert survey.known == Turn()
    assert not survey.past


def test_land_and_sea_side_by_side_tell_and_waves_and_grass_do_not() -> None:
    coast = np.concatenate([texture(160, 256), np.full((256, 160, 3), (60, 160, 40), np.uint8)], axis=1)
    assert has_contrast(coast)
    assert not has_contrast(texture(320, 256))
    assert not has_contrast(np.random.default_rng(1).integers(0, 256, (256, 320, 3), np.uint8))
