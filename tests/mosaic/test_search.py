"""Screenshots far from where they are believed to lie are found, exactly; undecidable ones are left alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import pytest

from imageflow_domain.capture import Uncertainty
from imageflow_domain.geometry import Position, Size
from imageflow_domain.grid import Cell, Grid
from imageflow_domain.placement import Placement, PlacementStatus
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.placement import place
from imageflow_mosaic.placing import PlacedShots, place_shots
from imageflow_mosaic.search import MOST_SOUGHT, Searched, search
from tests.mosaic.worlds import Corner, Surveyed, city, real
from tests.thorough import repeated

Shift = Callable[[Cell], Corner]
REACH_PX = 64
DRIFT_PX = 104
"""Nominal positions of the real sets are up to so far off by themselves."""
A_VIEW = Uncertainty(x_px=1024, y_px=768)


def falsified(surveyed: Surveyed, shift: Shift) -> Surveyed:
    """Believe each screenshot to lie somewhere else."""
    areas = []
    for area in surveyed.areas:
        assert area.position is not None
        dx, dy = shift(area.cell)
        areas.append(replace(area, position=Position(x_px=area.position.x_px + dx, y_px=area.position.y_px + dy)))
    return replace(surveyed, areas=areas)


def three_lost_presses(cell: Cell) -> Corner:
    """Row by row, the camera misses a press to the right, later another one, and one downwards."""
    number = 6 * cell.row + cell.col
    return (160 * ((number >= 9) + (number >= 20)), 128 * (number >= 27))


def as_believed(cell: Cell) -> Corner:
    return (0, 0)


def last_row_at_the_edge(cell: Cell) -> Corner:
    return (320, -160) if cell.row == 5 else (0, 0)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A survey that was placed, and how many of its screenshots neighbours alone had anchored."""

    surveyed: Surveyed
    before: int
    shots: PlacedShots

    @property
    def anchored(self) -> int:
        return sum(p.status is PlacementStatus.ANCHORED for p in self.shots.placements)

    @property
    def wrong(self) -> list[Cell]:
        """Anchored screenshots that do not lie at their true places."""
        errors = self.surveyed.errors(self.shots.placements)
        return [
            p.cell for p in self.shots.placements if p.status is PlacementStatus.ANCHORED and errors[p.cell] != (0, 0)
        ]


def view_of(surveyed: Surveyed) -> Size:
    height, width = next(iter(surveyed.pictures.values())).shape[:2]
    return Size(width_px=width, height_px=height)


def placed(surveyed: Surveyed, *, reach_px: int = REACH_PX) -> Outcome:
    view = view_of(surveyed)
    pairs = surveyed.pairs(reach_px)
    before = place(surveyed.areas, pairs, reach_px=reach_px).placements
    shots = place_shots(
        surveyed.areas,
        pairs,
        surveyed.pictures.__getitem__,
        view=view,
        masks=surveyed.masks,
        reach_px=reach_px,
        reach=lambda _: A_VIEW,
        overlays=tuple,
    )
    assert not surveyed.wrong(shots.searched.offsets)
    assert all(pair.was_searched for pair in shots.searched.offsets)
    return Outcome(surveyed=surveyed, before=sum(p.status is PlacementStatus.ANCHORED for p in before), shots=shots)


@pytest.mark.parametrize(
    ("name", "shift"),
    repeated(
        [("openttd-keys", three_lost_presses), ("openttd-small", last_row_at_the_edge)],
        thorough=[*product(("openttd-keys", "openttd-small"), (three_lost_presses, last_row_at_the_edge))],
    ),
)
def test_frames_that_lie_hundreds_of_pixels_off_are_all_anchored_exactly(name: str, shift: Shift) -> None:
    surveyed = real(name, "nominal")
    outcome = placed(falsified(surveyed, shift))
    assert outcome.before < 36
    assert outcome.anchored == 36
    assert not outcome.wrong
    found = {p.cell: p.found_off for p in outcome.shots.placements if p.found_off is not None}
    assert outcome.shots.searched.sought == tuple(sorted(found))
    assert len(found) == 36 - outcome.before
    (stayed,) = {shift(area.cell) for area in surveyed.areas if area.cell not in found}
    for cell, off in found.items():
        dx, dy = shift(cell)
        assert abs(off.dx_px + dx - stayed[0]) <= DRIFT_PX
        assert abs(off.dy_px + dy - stayed[1]) <= DRIFT_PX


@pytest.mark.parametrize(
    ("name", "shift"),
    repeated(
        [("openttd-running", last_row_at_the_edge)],
        thorough=[*product(("openttd-water", "openttd-running"), (as_believed, last_row_at_the_edge))],
    ),
)
def test_open_water_that_is_searched_for_is_never_anchored_wrongly(name: str, shift: Shift) -> None:
    outcome = placed(falsified(real(name, "drift"), shift), reach_px=24)
    assert outcome.anchored >= outcome.before
    assert not outcome.wrong


@pytest.mark.parametrize("seed", repeated([1], thorough=[1, 2, 3]))
def test_lakes_of_a_city_whose_positions_are_wrong_prove_nothing(seed: int) -> None:
    """Only one place within reach is allowed where the true one lies outside: that must not count as a proof."""
    parameters = {"view": (400, 320), "drift_px": 8, "water": 0.3, "overlap_px": (100, 90)}
    surveyed = city(Grid(rows=6, cols=6), seed=170 + seed, **parameters)
    outcome = placed(falsified(surveyed, three_lost_presses), reach_px=16)
    assert outcome.anchored > outcome.before
    assert not outcome.wrong


def test_where_all_are_anchored_nothing_is_read() -> None:
    surveyed = real("openttd-small", "nominal")
    placements = place(surveyed.areas, surveyed.pairs(24), reach_px=24).placements

    def refuse(cell: Cell) -> Pixels:
        raise AssertionError(f"{cell} was read")

    view = Size(width_px=1024, height_px=768)
    assert search(placements, refuse, view=view, masks=(), reach=lambda _: A_VIEW) == Searched()


def test_nothing_is_looked_for_farther_away_than_a_frame_may_lie() -> None:
    surveyed = falsified(real("openttd-keys", "nominal"), last_row_at_the_edge)
    first = place(surveyed.areas, surveyed.pairs(REACH_PX), reach_px=REACH_PX).placements
    view, near = Size(width_px=1024, height_px=768), Uncertainty(x_px=100, y_px=100)
    searched = search(first, surveyed.pictures.__getitem__, view=view, masks=(), reach=lambda _: near)
    assert (searched.offsets, len(searched.sought)) == ((), 6)


def test_of_too_many_frames_those_nearest_to_the_map_are_searched_for() -> None:
    black = city(Grid(rows=1, cols=1), view=(64, 64), drift_px=0, overlap_px=(32, 32)).pictures[Cell(row=0, col=0)] * 0
    places = [
        Placement(
            cell=Cell(row=0, col=col),
            x_px=40 * col,
            y_px=0,
            confidence=1.0,
            status=PlacementStatus.ANCHORED if col == 0 else PlacementStatus.AMBIGUOUS,
            group=col,
        )
        for col in range(MOST_SOUGHT + 3)
    ]
    view = Size(width_px=64, height_px=64)
    searched = search(places, lambda _: black, view=view, masks=(), reach=lambda _: A_VIEW)
    assert searched.sought == tuple(Cell(row=0, col=col) for col in range(1, MOST_SOUGHT + 1))
    assert (searched.offsets, searched.left_out) == ((), 2)
