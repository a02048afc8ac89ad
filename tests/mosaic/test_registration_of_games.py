"""Registration of real frames: every placeable one is tied to the others, and no offset is ever wrong."""

from functools import cache
from itertools import cycle, product

import pytest

from imageflow_domain.geometry import Offset
from imageflow_domain.grid import Cell, Grid
from imageflow_domain.placement import PlacementStatus
from imageflow_mosaic.ambiguity import settle_ambiguous
from imageflow_mosaic.loops import open_loops
from imageflow_mosaic.placement import place
from imageflow_mosaic.registration import register
from tests.mosaic.worlds import REAL_SETS, Surveyed, city, real
from tests.thorough import repeated

REACH_PX = 160

CASES = repeated(
    [*zip(REAL_SETS, cycle(("nominal", "drift")), strict=False)], thorough=[*product(REAL_SETS, ("nominal", "drift"))]
)
"""Each set with one kind of believed positions; `make soak` takes both."""


@cache
def surveyed(name: str, believed: str) -> Surveyed:
    return real(name, believed)


@pytest.mark.parametrize(("name", "believed"), CASES)
def test_every_placeable_frame_is_anchored_and_exact(name: str, believed: str) -> None:
    survey = surveyed(name, believed)
    pairs = survey.pairs(REACH_PX)
    assert survey.wrong(pairs) == []
    assert all(pair.is_exact for pair in pairs), "content has no say where nothing was lost, running water or not"
    assert open_loops(pairs) == ()
    solution = place(survey.areas, pairs, reach_px=REACH_PX)
    assert solution.dropped == ()
    places = settle_ambiguous(solution, survey.areas, survey.pictures.__getitem__, masks=(), reach_px=REACH_PX)
    errors = survey.errors(places)
    anchored = {p.cell for p in places if p.status is PlacementStatus.ANCHORED}
    assert survey.placeable <= anchored
    assert {cell: errors[cell] for cell in anchored if errors[cell] != (0, 0)} == {}
    assert all(p.confidence >= 0.99 for p in places if p.cell in survey.placeable)
    assert [p.cell for p in places if p.confidence >= 0.99 and errors[p.cell] != (0, 0)] == []


@pytest.mark.parametrize("name", repeated(["openttd-small"], thorough=[*REAL_SETS]))
def test_frames_that_do_not_touch_are_never_registered(name: str) -> None:
    """Sprites, houses and woods repeat all over a map; each is tried as a right and as a lower neighbour."""
    prints = surveyed(name, "nominal").fingerprints()
    far = [
        (first, second)
        for first in prints
        for second in prints
        if max(abs(first.row - second.row), abs(first.col - second.col)) > 1 and (first.row + 3 * second.col) % 8 == 0
    ]
    assert len(far) > 100
    expected = (Offset(dx_px=832, dy_px=0), Offset(dx_px=0, dy_px=608))
    found = [
        (str(first), str(second))
        for number, (first, second) in enumerate(far)
        if register(prints[first], prints[second], expected[number % 2], REACH_PX) is not None
    ]
    assert found == []


@pytest.mark.parametrize("hud", [False, True])
def test_a_running_city_is_placed_whole(hud: bool) -> None:
    survey = city(Grid(cols=4, rows=3), seed=7, view=(640, 512), hud=hud, water=0.1)
    pairs = survey.pairs(48)
    assert survey.wrong(pairs) == []
    solution = place(survey.areas, pairs, reach_px=48)
    errors = survey.errors(solution.placements)
    anchored = [p.cell for p in solution.placements if p.status is PlacementStatus.ANCHORED]
    assert [cell for cell in anchored if errors[cell] != (0, 0)] == []
    assert len(anchored) == 12


def test_a_duplicate_frame_is_never_glued_on() -> None:
    survey = surveyed("openttd-small", "nominal")
    twice = Cell(row=2, col=3)
    pictures = dict(survey.pictures) | {twice: survey.pictures[Cell(row=2, col=2)]}
    copied = Surveyed(pictures=pictures, truth=survey.truth, areas=survey.areas)
    pairs = copied.pairs(REACH_PX)
    assert [p for p in pairs if twice in (p.reference, p.moving)] == []
    solution = place(copied.areas, pairs, reach_px=REACH_PX)
    places = settle_ambiguous(solution, copied.areas, pictures.__getitem__, masks=(), reach_px=REACH_PX)
    status = {p.cell: p.status for p in places}
    assert status.pop(twice) is PlacementStatus.AMBIGUOUS
    assert set(status.values()) == {PlacementStatus.ANCHORED}
    assert next(p.confidence for p in places if p.cell == twice) < 0.1
