"""What a place of the map was made from."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.screen import HEIGHT, WIDTH, at, tool
from tests.browser.stand import ALL_TILES, EXAMPLE_SURVEY, Stand

pytestmark = pytest.mark.e2e


def test_a_point_tells_its_tile_screenshots_offsets_and_runs(
    look: Any, stand: Stand, native: int, centre: tuple[int, int]
) -> None:
    page = look(at(centre, native - 2))
    page.wait_for_function(ALL_TILES)
    tool(page, "What was this made from?").click()
    page.mouse.click(WIDTH / 2, HEIGHT / 2)
    facts = stand.get(f"/api/v1/surveys/{EXAMPLE_SURVEY}/lineage?x={centre[0]}&y={centre[1]}")
    panel = page.locator(".panel")
    expect(panel).to_contain_text(facts["tile"]["digest"])
    assert facts["screenshots"]
    for shot in facts["screenshots"]:
        expect(panel).to_contain_text(f"Row {shot['row']}, column {shot['col']}")
        expect(panel).to_contain_text(f"x {shot['bounds']['x_px']}, y {shot['bounds']['y_px']}")
    one = facts["offsets"][0]
    expect(panel).to_contain_text(f"{one['dx']:g}, {one['dy']:g} px")
    expect(panel.get_by_role("link", name="Partition").first).to_have_attribute(
        "href", facts["made_by"][0]["partition_url"]
    )
    versions = {one["code_version"] for one in facts["made_by"]}
    assert versions, "each layer's materialisation names its code"
    for version in versions:
        expect(panel.get_by_text(f"code {version[:12]}").first).to_be_visible()
    outlines = page.locator("path.shot-outline")
    expect(outlines).to_have_count(len(facts["screenshots"]))
    for shot, path in zip(facts["screenshots"], outlines.all(), strict=True):
        box = path.bounding_box()
        assert box is not None
        bounds = shot["bounds"]
        assert abs(box["x"] + box["width"] / 2 - (WIDTH / 2 + (bounds["x_px"] + 512 - centre[0]) / 4)) < 2
        assert abs(box["y"] + box["height"] / 2 - (HEIGHT / 2 + (bounds["y_px"] + 384 - centre[1]) / 4)) < 2
    widths = panel.locator(".shot img").evaluate_all("(all) => all.map((one) => one.naturalWidth)")
    assert len(widths) == len(facts["screenshots"])
    page.wait_for_function("() => [...document.querySelectorAll('.shot img')].every((one) => one.naturalWidth > 0)")
