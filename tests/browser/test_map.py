"""The map page: the survey's own pixels, where one is, what lies over them, and what it says where there is no map."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.stand import (
    ALL_TILES,
    EXAMPLE_SURVEY,
    MOVED,
    MOVED_LATER,
    SHORE,
    SHORE_LATER,
    Stand,
    decoded,
    pixels,
)

pytestmark = pytest.mark.e2e

WIDTH, HEIGHT = 1200, 800
SIDE = 300
MIDDLE = ((WIDTH - SIDE) / 2, (HEIGHT - SIDE) / 2, SIDE, SIDE)
"""A part of the screen that no panel lies over; its middle is the screen's."""

GROUND = np.array([0x15, 0x18, 0x1A])
"""Of the dark page, where no map is."""


@pytest.fixture(scope="module")
def native(stand: Stand) -> int:
    return stand.survey(EXAMPLE_SURVEY).published().frame.native_zoom


@pytest.fixture(scope="module")
def centre(stand: Stand) -> tuple[int, int]:
    bounds = stand.survey(EXAMPLE_SURVEY).published().bounds
    # whole screen pixels at every zoom of these tests: Leaflet shows nothing between two of them
    return (bounds.x_px + bounds.width_px // 2) & ~7, (bounds.y_px + bounds.height_px // 2) & ~7


def _at(centre: tuple[int, int], zoom: float, survey: str = EXAMPLE_SURVEY) -> str:
    return f"/maps/{survey}#x={centre[0]}&y={centre[1]}&z={zoom}"


def _tool(page: Page, name: str) -> Any:
    return page.get_by_role("toolbar").get_by_role("button", name=name, exact=True)


def test_the_page_shows_the_surveys_own_pixels(look: Any, stand: Stand, native: int, centre: tuple[int, int]) -> None:
    page = look(_at(centre, native))
    truth = stand.truth(EXAMPLE_SURVEY, centre[0] - SIDE // 2, centre[1] - SIDE // 2, SIDE, SIDE)
    assert np.array_equal(pixels(page, *MIDDLE), truth)


def test_beyond_the_native_zoom_a_pixel_is_a_square(
    look: Any, stand: Stand, native: int, centre: tuple[int, int]
) -> None:
    page = look(_at(centre, native + 1))
    half = SIDE // 4
    truth = stand.truth(EXAMPLE_SURVEY, centre[0] - half, centre[1] - half, SIDE // 2, SIDE // 2)
    assert np.array_equal(pixels(page, *MIDDLE), truth.repeat(2, 0).repeat(2, 1))


def test_between_two_zooms_the_picture_is_smooth(look: Any, stand: Stand, native: int, centre: tuple[int, int]) -> None:
    shown = pixels(look(_at(centre, native - 0.25)), *MIDDLE).reshape(-1, 3)
    truth = stand.truth(EXAMPLE_SURVEY, centre[0] - SIDE, centre[1] - SIDE, 2 * SIDE, 2 * SIDE).reshape(-1, 3)
    colours = {tuple(colour) for colour in np.unique(truth, axis=0)}
    blended = [tuple(colour) not in colours for colour in shown]
    assert np.mean(blended) > 0.2, "colours that the game does not have are means of those that it has"


def test_no_ground_shines_through_between_tiles(look: Any, native: int, centre: tuple[int, int]) -> None:
    for fraction in (-0.75, -0.25, 0.75):
        dark, light = (pixels(look(_at(centre, native + fraction), scheme=s), *MIDDLE) for s in ("dark", "light"))
        assert np.abs(dark - light).max() <= 2, fraction


def test_no_ground_flashes_up_while_zooming(look: Any, native: int, centre: tuple[int, int]) -> None:
    page = look(_at(centre, native))
    pixels(page, *MIDDLE)
    page.mouse.move(WIDTH / 2, HEIGHT / 2)
    for turn in (-120, 120, 120):
        page.mouse.wheel(0, turn)
        for _ in range(6):
            clip: Any = dict(zip(("x", "y", "width", "height"), MIDDLE, strict=True))
            shown = decoded(page.screenshot(clip=clip))
            bare = (np.abs(shown - GROUND).max(axis=2) <= 2).mean()
            assert bare < 0.01, turn


def test_the_pointers_game_pixel_and_tile_are_told(look: Any, native: int, centre: tuple[int, int]) -> None:
    for zoom, scale in ((native, 1), (native - 1, 2)):
        page = look(_at(centre, zoom))
        page.wait_for_function(ALL_TILES)
        page.mouse.move(WIDTH / 2 + 100, HEIGHT / 2 - 50)
        x, y = centre[0] + 100 * scale, centre[1] - 50 * scale
        expect(page.locator("#coordinates")).to_have_text(f"x {x} y {y}")
        expect(page.locator("#tile")).to_have_text(f"{native}/{x // 512}/{y // 512}")


def test_the_address_holds_what_is_seen(look: Any, native: int, centre: tuple[int, int]) -> None:
    page = look(_at(centre, native) + "&o=grid")
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
    page = look(_at(centre, native) + "&o=grid")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.wait_for_function(ALL_TILES)
    _tool(page, "Copy a link to what is seen").click()
    expect(_tool(page, "Link copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    assert page.url.endswith(_at(centre, native) + "&o=grid")


def test_a_changed_or_wrong_hash(look: Any, native: int, centre: tuple[int, int]) -> None:
    page = look(f"/maps/{EXAMPLE_SURVEY}#x=abc&y=&z=Infinity")
    page.wait_for_function(ALL_TILES)
    page.evaluate(f"window.location.hash = '#x={centre[0]}&y={centre[1]}&z={native}'")
    expect(page.locator("#scale")).to_have_text("1×")
    expect(page.locator("#coordinates")).to_have_text(f"x {centre[0]} y {centre[1]}")


def test_another_survey_of_the_save_keeps_the_camera(look: Any, stand: Stand) -> None:
    bounds = stand.survey(SHORE).published().bounds
    x, y = bounds.x_px + 2600, bounds.y_px + 2200
    page = look(_at((x, y), 5, SHORE))
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


def test_the_grid_lies_where_the_screenshots_lie(look: Any, stand: Stand, native: int) -> None:
    areas = stand.get(f"/api/surveys/{SHORE}/areas")
    place = next(n for n in range(len(areas["row"])) if (areas["row"][n], areas["col"][n]) == (4, 4))
    x, y = areas["x"][place], areas["y"][place]
    plain = pixels(look(_at((x, y), native, SHORE) + "&o="), *MIDDLE)
    shown = pixels(look(_at((x, y), native, SHORE) + "&o=grid"), *MIDDLE)
    changed = np.abs(shown - plain).max(axis=2) > 24
    half = SIDE // 2
    # its top left corner is the middle of the screen: one line goes right, one down
    assert changed[half - 2 : half + 3, half + 20 :].any(axis=0).mean() > 0.95
    assert changed[half + 20 :, half - 2 : half + 3].any(axis=1).mean() > 0.95


def test_ambiguous_shots_are_coloured_by_confidence_and_anchored_ones_are_not(
    look: Any, stand: Stand, native: int
) -> None:
    areas = stand.get(f"/api/surveys/{SHORE}/areas")
    words = areas["statuses"]
    ambiguous = [n for n, status in enumerate(areas["status"]) if words[status] == "ambiguous"]
    worst = min(ambiguous, key=lambda n: areas["confidence"][n])
    centre = areas["x"][worst] + 512, areas["y"][worst] + 300
    plain = pixels(look(_at(centre, native, SHORE) + "&o="), *MIDDLE)
    shown = pixels(look(_at(centre, native, SHORE) + "&o=ambiguous"), *MIDDLE)
    redder = (shown - plain)[:40].mean(axis=(0, 1))
    assert redder[0] > 20
    assert redder[0] > redder[2] + 10
    page = look(f"/maps/{EXAMPLE_SURVEY}#x=1&y=1&z=4&o=ambiguous")
    _tool(page, "Overlays").click()
    expect(page.locator(".panel")).to_contain_text("Every screenshot of this survey is anchored")


def test_blocks_are_named(look: Any, native: int, centre: tuple[int, int]) -> None:
    page = look(_at(centre, native - 3) + "&o=")
    plain = pixels(page, 200, 150, 700, 500)
    _tool(page, "Overlays").click()
    page.get_by_label("Blocks").check()
    page.wait_for_url(re.compile("o=blocks"))
    page.keyboard.press("Escape")
    page.wait_for_timeout(600)
    yellow = np.abs(pixels(page, 200, 150, 700, 500) - np.array([0xFF, 0xD4, 0x3B])).max(axis=2) < 12
    assert yellow.sum() > 400
    assert (np.abs(plain - np.array([0xFF, 0xD4, 0x3B])).max(axis=2) < 12).sum() < 40


def test_go_to_a_place_and_refuse_what_is_none(look: Any, native: int, centre: tuple[int, int]) -> None:
    page = look(f"/maps/{EXAMPLE_SURVEY}")
    _tool(page, "Go to a place").click()
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
    page = look(_at(centre, native - 1))
    page.wait_for_function(ALL_TILES)
    _tool(page, "Measure").click()
    page.mouse.click(400, 300)
    page.mouse.click(700, 700)
    expect(page.locator(".panel .big")).to_have_text("1,000 px")
    expect(page.locator(".panel")).to_contain_text("600 × 800")
    page.keyboard.press("Escape")
    expect(page.locator(".panel")).to_have_count(0)


def test_a_marker_is_named_found_again_changed_and_deleted(look: Any, native: int, centre: tuple[int, int]) -> None:
    page = look(_at(centre, native))
    page.wait_for_function(ALL_TILES)
    _tool(page, "Markers").click()
    page.get_by_role("button", name="Add a marker here").click()
    page.get_by_label("Name").fill("Old harbour <img src=x>")
    page.get_by_label("Violet").check(force=True)
    page.get_by_role("button", name="Save").click()
    pin = page.locator(".map-marker", has_text="Old harbour")
    expect(pin.locator("b")).to_have_text("Old harbour <img src=x>")

    again = look(f"/maps/{EXAMPLE_SURVEY}")
    _tool(again, "Markers").click()
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
    _tool(page, "Markers").click()
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
    _tool(page, "Markers").click()
    page.get_by_role("button", name="Add a marker here").click()
    page.get_by_label("Name").fill("Old town")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".map-marker b")).to_have_text("Old town")
    (marker,) = stand.get("/api/saves/openttd/moved/markers")["markers"]
    assert marker["frame_number"] == older


def test_a_browser_that_blocks_storage_shows_the_page_and_changes_its_language(look: Any) -> None:
    page = look(f"/maps/{EXAMPLE_SURVEY}")
    page.context.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError') } })"
    )
    page.reload()
    page.get_by_role("button", name="Settings").click()
    page.get_by_text("日本語", exact=True).click()
    expect(page.get_by_role("link", name="地図", exact=True)).to_be_visible()


def test_tiles_that_the_server_could_not_give_come_once_it_can(
    look: Any, stand: Stand, native: int, centre: tuple[int, int]
) -> None:
    page = look("/surveys")
    page.route(
        re.compile(r"/tiles/.*/\d+/\d+/\d+"),
        lambda route: route.fulfill(status=503, json={"error": {"code": "UNAVAILABLE"}}),
    )
    page.goto(f"{stand.url}{_at(centre, native)}")
    expect(page.locator(".leaflet-tile").first).to_be_attached()
    page.wait_for_timeout(1000)
    expect(page.locator(".leaflet-tile-loaded")).to_have_count(0)
    expect(page.locator(".note-bar")).to_have_count(0)
    page.unroute_all()
    expect(page.locator(".leaflet-tile-loaded").first).to_be_visible(timeout=15_000)
    truth = stand.truth(EXAMPLE_SURVEY, centre[0] - SIDE // 2, centre[1] - SIDE // 2, SIDE, SIDE)
    assert np.array_equal(pixels(page, *MIDDLE), truth)


def test_full_screen(look: Any) -> None:
    page = look(f"/maps/{EXAMPLE_SURVEY}")
    _tool(page, "Full screen").click()
    expect(_tool(page, "Leave full screen")).to_be_visible()
    assert page.evaluate("document.fullscreenElement !== null")


def test_a_point_tells_its_tile_screenshots_offsets_and_runs(
    look: Any, stand: Stand, native: int, centre: tuple[int, int]
) -> None:
    page = look(_at(centre, native - 2))
    page.wait_for_function(ALL_TILES)
    _tool(page, "What was this made from?").click()
    page.mouse.click(WIDTH / 2, HEIGHT / 2)
    facts = stand.get(f"/api/surveys/{EXAMPLE_SURVEY}/lineage?x={centre[0]}&y={centre[1]}")
    panel = page.locator(".panel")
    expect(panel).to_contain_text(facts["tile"]["digest"])
    assert facts["screenshots"]
    for shot in facts["screenshots"]:
        expect(panel).to_contain_text(f"Row {shot['row']}, column {shot['col']}")
        expect(panel).to_contain_text(f"x {shot['bounds']['x_px']}, y {shot['bounds']['y_px']}")
    one = facts["offsets"][0]
    expect(panel).to_contain_text(f"{one['dx']}, {one['dy']} px")
    expect(panel.get_by_role("link", name="Partition").first).to_have_attribute(
        "href", facts["made_by"][0]["partition_url"]
    )
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
    page.wait_for_function("[...document.querySelectorAll('.shot img')].every((one) => one.naturalWidth > 0)")


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


@pytest.mark.parametrize("left", [0, 10])
def test_a_promised_tile_that_is_gone_or_torn_is_shown_as_broken(
    look: Any, stand: Stand, native: int, left: int
) -> None:
    bounds = stand.survey(SHORE).published().bounds
    x, y = bounds.x_px + 1000, bounds.y_px + 1000
    facts = stand.get(f"/api/surveys/{SHORE}/lineage?x={x}&y={y}")
    digest = facts["tile"]["digest"]
    (stored,) = [
        path for path in Path(stand.stack.cli.home / "objects").rglob(f"{digest}*") if "lossless" not in path.parts
    ]
    data = stored.read_bytes()
    if left:
        stored.write_bytes(data[:left])
    else:
        stored.unlink()
    try:
        page = look(_at((x, y), native, SHORE))
        expect(page.locator(".note-bar")).to_contain_text("1 tile of this map cannot be read")
        expect(page.locator(".tile-broken")).to_have_count(1)
    finally:
        stored.write_bytes(data)


def test_japanese_is_spoken_and_remembered(look: Any) -> None:
    page = look(f"/maps/{EXAMPLE_SURVEY}", locale="ja-JP")
    expect(page.get_by_role("link", name="地図", exact=True)).to_be_visible()
    page.get_by_role("button", name="設定").click()
    page.get_by_text("English", exact=True).click()
    expect(page.get_by_role("link", name="Map", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_role("link", name="Map", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "en"


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
