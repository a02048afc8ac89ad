"""Pictures in no order are arranged exactly, and pictures that do not belong are recognised."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest

from imageflow_domain.geometry import Rect, Size
from imageflow_domain.grid import Grid
from imageflow_mosaic.arrangement import Arrangement, arrange
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.groups import Group
from tests.mosaic.worlds import SIDE, Corner, Surveyed, city, land, real, view
from tests.thorough import repeated

Named = Mapping[str, Pixels]


def shuffled(surveyed: Surveyed, seed: int = 5) -> tuple[dict[str, Pixels], dict[str, Corner]]:
    """Give pictures names that mean nothing, and where each truly lies."""
    every = sorted(surveyed.pictures)
    cells = [every[number] for number in np.random.default_rng(seed).permutation(len(every))]
    names = {cell: f"shot {number:03d}.png" for number, cell in enumerate(cells)}
    return (
        {names[cell]: surveyed.pictures[cell] for cell in cells},
        {names[cell]: surveyed.truth[cell] for cell in cells},
    )


def arranged(pictures: Named, masks: tuple[Rect, ...] = ()) -> Arrangement:
    return arrange(list(pictures), pictures.__getitem__, masks)


def shifts(group: Group, truth: Mapping[str, Corner]) -> Counter[tuple[float, float]]:
    """Count by how much a group's positions differ from the truth: one shift where all are exact."""
    return Counter(
        (one.position.x_px - truth[one.name][0], one.position.y_px - truth[one.name][1]) for one in group.pictures
    )


@pytest.mark.parametrize("name", repeated(["openttd-keys"], thorough=["openttd-small", "openttd-keys"]))
def test_shuffled_frames_of_a_real_game_are_all_placed_exactly_in_their_grid(name: str) -> None:
    pictures, truth = shuffled(real(name, "nominal").corner())
    found = arranged(pictures)
    (group,) = found.groups
    assert {one.name for one in group.pictures} == pictures.keys()
    assert len(shifts(group, truth)) == 1
    assert {one.cell for one in group.pictures} == set(Grid(rows=SIDE, cols=SIDE).cells())
    assert group.neighbours == group.overlaps
    assert (found.strays, found.doubles) == ((), ())


@pytest.mark.parametrize("name", repeated(["openttd-running"], thorough=["openttd-water", "openttd-running"]))
def test_islands_become_groups_whose_places_are_exact_and_open_water_none(name: str) -> None:
    surveyed = real(name, "nominal")
    pictures, truth = shuffled(surveyed)
    found = arranged(pictures)
    first, second, *_ = (len(group.pictures) for group in found.groups)
    assert first >= 15
    assert second == 4
    for group in found.groups:
        assert len(shifts(group, truth)) == 1
    accounted = [one.name for group in found.groups for one in group.pictures]
    assert sorted([*accounted, *found.strays, *(double.name for double in found.doubles)]) == sorted(pictures)


def test_doubles_and_frames_from_elsewhere_are_told_apart() -> None:
    ours, truth = shuffled(real("openttd-small", "nominal").corner())
    others, _ = shuffled(real("openttd-water", "nominal"), seed=8)
    strangers = {f"other {name}": picture for name, picture in list(others.items())[:6]}
    twice = {f"zz copy of {name}": ours[name].copy() for name in list(ours)[:5]}
    found = arranged({**ours, **strangers, **twice})
    assert {one.name for one in found.groups[0].pictures} == ours.keys()
    assert len(shifts(found.groups[0], truth)) == 1
    assert {f"zz copy of {double.of}": double.name for double in found.doubles if double.name in twice} == {
        name: name for name in twice
    }
    assert not found.strays or set(found.strays) <= strangers.keys()


def test_a_place_seen_again_while_something_moves_is_a_double() -> None:
    world = land(600, 900)
    pictures = {name: view(world, x, 40, 400, 300) for name, x in (("a", 0), ("b", 200), ("c", 400))}
    later = pictures["b"].copy()
    later[100:110, 100:140] = 7  # a car
    found = arranged({**pictures, "later": later})
    assert [(double.name, double.of) for double in found.doubles] == [("later", "b")]
    assert [one.name for one in found.groups[0].pictures] == ["a", "b", "c"]


def test_a_display_over_every_picture_joins_nothing_once_it_is_masked() -> None:
    surveyed = city(Grid(rows=5, cols=5), view=(640, 512), drift_px=12, water=0.0, hud=True, overlap_px=(220, 180))
    pictures, truth = shuffled(surveyed)
    found = arranged(pictures, surveyed.masks)
    (group,) = found.groups
    assert len(group.pictures) == 25
    assert len(shifts(group, truth)) == 1


@pytest.mark.parametrize("seed", repeated([0, 1], thorough=[0, 1, 2, 3]))
def test_no_group_is_ever_wrong_where_a_city_repeats_its_houses(seed: int) -> None:
    """Narrow overlaps of small pictures, in which single houses repeat: undecidable ones are left alone."""
    surveyed = city(Grid(rows=8, cols=8), seed=seed + 50, view=(320, 256), drift_px=8, water=0.1 + 0.2 * (seed % 2))
    pictures, truth = shuffled(surveyed)
    for group in arranged(pictures).groups:
        assert len(shifts(group, truth)) == 1


def test_a_crowd_at_random_places_is_exact_and_keeps_neighbours() -> None:
    world = land(1500, 2000)
    rng = np.random.default_rng(3)
    corners = {f"{n}": (int(rng.integers(1500)), int(rng.integers(1100))) for n in range(50)}
    pictures = {name: view(world, x, y, 480, 384) for name, (x, y) in corners.items()}
    found = arranged(pictures)
    (group,) = found.groups
    assert len(group.pictures) == 50
    assert len(shifts(group, corners)) == 1
    assert len({one.cell for one in group.pictures}) == 50
    assert group.neighbours > len(group.pictures)


def test_the_order_of_names_decides_no_position() -> None:
    surveyed = city(Grid(rows=4, cols=4), view=(640, 512), drift_px=12, water=0.0, overlap_px=(220, 180))
    one, truth = shuffled(surveyed, seed=1)
    other, truth_of_other = shuffled(surveyed, seed=2)
    for pictures, true in ((one, truth), (other, truth_of_other)):
        (group,) = arranged(pictures).groups
        assert len(shifts(group, true)) == 1


def test_pictures_of_two_sizes_join_one_group() -> None:
    world = land(600, 600)
    corners = {"a": (0, 0), "b": (150, 60)}
    found = arranged({"a": view(world, 0, 0, 400, 300), "b": view(world, 150, 60, 320, 240)})
    (group,) = found.groups
    assert [one.size for one in group.pictures] == [
        Size(width_px=400, height_px=300),
        Size(width_px=320, height_px=240),
    ]
    assert len(shifts(group, corners)) == 1


def test_nothing_comes_of_nothing_and_of_a_single_picture() -> None:
    assert arranged({}).groups == ()
    assert arranged({"only": view(land(600, 600), 0, 0, 400, 300)}).strays == ("only",)
