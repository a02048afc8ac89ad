"""The history page: two surveys under a divider, one after the other, what changed, and a moving picture of it."""

import base64
import re
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image, ImageSequence
from playwright.sync_api import expect

from tests.browser.stand import ALL_TILES, SHORE, SHORE_LATER, Stand, decoded, pixels

pytestmark = pytest.mark.e2e

WIDTH, HEIGHT, SIDE_PX, BAR_PX = 1200, 800, 340, 52
MAP_WIDTH, MAP_HEIGHT = WIDTH - SIDE_PX, HEIGHT - BAR_PX
PATCH = 120


@pytest.fixture(scope="module")
def coast(stand: Stand) -> tuple[int, int]:
    """Where both the still and the running water are seen."""
    bounds = stand.survey(SHORE).published().bounds
    return bounds.x_px + 2600, bounds.y_px + 2200


def _at(place: tuple[int, int], zoom: int = 5) -> str:
    return f"/history/openttd/shore#x={place[0]}&y={place[1]}&z={zoom}"


def _middle() -> tuple[int, int]:
    return SIDE_PX + MAP_WIDTH // 2, BAR_PX + MAP_HEIGHT // 2


def test_each_side_of_the_divider_shows_its_own_survey(look: Any, stand: Stand, coast: tuple[int, int]) -> None:
    page = look(_at(coast))
    expect(page.locator(".side-name.left")).to_contain_text("1 ·")
    expect(page.locator(".side-name.right")).to_contain_text("2 ·")
    page.wait_for_timeout(1000)
    x, y = _middle()
    page.evaluate("document.querySelector('.leaflet-overlay-pane').style.display = 'none'")
    for side, survey, other in ((-1, SHORE, SHORE_LATER), (1, SHORE_LATER, SHORE)):
        left, top = x + side * 200 - PATCH // 2, y + 150
        shown = pixels(page, left, top, PATCH, PATCH)
        where = (coast[0] + side * 200 - PATCH // 2, coast[1] + 150, PATCH, PATCH)
        assert np.array_equal(shown, stand.truth(survey, *where)), survey
        assert not np.array_equal(shown, stand.truth(other, *where)), (
            "both surveys look alike here: the test says nothing"
        )


def test_the_divider_moves_by_mouse_and_by_arrow_keys(look: Any, coast: tuple[int, int]) -> None:
    page = look(_at(coast))
    divider = page.get_by_role("slider", name=re.compile("Divider"))
    expect(divider).to_have_attribute("aria-valuenow", "50")
    x, y = _middle()
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(SIDE_PX + MAP_WIDTH * 0.25, y, steps=4)
    page.mouse.up()
    expect(divider).to_have_attribute("aria-valuenow", "25")
    divider.focus()
    page.keyboard.press("ArrowRight")
    expect(divider).to_have_attribute("aria-valuenow", "27")


def test_the_slider_shows_one_survey_after_the_other(look: Any, stand: Stand, coast: tuple[int, int]) -> None:
    page = look(_at(coast))
    page.get_by_text("Slider", exact=True).click()
    expect(page.locator("#shown-survey")).to_contain_text("2 ·")
    x, y = _middle()
    where = (coast[0] - PATCH // 2, coast[1] - PATCH // 2, PATCH, PATCH)
    page.wait_for_timeout(1000)
    assert np.array_equal(pixels(page, x - PATCH // 2, y - PATCH // 2, PATCH, PATCH), stand.truth(SHORE_LATER, *where))
    page.get_by_role("slider", name="Survey").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#shown-survey")).to_contain_text("1 ·")
    page.wait_for_timeout(1500)
    assert np.array_equal(pixels(page, x - PATCH // 2, y - PATCH // 2, PATCH, PATCH), stand.truth(SHORE, *where))


def test_another_survey_and_another_view_keep_the_camera(look: Any, stand: Stand, coast: tuple[int, int]) -> None:
    page = look(_at(coast))
    page.wait_for_function(ALL_TILES)
    x, y = _middle()
    page.mouse.move(x + 100, y + 100)
    page.mouse.down()
    page.mouse.move(x, y, steps=4)  # the map follows: its middle is now 100 px further right and down
    page.wait_for_timeout(300)  # a hand that rests lets go without a throw
    page.mouse.up()
    there = (coast[0] + 100 - PATCH // 2, coast[1] + 100 - PATCH // 2, PATCH, PATCH)
    shown = (x - PATCH // 2, y - PATCH // 2, PATCH, PATCH)
    page.get_by_text("Slider", exact=True).click()
    page.wait_for_timeout(1000)
    assert np.array_equal(pixels(page, *shown), stand.truth(SHORE_LATER, *there))
    page.get_by_role("slider", name="Survey").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#shown-survey")).to_contain_text("1 ·")
    page.wait_for_timeout(1500)
    assert np.array_equal(pixels(page, *shown), stand.truth(SHORE, *there))
    expect(page.locator(".leaflet-tile-pane .leaflet-layer")).to_have_count(1)  # the other survey's tiles are gone


def test_an_address_without_a_save_becomes_the_one_that_it_shows(look: Any, stand: Stand) -> None:
    page = look("/surveys")
    page.goto(f"{stand.url}/history")
    page.wait_for_url(re.compile("/history/openttd/[a-z]+$"))
    page.go_back()
    assert page.url == f"{stand.url}/surveys", "the address was replaced"


def test_changed_places_are_listed_largest_first_and_flown_to(look: Any, stand: Stand) -> None:
    changes = stand.get(f"/api/v1/surveys/{SHORE_LATER}/changes?since={SHORE}")
    page = look("/history/openttd/shore")
    entries = page.locator(".places button")
    expect(entries).to_have_count(len(changes["places"]))
    third = changes["places"][2]["bounds"]
    expect(entries.nth(2)).to_contain_text(f"x {third['x_px']}, y {third['y_px']}")
    entries.nth(2).click()
    page.wait_for_timeout(1500)
    box = page.locator("path[stroke='#ffd43b']").bounding_box()
    assert box is not None
    assert abs(box["x"] + box["width"] / 2 - _middle()[0]) < 4, "the place is in the middle of the map"
    assert abs(box["y"] + box["height"] / 2 - _middle()[1]) < 4


def test_the_same_survey_twice_is_refused_in_words(look: Any) -> None:
    page = look("/history/openttd/shore")
    page.get_by_role("combobox", name="Before", exact=True).click()
    page.get_by_role("option").first.click()
    expect(page.locator(".history-side")).to_contain_text("Choose two different surveys.")


@pytest.mark.parametrize(("kind", "most_off"), [("GIF", 2), ("WebP", 0)])
def test_an_animation_shows_each_survey_in_its_turn(
    look: Any, stand: Stand, coast: tuple[int, int], kind: str, most_off: int
) -> None:
    page = look(_at(coast, zoom=6))  # so near that no pixel is lost
    page.wait_for_function(ALL_TILES)
    with page.expect_request(re.compile("/animation")) as asked:
        page.get_by_role("button", name=kind, exact=True).click()
    region = {name: int(value) for name, (value,) in parse_qs(urlsplit(asked.value.url).query).items()}
    where = (region["x"], region["y"], region["width"], region["height"])
    assert (region["x"], region["y"]) == (coast[0] - MAP_WIDTH // 4, coast[1] - MAP_HEIGHT // 4), "what the map shows"
    assert (region["width"], region["height"]) == (MAP_WIDTH // 2, MAP_HEIGHT // 2)
    truths = [stand.truth(survey, *where) for survey in (SHORE, SHORE_LATER)]
    assert np.abs(truths[0] - truths[1]).max() > 20, "both surveys look alike here: the test says nothing"

    picture = page.locator("img.moving")
    expect(picture).to_be_visible(timeout=60_000)
    data = base64.b64decode((picture.get_attribute("src") or "").partition(",")[2])
    with Image.open(BytesIO(data)) as image:
        assert image.format == kind.upper()
        frames = [np.asarray(frame.convert("RGB"), np.int16) for frame in ImageSequence.Iterator(image)]
    assert len(frames) == len(truths)
    for frame, truth in zip(frames, truths, strict=True):
        assert np.abs(frame - truth).max() <= most_off
    expect(page.get_by_role("link", name="Download")).to_have_attribute("download", f"openttd-shore.{kind.lower()}")

    seen = set()
    for _ in range(40):  # each survey is shown for 0.8 s
        shown = decoded(picture.screenshot())
        size = (shown.shape[1], shown.shape[0])
        small = [np.asarray(Image.fromarray(t.astype(np.uint8)).resize(size, Image.Resampling.BOX)) for t in truths]
        seen.add(int(np.argmin([np.abs(shown - one).mean() for one in small])))
        if len(seen) == len(truths):
            break
        page.wait_for_timeout(100)
    assert seen == {0, 1}


def test_tiles_that_cannot_be_read_are_counted_in_words(look: Any, stand: Stand, coast: tuple[int, int]) -> None:
    x, y = coast[0] - 200, coast[1] + 150
    with stand.torn_tile(SHORE, x, y):
        page = look(_at(coast))
        expect(page.locator(".note-bar")).to_contain_text("1 tile of what is shown cannot be read")
        expect(page.locator(".tile-broken")).to_have_count(1)
        page.get_by_text("Slider", exact=True).click()
        expect(page.locator("#shown-survey")).to_contain_text("2 ·")
        expect(page.locator(".note-bar")).to_have_count(0)  # the later survey is whole


def test_a_survey_in_another_frame_is_not_compared(look: Any) -> None:
    page = look("/history/openttd/moved")
    expect(page.locator(".state")).to_contain_text(
        "1 survey of this save lies in another frame and cannot be compared."
    )


def test_one_survey_alone_has_no_history_yet(look: Any) -> None:
    page = look("/history/openttd/example")
    expect(page.get_by_role("heading", name="One survey so far")).to_be_visible()
    page = look("/history/openttd/nowhere")
    expect(page.get_by_role("heading", name="Nothing to look back on yet")).to_be_visible()
