"""What the map page says where there is no map, in whose language, and on how small a screen."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.stand import ALL_TILES, EXAMPLE_SURVEY

pytestmark = pytest.mark.e2e


def test_a_place_outside_the_map_is_told(look: Any, native: int) -> None:
    page = look(f"/maps/{EXAMPLE_SURVEY}#x=100&y=200&z={native}")
    expect(page.get_by_role("heading", name="This place is not on the map")).to_be_visible()
    expect(page.locator(".middle")).to_contain_text("x 100, y 200")
    page.get_by_role("button", name="Show the whole map").first.click()
    expect(page.locator(".middle")).to_have_count(0)


def test_a_survey_that_is_not_there(look: Any) -> None:
    for name in ("city-first-9999", "<b>x", "%E0%A4"):
        page = look(f"/maps/{name}")
        expect(page.get_by_role("heading", name="There is no such survey")).to_be_visible()
        expect(page.locator(".state p b")).to_have_count(0)
        expect(page.get_by_role("link", name="See all surveys")).to_be_visible()


def test_no_such_page(look: Any) -> None:
    page = look("/surveys/a/b/c")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()


def test_japanese_is_spoken_and_remembered(look: Any) -> None:
    page = look(f"/maps/{EXAMPLE_SURVEY}", locale="ja-JP")
    expect(page.get_by_role("link", name="地図", exact=True)).to_be_visible()
    page.get_by_role("button", name="設定").click()
    page.get_by_text("English", exact=True).click()
    expect(page.get_by_role("link", name="Map", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_role("link", name="Map", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "en"


def test_a_browser_that_blocks_storage_shows_the_page_and_changes_its_language(look: Any) -> None:
    page = look(f"/maps/{EXAMPLE_SURVEY}", own=True)
    page.context.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError') } })"
    )
    page.reload()
    page.get_by_role("button", name="Settings").click()
    page.get_by_text("日本語", exact=True).click()
    expect(page.get_by_role("link", name="地図", exact=True)).to_be_visible()


def test_everything_fits_a_small_phone(look: Any) -> None:
    page = look(f"/maps/{EXAMPLE_SURVEY}", width=360, height=640)
    page.wait_for_function(ALL_TILES)
    for name in (".bar", ".picker-button", ".readout", ".tools"):
        box = page.locator(name).bounding_box()
        assert box is not None
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= 360, name
        assert box["y"] + box["height"] <= 640, name
    tools, bar = page.locator(".tools").bounding_box(), page.locator(".picker-button").bounding_box()
    assert tools is not None
    assert bar is not None
    assert tools["y"] >= bar["y"] + bar["height"] or tools["x"] >= bar["x"] + bar["width"]
    assert page.evaluate("document.documentElement.scrollWidth") == 360
