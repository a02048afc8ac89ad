"""Where one is on the map: coordinates, links, ways to a place, lengths, and what another survey keeps of it."""

import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.screen import HEIGHT, MIDDLE, SIDE, WIDTH, at, tool
from tests.browser.stand import ALL_TILES, EXAMPLE_SURVEY, MOVED, MOVED_LATER, SHORE, SHORE_LATER, Stand, pixels

pytestmark = pytest.mark.e2e


def test_the_pointers_game_pixel_and_tile_are_told(look: Any, native: int, centre: tuple[int, int]) -> None:
    for zoom, scale in ((native, 1), (native - 1, 2)):
        page = look(at(centre, zoom))
        page.wait_for_function(ALL_TILES)
        page.mouse.move(WIDTH / 2 + 100, HEIGHT / 2 - 50)
        x, y = centre[0] + 100 * scale, centre[1] - 50 * scale
        expect(page.locator("#coordinates")).to_have_text(f"x {x} y {y}")
        expect(page.locator("#tile")).to_have_text(f"{native}/{x // 512}/{y // 512}")


def test_the_address_holds_what_is_seen(look: Any, native: int, centre: tuple[int, int]) -> None:
    page = look(at(centre, native) + "&o=grid")
    page.wait_for_function(ALL_TILES)
    page.locator(".map-ground").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url(lambda url: f"x={centre[0]}&" not in url)
    page.wait_for_timeout(600)  # the map glides to its end
    moved = page.url
    assert moved.endswith("&o=grid")
    there = pixels(page, *MIDDLE)
    another = look(moved)
    assert np.array_equal(pixels(another, *MIDDLE), there)
    assert another.url == moved


def test_the_link_that_is_copied_is_the_address(look: Any, native: int, centre: tuple[int, int]) -> None:
    page = look(at(centre, native) + "&o=grid")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.wait_for_function(ALL_TILES)
    tool(page, "Copy a link to what is seen").click()
    expect(tool(page, "Link copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    assert page.url.endswith(at(centre, native) + "&o=grid")


def test_a_changed_or_wrong_hash(look: Any, native: int, centre: tuple[int, int]) -> None:
    page = look(f"/maps/{EXAMPLE_SURVEY}#x=abc&y=&z=Infinity")
    page.wait_for_function(ALL_TILES)
    page.evaluate(f"window.location.hash = '#x={centre[0]}&y={centre[1]}&z={native}'")
    expect(page.locator("#scale")).to_have_text("1×")
    expect(page.locator("#coordinates")).to_have_text(f"x {centre[0]} y {centre[1]}")


def test_another_survey_of_the_save_keeps_the_camera(look: Any, stand: Stand) -> None:
    bounds = stand.survey(SHORE).published().bounds
    x, y = bounds.x_px + 2600, bounds.y_px + 2200
    page = look(at((x, y), 5, SHORE))
    page.wait_for_function(ALL_TILES)
    page.click(".picker-button")
    page.click(f".picker-list a[href='/maps/{SHORE_LATER}']")
    expect(page.locator(".picker-button strong")).to_have_text("openttd · shore · 2")
    page.wait_for_timeout(800)
    there = (x - SIDE // 2, y - SIDE // 2, SIDE, SIDE)
    assert np.array_equal(pixels(page, *MIDDLE), stand.truth(SHORE_LATER, *there))
    assert not np.array_equal(stand.truth(SHORE, *there), stand.truth(SHORE_LATER, *there)), "they look alike here"
    assert f"/maps/{SHORE_LATER}#x={x}&y={y}&z=5" in page.url
    assert page.title().startswith("openttd · shore · 2")


def test_a_survey_in_another_frame_says_that_it_cannot_be_compared(look: Any) -> None:
    page = look(f"/maps/{MOVED}")
    page.wait_for_function(ALL_TILES)
    page.click(".picker-button")
    page.click(f".picker-list a[href='/maps/{MOVED_LATER}']")
    note = page.locator(".note-bar")
    expect(note).to_contain_text("its places cannot be compared with the other's")
    page.wait_for_function(ALL_TILES)
    expect(page.locator(".middle")).to_have_count(0)  # a place of the other frame would not be on this map
    note.get_by_role("button", name="Close").click()
    expect(note).to_have_count(0)


def test_go_to_a_place_and_refuse_what_is_none(look: Any, native: int, centre: tuple[int, int]) -> None:
    page = look(f"/maps/{EXAMPLE_SURVEY}")
    tool(page, "Go to a place").click()
    field = page.get_by_label("Game pixels, or a link")
    field.fill("nowhere")
    page.keyboard.press("Enter")
    expect(page.locator(".panel")).to_contain_text("Give x and y in game pixels")
    field.fill("3, 4")
    page.keyboard.press("Enter")
    expect(page.locator(".panel")).to_contain_text("lies outside this map")
    field.fill(f"{centre[0]}, {centre[1]}")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"x={centre[0]}&y={centre[1]}&z={native}"))


def test_measure_counts_game_pixels(look: Any, native: int, centre: tuple[int, int]) -> None:
    page = look(at(centre, native - 1))
    page.wait_for_function(ALL_TILES)
    tool(page, "Measure").click()
    page.mouse.click(400, 300)
    page.mouse.click(700, 700)
    expect(page.locator(".panel .big")).to_have_text("1,000 px")
    expect(page.locator(".panel")).to_contain_text("600 × 800")
    page.keyboard.press("Escape")
    expect(page.locator(".panel")).to_have_count(0)


def test_full_screen(look: Any) -> None:
    page = look(f"/maps/{EXAMPLE_SURVEY}")
    tool(page, "Full screen").click()
    expect(tool(page, "Leave full screen")).to_be_visible()
    assert page.evaluate("document.fullscreenElement !== null")
