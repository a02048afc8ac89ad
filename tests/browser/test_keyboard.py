"""What the map's tools do for who has no mouse, and the link to what is seen."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.screen import tool
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


def test_a_place_is_inspected_by_enter_and_escape_leads_back_to_the_tool(look: Any, stand: Stand) -> None:
    page, x, y = _opened(look, stand)
    tool(page, "What was this made from?").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".panel")).to_be_focused()
    page.locator(".map-ground").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".panel h2")).to_have_text(f"x {x}, y {y}")
    page.keyboard.press("Escape")
    expect(page.locator(".panel")).to_have_count(0)
    expect(tool(page, "What was this made from?")).to_be_focused()


def test_a_path_is_measured_by_enter(look: Any, stand: Stand) -> None:
    page, _, _ = _opened(look, stand)
    tool(page, "Measure").click()
    page.locator(".map-ground").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(600)  # the map glides
    page.keyboard.press("Enter")
    expect(page.locator(".panel .big")).to_have_text("80 px")


def test_where_nothing_can_be_copied_the_link_is_shown_and_leads_to_what_is_seen(look: Any, stand: Stand) -> None:
    page = look("/surveys", own=True)
    page.add_init_script(NO_CLIPBOARD)
    page.goto(f"{stand.url}/maps/{EXAMPLE_SURVEY}#x=6688&y=8052&z=3&o=")
    page.wait_for_function(ALL_TILES)
    tool(page, "Copy a link to what is seen").click()
    field = page.locator(".panel input")
    expect(field).to_be_focused()
    expect(field).to_have_value(f"{stand.url}/maps/{EXAMPLE_SURVEY}#x=6688&y=8052&z=3&o=")
    page.keyboard.press("Escape")
    page.goto(f"{stand.url}/maps")
    page.wait_for_function(ALL_TILES)
    tool(page, "Copy a link to what is seen").click()
    expect(page.locator(".panel input")).to_have_value(
        re.compile(rf"{stand.url}/maps/[a-z0-9_-]+-\d{{4}}#x=.*&o=markers$")
    )


def test_everything_is_reached_by_the_keyboard(look: Any) -> None:
    page = look(f"/maps/{EXAMPLE_SURVEY}")
    page.wait_for_function(ALL_TILES)
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim()"
            )
        )
    wanted = {"Skip to the content", "Map", "History", "Surveys", "Settings", "Overlays", "Markers", "Measure"}
    wanted |= {"What was this made from?", "Go to a place", "Full screen", "Zoom in", "Show the whole map"}
    assert wanted - set(reached) == set()
    assert any("openttd · example · 1" in words for words in reached)


def test_escape_ends_a_words_composition_and_not_the_panel(look: Any, stand: Stand) -> None:
    page, _, _ = _opened(look, stand)
    tool(page, "Markers").click()
    page.get_by_role("button", name="Add a marker here").click()
    field = page.get_by_label("Name")
    field.focus()
    page.evaluate("window.addEventListener('keydown', (event) => { window.composes = event.isComposing }, true)")
    hands = page.context.new_cdp_session(page)
    hands.send("Input.imeSetComposition", {"text": "みなと", "selectionStart": 3, "selectionEnd": 3})
    escape = {"key": "Escape", "code": "Escape", "windowsVirtualKeyCode": 27}
    hands.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **escape})
    assert page.evaluate("window.composes"), "the browser takes the word for one that is being composed"
    expect(field).to_be_visible()
    hands.send("Input.insertText", {"text": "港"})
    expect(field).to_have_value("港")
    page.keyboard.press("Escape")
    expect(field).to_have_count(0)


def test_hints_name_the_keyboards_way_too(look: Any, stand: Stand) -> None:
    page, _, _ = _opened(look, stand)
    for name in ("What was this made from?", "Measure"):
        tool(page, name).click()
        expect(page.locator(".panel")).to_contain_text("focus the map and press Enter")
