"""axe-core finds no serious violation on any page, light or dark, wide or narrow."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.stand import EXAMPLE_SURVEY, SHORE
from tests.e2e.stack import ROOT

pytestmark = pytest.mark.e2e

AXE = ROOT / "webui" / "node_modules" / "axe-core" / "axe.min.js"

PAGES = {
    "map": f"/maps/{EXAMPLE_SURVEY}",
    "overlays": f"/maps/{SHORE}#x=6688&y=8052&z=3&o=ambiguous,grid",
    "no survey": "/maps/openttd-none-0001",
    "surveys": "/surveys",
    "survey": f"/surveys/{EXAMPLE_SURVEY}",
    "start": "/surveys/new",
    "history": "/history/openttd/shore",
    "trust": f"/surveys/{SHORE}/trust",
}
TOOLS = ("Overlays", "Markers", "What was this made from?", "Measure", "Go to a place")


def violations(page: Page) -> list[str]:
    # by the debugger, which the page's own content security policy does not stop
    page.evaluate(AXE.read_text())
    found = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 360])
def test_a_page_has_no_serious_violation(look: Any, name: str, scheme: str, width: int) -> None:
    page = look(PAGES[name], width=width, height=800, scheme=scheme)
    page.wait_for_timeout(1500)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing runs out of the page"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_tools_panel_has_no_serious_violation(look: Any, scheme: str) -> None:
    page = look(PAGES["map"], scheme=scheme)
    for tool in TOOLS:
        page.get_by_role("toolbar").get_by_role("button", name=tool, exact=True).click()
        if tool == "What was this made from?":
            page.mouse.click(500, 400)
            page.wait_for_selector(".shot")
        page.wait_for_timeout(300)
        assert violations(page) == [], tool
