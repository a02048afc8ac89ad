"""What the map's tools do for who has no mouse, and the link to what is seen."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stand import ALL_TILES, EXAMPLE_SURVEY, Stand

pytestmark = pytest.mark.e2e

NO_CLIPBOARD = "Object.defineProperty(window, 'isSecureContext', { value: false })"


def _opened(look: Any, stand: Stand) -> tuple[Page, int, int]:
    published = stand.survey(EXAMPLE_SURVEY).published()
    bounds = published.bounds
    x, y = bounds.x_px + bounds.width_px // 2, bounds.y_px + bounds.height_px // 2
    page = look(f"/maps/{EXAMPLE_SURVEY}#x={x}&y={y}&z={published.frame.native_zoom}")
    page.wait_for_function(ALL_TILES)
    return page, x, y


def _tool(page: Page, name: str) -> Any:
    return page.get_by_role("toolbar").get_by_role("button", name=name, exact=True)


def test_a_place_is_inspected_by_enter_and_escape_leads_back_to_the_tool(look: Any, stand: Stand) -> None:
    page, x, y = _opened(look, stand)
    _tool(page, "What was this made from?").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".panel")).to_be_focused()
    page.locator(".map-ground").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".panel h2")).to_have_text(f"x {x}, y {y}")
    page.keyboard.press("Escape")
    expect(page.locator(".panel")).to_have_count(0)
    expect(_tool(page, "What was this made from?")).to_be_focused()


def test_a_path_is_measured_by_enter(look: Any, stand: Stand) -> None:
    page, _, _ = _opened(look, stand)
    _tool(page, "Measure").click()
    page.locator(".map-ground").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(600)  # the map glides
    page.keyboard.press("Enter")
    expect(page.locator(".panel .big")).to_have_text("80 px")


def test_where_nothing_can_be_copied_the_link_is_shown_and_leads_to_what_is_seen(look: Any, stand: Stand) -> None:
    page = look("/surveys")
    page.add_init_script(NO_CLIPBOARD)
    page.goto(f"{stand.url}/maps/{EXAMPLE_SURVEY}#x=6688&y=8052&z=3&o=")
    page.wait_for_function(ALL_TILES)
    _tool(page, "Copy a link to what is seen").click()
    field = page.locator(".panel input")
    expect(field).to_be_focused()
    expect(field).to_have_value(f"{stand.url}/maps/{EXAMPLE_SURVEY}#x=6688&y=8052&z=3&o=")
    page.keyboard.press("Escape")
    page.goto(f"{stand.url}/maps")
    page.wait_for_function(ALL_TILES)
    _tool(page, "Copy a link to what is seen").click()
    expect(page.locator(".panel input")).to_have_value(
        re.compile(rf"{stand.url}/maps/[a-z0-9_-]+-\d{{4}}#x=.*&o=markers$")
    )
