"""Surveys of JPEG screenshots: placed, shared, composed, compared and explained as those without loss are."""

from pathlib import Path

import numpy as np
import pytest

from imageflow_clients.database.maps import placements
from imageflow_clients.stores import Stores
from imageflow_domain.geometry import Offset, Rect
from imageflow_domain.grid import Cell
from imageflow_domain.placement import PairRefusal, PlacementStatus
from imageflow_domain.survey import Layer, Survey
from imageflow_mosaic.codec import Pixels
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks
from imageflow_surveys.changes import changes_between
from imageflow_surveys.image import read_region
from imageflow_surveys.shots import shots_of
from imageflow_surveys.trust import mostly_anchored
from imageflow_surveys.trust_report import trust_report
from tests.mosaic.lossy_frames import with_clock, with_watermark
from tests.mosaic.worlds import Surveyed, real
from tests.surveys.cities import carried, city, places_of, planned, published, reopened
from tests.surveys.lossy_folders import Draw, jpeg_folder, lossless_folder, shots, spec_of

MARK = Rect(x_px=380, y_px=330, width_px=150, height_px=40)
CLOCK = Rect(x_px=790, y_px=8, width_px=170, height_px=40)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jpeg")


@pytest.fixture(scope="module")
def first(stores: Stores, folders: Path) -> Survey:
    return _surveyed(stores, folders / "first", shots("openttd-small", corners=1), "jpeg")


def _surveyed(stores: Stores, folder: Path, survey: Surveyed, save: str, draw: Draw | None = None) -> Survey:
    written = jpeg_folder(folder, survey) if draw is None else jpeg_folder(folder, survey, draw=draw)
    return carried(stores, planned(stores, spec_of(written, save)))


def _errors(stores: Stores, survey: Survey, truth: Surveyed) -> set[Offset]:
    """How far anchored screenshots lie from the truth, each with the common shift."""
    return {
        Offset(dx_px=p.x_px - truth.truth[p.cell][0], dy_px=p.y_px - truth.truth[p.cell][1])
        for p in places_of(stores, survey)
        if p.status is PlacementStatus.ANCHORED
    }


def test_jpeg_screenshots_are_placed_to_the_pixel_and_say_how_sure_they_are(stores: Stores, first: Survey) -> None:
    places = places_of(stores, first)
    assert {p.status for p in places} == {PlacementStatus.ANCHORED}
    assert len(_errors(stores, first, shots("openttd-small", corners=1))) == 1
    assert all(0 < p.sigma_px < 0.1 for p in places if p.cell != _middle(stores, first))
    fidelity = first.placed().fidelity
    assert not fidelity.is_lossless
    assert fidelity.whole_pixels
    assert 5 < fidelity.noise < 15
    assert "half a pixel" in str(fidelity)


def _middle(stores: Stores, survey: Survey) -> Cell:
    return min(places_of(stores, survey), key=lambda place: place.sigma_px).cell


def test_offsets_have_fractions_and_errors_that_are_stored(stores: Stores, first: Survey) -> None:
    with stores.database.begin() as connection:
        pairs = placements.offsets(connection, first.id)
    assert pairs
    assert all(not pair.is_exact and pair.noise > 0 for pair in pairs)
    assert all(abs(pair.rest_x_px) < 0.2 and abs(pair.rest_y_px) < 0.2 for pair in pairs)
    assert any(pair.rest_x_px != 0 for pair in pairs)


def test_a_later_jpeg_survey_joins_the_map_and_nothing_has_changed(
    stores: Stores, first: Survey, folders: Path
) -> None:
    """Cut elsewhere, so that no block of the compression lies where it lay, and no byte of a tile is the same."""
    again = _surveyed(stores, folders / "again", shots("openttd-small", corners=2), "jpeg")
    assert again.placed().frame == first.placed().frame
    assert _errors(stores, again, shots("openttd-small", corners=2)) == _errors(
        stores, first, shots("openttd-small", corners=1)
    )
    changes = changes_between(stores, again, first)
    assert changes.compared_tiles > 20
    assert changes.places == ()


def test_a_house_that_was_built_meanwhile_is_the_only_change(stores: Stores, first: Survey, folders: Path) -> None:
    survey = shots("openttd-small", corners=3)
    left, top = survey.truth[Cell(row=1, col=1)]
    left, top = left + 400, top + 300

    def with_house(pixels: Pixels, cell: Cell) -> Pixels:
        x, y = left - survey.truth[cell][0], top - survey.truth[cell][1]
        drawn = pixels.copy()
        if -32 < x < pixels.shape[1] and -32 < y < pixels.shape[0]:
            drawn[max(0, y) : y + 32, max(0, x) : x + 32] = (200, 40, 40)
        return drawn

    built = _surveyed(stores, folders / "built", survey, "jpeg", with_house)
    (place,) = changes_between(stores, built, first).places
    shift = next(iter(_errors(stores, built, survey)))
    house = Rect(x_px=left, y_px=top, width_px=32, height_px=32).shifted(shift)
    assert place.bounds.intersection(house) is not None
    assert max(place.bounds.width_px, place.bounds.height_px) < 60


def test_a_lossless_survey_joins_the_map_of_a_lossy_one(stores: Stores, first: Survey, folders: Path) -> None:
    whole = real("openttd-small", "drift")
    folder = lossless_folder(folders / "lossless", "openttd-small")
    exact = carried(stores, planned(stores, spec_of(folder, "jpeg")))
    assert exact.placed().fidelity.is_lossless
    assert exact.placed().frame == first.placed().frame
    assert _errors(stores, exact, whole) == _errors(stores, first, shots("openttd-small", corners=1))


def test_the_map_is_nearer_to_the_game_s_own_picture_than_one_screenshot_is(stores: Stores, first: Survey) -> None:
    survey = shots("openttd-small", corners=1)
    cell, right = Cell(row=1, col=1), Cell(row=1, col=2)
    shift = next(iter(_errors(stores, first, survey)))
    mine, other = survey.truth[cell], survey.truth[right]
    shared = Rect(x_px=other[0], y_px=max(mine[1], other[1]), width_px=mine[0] + 1000 - other[0], height_px=600)
    truth = _cut(survey.pictures[cell], shared, mine)
    shown = read_region(stores, first, shared.shifted(shift)).rgb
    one = shots_of(stores, first).load(cell)
    assert _psnr(shown, truth) > _psnr(_cut(one, shared, mine), truth)


def _cut(pixels: Pixels, rect: Rect, corner: tuple[int, int]) -> Pixels:
    x, y = rect.x_px - corner[0], rect.y_px - corner[1]
    return pixels[y : y + rect.height_px, x : x + rect.width_px]


def _psnr(picture: Pixels, truth: Pixels) -> float:
    off = picture.astype(np.float64) - truth
    return float(10 * np.log10(255**2 / np.mean(off**2)))


def test_what_lies_over_every_screenshot_is_reported_as_masks(stores: Stores, folders: Path) -> None:
    def draw(pixels: Pixels, cell: Cell) -> Pixels:
        seconds = 3600 * 12 + 61 * (4 * cell.row + cell.col)
        return with_clock(with_watermark(pixels, MARK), CLOCK, seconds)

    survey = shots("openttd-small", corners=4)
    marked = _surveyed(stores, folders / "marked", survey, "marked", draw)
    assert len(_errors(stores, marked, survey)) == 1
    found = trust_report(stores, marked).overlays
    assert len(found) == 2
    assert all(any(one.intersection(drawn) is not None for one in found) for drawn in (MARK, CLOCK))
    assert all(Rect.parse(str(one)) == one for one in found)


def test_screenshots_that_are_taken_again_are_looked_at_for_overlays_anew(stores: Stores, first: Survey) -> None:
    assert states.read(stores, first.id).overlays == ()
    reopened(stores, first, Layer.SCREENSHOTS)
    assert capture_blocks(stores, first, first.blocks()).shots == 12
    assert states.read(stores, first.id).overlays is None
    again = carried(stores, first)
    assert again.overlays == ()
    assert again.placed().revision == first.placed().revision


def test_open_water_is_named_as_the_reason_where_few_are_anchored(stores: Stores, folders: Path) -> None:
    survey = shots("openttd-water", corners=5, rows=4, cols=5)
    lost = _surveyed(stores, folders / "water", survey, "water")
    finding = mostly_anchored(stores, lost)
    assert not finding.holds
    assert finding.causes.most is PairRefusal.PLAIN
    assert f"Of {finding.causes.in_all} overlaps of the others without an offset" in finding.text
    assert "open water" in finding.text
    assert "imageflow survey recapture" in finding.text


def test_of_a_lossless_survey_nothing_is_looked_for_and_nothing_is_uncertain(stores: Stores) -> None:
    exact = published(stores, city("lossless", seed=5))
    assert exact.placed().fidelity.is_lossless
    assert exact.overlays is None
    assert {p.sigma_px for p in places_of(stores, exact)} == {0.0}
    with stores.database.begin() as connection:
        assert all(pair.is_exact for pair in placements.offsets(connection, exact.id))
