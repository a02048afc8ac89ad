"""Markers: named, found again, changed, deleted, by one person and by two at once."""

from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.screen import HEIGHT, WIDTH, at, tool
from tests.browser.stand import ALL_TILES, EXAMPLE_SURVEY, LONG_MS, MOVED, MOVED_LATER, SHORE, Stand

pytestmark = pytest.mark.e2e


def test_a_marker_is_named_found_again_changed_and_deleted(look: Any, native: int, centre: tuple[int, int]) -> None:
    page = look(at(centre, native))
    page.wait_for_function(ALL_TILES)
    tool(page, "Markers").click()
    page.get_by_role("button", name="Add a marker here").click()
    page.get_by_label("Name").fill("Old harbour <img src=x>")
    page.get_by_label("Violet").check(force=True)
    page.get_by_role("button", name="Save").click()
    pin = page.locator(".map-marker", has_text="Old harbour")
    expect(pin.locator("b")).to_have_text("Old harbour <img src=x>")

    again = look(f"/maps/{EXAMPLE_SURVEY}")
    tool(again, "Markers").click()
    again.get_by_label("Search markers").fill("nothing like it")
    expect(again.locator(".panel")).to_contain_text("No marker is called")
    again.get_by_label("Search markers").fill("harb")
    again.locator(".panel .row", has_text="Old harbour").click()
    box = again.locator(".map-marker svg").bounding_box()
    again.wait_for_timeout(1500)
    box = again.locator(".map-marker svg").bounding_box()
    assert box is not None
    assert abs(box["x"] + box["width"] / 2 - WIDTH / 2) < 4, "the pin's tip is where the marker lies"
    assert abs(box["y"] + box["height"] - HEIGHT / 2) < 6

    page.reload()
    tool(page, "Markers").click()
    page.locator(".panel .row", has_text="Old harbour").click()
    page.get_by_label("Name").fill("New harbour")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".map-marker b")).to_have_text("New harbour")

    again.get_by_label("Name").fill("Third harbour")
    again.get_by_role("button", name="Save").click()
    expect(again.get_by_role("heading", name="New harbour")).to_be_visible()
    expect(again.get_by_role("alert")).to_contain_text("Somebody else has changed this marker meanwhile.")
    expect(again.get_by_label("Name")).to_have_value("Third harbour")
    again.get_by_role("button", name="Save").click()
    expect(again.locator(".map-marker b")).to_have_text("Third harbour")
    again.locator(".panel .row", has_text="Third harbour").click()
    again.get_by_role("button", name="Delete").click()
    again.get_by_role("button", name="Delete 'Third harbour'?").click()
    expect(again.locator(".map-marker")).to_have_count(0)


def test_a_marker_set_on_an_older_map_lies_in_that_maps_frame(look: Any, stand: Stand) -> None:
    older, latest = (stand.survey(survey).published().frame.number for survey in (MOVED, MOVED_LATER))
    assert older != latest
    page = look(f"/maps/{MOVED}")
    page.wait_for_function(ALL_TILES)
    tool(page, "Markers").click()
    page.get_by_role("button", name="Add a marker here").click()
    page.get_by_label("Name").fill("Old town")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".map-marker b")).to_have_text("Old town")
    (marker,) = stand.get("/api/v1/saves/openttd/moved/markers")["markers"]
    assert marker["frame_number"] == older


def test_a_marker_that_somebody_else_deletes_while_it_is_edited_is_told(look: Any, stand: Stand) -> None:
    markers = "/api/v1/saves/openttd/shore/markers"
    for name in ("Pier", "Quay"):
        stand.post(markers, {"name": name, "x": 7000, "y": 8000, "colour": "blue", "note": ""})
    page = look(f"/maps/{SHORE}")
    page.wait_for_function(ALL_TILES)
    for name, act in (("Pier", "Save"), ("Quay", None)):
        tool(page, "Markers").click()
        page.locator(".panel .row", has_text=name).click()
        expect(page.get_by_label("Name")).to_have_value(name)
        (one,) = [marker for marker in stand.get(markers)["markers"] if marker["name"] == name]
        gone = httpx.delete(f"{stand.url}{markers}/{one['id']}", headers={"if-match": one["etag"]})
        assert gone.status_code == 204
        if act is not None:
            page.get_by_role("button", name=act).click()
        # without any act the page finds it by itself
        told = page.locator(".panel").get_by_role("alert")
        expect(told).to_have_text(f"Somebody else has deleted '{name}' meanwhile.", timeout=LONG_MS)
        expect(page.locator(".panel .row", has_text=name)).to_have_count(0)
        expect(page.locator(".map-marker", has_text=name)).to_have_count(0)
        page.keyboard.press("Escape")
