"""Changed places between two surveys, against the city itself, which says what was rebuilt."""

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from imageflow_clients.stores import Stores
from imageflow_domain.errors import Conflict, InvalidInput, NotReady
from imageflow_domain.geometry import Rect
from imageflow_domain.survey import Survey
from imageflow_surveys import changes as changes_module
from imageflow_surveys.animation import SaveOverTime, animate, save_over_time
from imageflow_surveys.changes import changes_between
from imageflow_surveys.image import read_region
from imageflow_surveys.remove import remove_survey
from tests.surveys.cities import city, placed, published, truth_of

GRID = {"grid": "8x4"}
REBUILT = {"changes": 1.0, "changes_within": [600, 200, 300, 250]}


def _differs(stores: Stores, survey: Survey, since: Survey) -> NDArray[np.bool_]:
    """Return where the city itself differs, over the bounds that both share; both cover all of it."""
    bounds = survey.placed().bounds.intersection(since.placed().bounds)
    assert bounds is not None
    pictures = [truth_of(stores, one).picture(bounds) for one in (survey, since)]
    return np.any(pictures[0] != pictures[1], axis=2)


@pytest.fixture(scope="module")
def years(stores: Stores) -> tuple[Survey, Survey, Survey]:
    """A city, a year in which one neighbourhood was rebuilt, and the same year again."""
    first = published(stores, city("grows", seed=11, **GRID))
    second = published(stores, city("grows", seed=11, **GRID, year=1, **REBUILT))
    third = published(stores, city("grows", seed=11, drift_seed=3, **GRID, year=1, **REBUILT))
    return first, second, third


def test_changes_are_exactly_the_pixels_that_the_city_rebuilt(
    stores: Stores, years: tuple[Survey, Survey, Survey]
) -> None:
    first, second, _ = years
    differs = _differs(stores, second, first)
    found = changes_between(stores, second, first)
    bounds = second.placed().bounds
    assert found.exact
    assert found.changed_px == int(differs.sum()) > 0
    assert [place.changed_px for place in found.places] == sorted(
        (place.changed_px for place in found.places), reverse=True
    )
    inside = np.zeros_like(differs)
    for place in found.places:
        rect = place.bounds
        part = np.s_[
            rect.y_px - bounds.y_px : rect.bottom_px - bounds.y_px,
            rect.x_px - bounds.x_px : rect.right_px - bounds.x_px,
        ]
        inside[part] = True
        assert differs[part].any(axis=1)[[0, -1]].all()
        assert differs[part].any(axis=0)[[0, -1]].all()
    assert not (differs & ~inside).any()
    # the neighbourhood that was rebuilt, and what its districts reach to, but not the whole city
    assert max(place.bounds.right_px for place in found.places) - bounds.x_px < 1600


def test_a_survey_taken_otherwise_of_the_same_city_shows_no_change(
    stores: Stores, years: tuple[Survey, Survey, Survey]
) -> None:
    _, second, third = years
    found = changes_between(stores, third, second)
    assert (found.places, found.changed_tiles, found.changed_px) == ((), 0, 0)
    assert found.compared_tiles > 0


def test_changes_are_the_same_both_ways_around_and_through_layers_over_layers(
    stores: Stores, years: tuple[Survey, Survey, Survey]
) -> None:
    first, second, third = years
    there = changes_between(stores, second, first)
    assert changes_between(stores, first, second).places == there.places
    assert changes_between(stores, third, first).places == there.places


@pytest.mark.parametrize("most", [1, 0])
def test_of_very_many_changed_tiles_a_smaller_zoom_is_compared(
    stores: Stores, years: tuple[Survey, Survey, Survey], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    first, second, third = years
    exact = changes_between(stores, second, first)
    assert exact.changed_tiles > 1
    monkeypatch.setattr(changes_module, "MOST_TILES", most)
    found = changes_between(stores, second, first)
    assert not found.exact
    assert found.places
    assert found.changed_tiles >= exact.changed_tiles
    around = [place.bounds for place in exact.places]
    left, top = min(r.x_px for r in around) - 512, min(r.y_px for r in around) - 512
    right, bottom = max(r.right_px for r in around) + 512, max(r.bottom_px for r in around) + 512
    for place in found.places:
        assert left <= place.bounds.x_px < place.bounds.right_px <= right
        assert top <= place.bounds.y_px < place.bounds.bottom_px <= bottom
    largest = exact.places[0].bounds
    assert any(place.bounds.intersection(largest) for place in found.places)
    assert changes_between(stores, third, second).places == ()


def test_a_smaller_survey_is_compared_where_both_show_something(stores: Stores) -> None:
    world = {"world": [4000, 1000]}
    first = published(stores, city("shrinks", seed=5, grid="10x3", **world))
    second = published(stores, city("shrinks", seed=5, grid="5x3", **world))
    found = changes_between(stores, second, first)
    assert found.places == ()
    assert found.only_in_since > 0


def test_changes_survive_the_deletion_of_a_survey_between(stores: Stores) -> None:
    one = published(stores, city("chain", seed=12, **GRID))
    two = published(stores, city("chain", seed=12, **GRID, year=1, **REBUILT))
    three = published(stores, city("chain", seed=12, **GRID, year=2, **REBUILT))
    before = changes_between(stores, three, one)
    remove_survey(stores, two)
    assert changes_between(stores, three, one) == before
    assert before.changed_px == int(_differs(stores, three, one).sum())


def test_surveys_in_different_frames_are_not_compared(stores: Stores) -> None:
    one = published(stores, city("moves", seed=1))
    two = published(stores, city("moves", seed=2))
    with pytest.raises(Conflict, match="cannot be compared"):
        changes_between(stores, two, one)


def test_surveys_of_different_saves_or_without_a_map_are_not_compared(stores: Stores) -> None:
    one = published(stores, city("mine", seed=1))
    other = published(stores, city("yours", seed=1))
    with pytest.raises(Conflict, match="different saves"):
        changes_between(stores, other, one)
    unfinished, _ = placed(stores, city("mine", seed=1))
    with pytest.raises(NotReady):
        changes_between(stores, unfinished, one)


def _frames(data: bytes) -> list[NDArray[np.uint8]]:
    with Image.open(BytesIO(data)) as picture:
        frames = []
        for number in range(getattr(picture, "n_frames", 1)):
            picture.seek(number)
            frames.append(np.asarray(picture.convert("RGB")))
        return frames


def test_an_animation_shows_each_year_s_own_pixels(stores: Stores, years: tuple[Survey, Survey, Survey]) -> None:
    first, second, _ = years
    bounds = second.placed().bounds
    place = changes_between(stores, second, first).places[0].bounds
    region = Rect(x_px=place.x_px, y_px=place.y_px, width_px=200, height_px=150).intersection(bounds)
    assert region is not None
    over_time = save_over_time(stores, "city", "grows")
    assert [s.id for s in over_time.surveys] == [s.id for s in years]
    moving = _frames(animate(stores, over_time, region, max_side_px=512, frame_ms=300, kind="webp"))
    truths = [truth_of(stores, survey).picture(region) for survey in (first, second)]
    assert not np.array_equal(*truths)
    np.testing.assert_array_equal(moving[0], truths[0])
    np.testing.assert_array_equal(moving[1], truths[1])
    np.testing.assert_array_equal(moving[-1], truths[1])


def test_a_gif_shows_as_many_surveys_in_the_size_asked_for(
    stores: Stores, years: tuple[Survey, Survey, Survey]
) -> None:
    first, second, _ = years
    bounds = first.placed().bounds
    data = animate(stores, SaveOverTime(surveys=(first, second)), bounds, max_side_px=256, frame_ms=200, kind="gif")
    frames = _frames(data)
    assert len(frames) == 2
    assert max(frames[0].shape[:2]) == 256
    # a shrunk picture is the mean of its pixels: compared with the survey's own region, shrunk by Pillow
    whole = Image.fromarray(read_region(stores, first, bounds).rgb)
    small = np.asarray(whole.resize(frames[0].shape[1::-1], Image.Resampling.BOX), np.float64)
    assert np.abs(small - frames[0]).mean() < 12


def test_an_animation_is_bounded(stores: Stores, years: tuple[Survey, Survey, Survey]) -> None:
    side_px = years[0].placed().frame.side_px
    outside = Rect(x_px=0, y_px=0, width_px=10, height_px=10)
    with pytest.raises(InvalidInput, match="outside the maps"):
        animate(stores, SaveOverTime(surveys=years), outside, max_side_px=64, frame_ms=100, kind="gif")
    beyond = Rect(x_px=0, y_px=0, width_px=2**31 - 1, height_px=2**31 - 1)
    with pytest.raises(InvalidInput, match="does not lie inside"):
        animate(stores, SaveOverTime(surveys=years), beyond, max_side_px=64, frame_ms=100, kind="gif")
    whole = Rect(x_px=0, y_px=0, width_px=side_px, height_px=side_px)
    with pytest.raises(InvalidInput, match="smaller max_side"):
        animate(stores, SaveOverTime(surveys=years * 20), whole, max_side_px=1024, frame_ms=100, kind="webp")
    with pytest.raises(NotReady):
        save_over_time(stores, "city", "nothing")
