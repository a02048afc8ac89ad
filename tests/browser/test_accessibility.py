"""axe-core finds no serious violation on any page, light or dark, wide or narrow."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import violations
from tests.browser.stand import EXAMPLE_SURVEY, LONG_MS, SHORE, TORN
from tests.thorough import repeated

pytestmark = pytest.mark.e2e

MAP = ".leaflet-tile-loaded"
PAGES = {
    "map": (f"/maps/{EXAMPLE_SURVEY}", MAP),
    "overlays": (f"/maps/{SHORE}#x=6688&y=8052&z=3&o=ambiguous,grid", MAP),
    "no survey": ("/maps/openttd-none-0001", ".middle h2"),
    "surveys": ("/surveys", ".survey-row"),
    "survey": (f"/surveys/{EXAMPLE_SURVEY}", ".heat button[data-stand=done]"),
    "failed survey": (f"/surveys/{TORN}", ".block-facts .fault"),
    "start": ("/surveys/new", ".start form"),
    "history": ("/history/openttd/shore", MAP),
    "trust": (f"/surveys/{SHORE}/trust", "main h1"),
}
"""Addresses, and what is there once the page has its content."""

SCHEMES = ("light", "dark")
TOOLS = ("Overlays", "Markers", "What was this made from?", "Measure", "Go to a place")


WIDTHS = {1440: SCHEMES, 360: tuple(reversed(SCHEMES))}
"""With the schemes in which a page is looked at: the first as it is loaded; `make soak` turns to the other."""


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_has_no_serious_violation(look: Any, name: str, width: int) -> None:
    address, content = PAGES[name]
    schemes = WIDTHS[width][: repeated(1, thorough=2)]
    page = look(address, width=width, height=800, scheme=schemes[0])
    expect(page.locator(content).first).to_be_visible(timeout=LONG_MS)
    for scheme in schemes:
        _turn(page, scheme)
        assert violations(page) == [], scheme
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing runs out of the page"


def test_a_tools_panel_has_no_serious_violation(look: Any) -> None:
    page = look(PAGES["map"][0], scheme="light")
    expect(page.locator(MAP).first).to_be_visible(timeout=LONG_MS)
    for number, tool in enumerate(TOOLS):
        page.get_by_role("toolbar").get_by_role("button", name=tool, exact=True).click()
        if tool == "What was this made from?":
            page.mouse.click(500, 400)
            page.wait_for_selector(".shot")
        expect(page.locator(".panel h2")).to_be_visible()
        for scheme in repeated(SCHEMES[number % 2 :][:1], thorough=SCHEMES):
            _turn(page, scheme)
            assert violations(page) == [], (tool, scheme)


def _turn(page: Page, scheme: str) -> None:
    """Let the browser prefer light or dark, as an evening does; colours change at once, without a transition."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", scheme)


@pytest.mark.parametrize("name", repeated(["map", "surveys", "start", "trust"], thorough=[*PAGES]))
def test_a_japanese_page_has_no_serious_violation(look: Any, name: str) -> None:
    address, content = PAGES[name]
    page = look(address, locale="ja")
    expect(page.locator(content).first).to_be_visible(timeout=LONG_MS)
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    assert violations(page) == []
