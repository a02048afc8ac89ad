"""What the map shows is the survey's own pixels, at every zoom, while it moves, and once tiles come late."""

import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.screen import GROUND, HEIGHT, MIDDLE, SIDE, WIDTH, at
from tests.browser.stand import ALL_TILES, EXAMPLE_SURVEY, SHORE, Stand, decoded, pixels

pytestmark = pytest.mark.e2e


def test_the_page_shows_the_surveys_own_pixels(look: Any, stand: Stand, native: int, centre: tuple[int, int]) -> None:
    page = look(at(centre, native))
    truth = stand.truth(EXAMPLE_SURVEY, centre[0] - SIDE // 2, centre[1] - SIDE // 2, SIDE, SIDE)
    assert np.array_equal(pixels(page, *MIDDLE), truth)


def test_beyond_the_native_zoom_a_pixel_is_a_square(
    look: Any, stand: Stand, native: int, centre: tuple[int, int]
) -> None:
    page = look(at(centre, native + 1))
    half = SIDE // 4
    truth = stand.truth(EXAMPLE_SURVEY, centre[0] - half, centre[1] - half, SIDE // 2, SIDE // 2)
    assert np.array_equal(pixels(page, *MIDDLE), truth.repeat(2, 0).repeat(2, 1))


def test_between_two_zooms_the_picture_is_smooth(look: Any, stand: Stand, native: int, centre: tuple[int, int]) -> None:
    shown = pixels(look(at(centre, native - 0.25)), *MIDDLE).reshape(-1, 3)
    truth = stand.truth(EXAMPLE_SURVEY, centre[0] - SIDE, centre[1] - SIDE, 2 * SIDE, 2 * SIDE).reshape(-1, 3)
    colours = {tuple(colour) for colour in np.unique(truth, axis=0)}
    blended = [tuple(colour) not in colours for colour in shown]
    assert np.mean(blended) > 0.2, "colours that the game does not have are means of those that it has"


def test_no_ground_shines_through_between_tiles(look: Any, native: int, centre: tuple[int, int]) -> None:
    for fraction in (-0.75, -0.25, 0.75):
        dark, light = (pixels(look(at(centre, native + fraction), scheme=s), *MIDDLE) for s in ("dark", "light"))
        assert np.abs(dark - light).max() <= 2, fraction


PROBE = """() => {
  const { left, top, width, height } = document.querySelector(".map-ground").getBoundingClientRect();
  const points = [];
  for (let across = 0; across < 24; across++) {
    for (let down = 0; down < 16; down++) {
      points.push([left + (0.25 + (across + 0.5) / 48) * width, top + (0.25 + (down + 0.5) / 32) * height]);
    }
  }
  window.probe = { frames: 0, bare: 0, sides: [] };
  const look = () => {
    const tiles = [...document.querySelectorAll(".leaflet-tile-loaded")]
      .filter((tile) => tile.naturalWidth > 0)
      .filter((tile) => getComputedStyle(tile).visibility !== "hidden" && getComputedStyle(tile).opacity === "1")
      .map((tile) => tile.getBoundingClientRect());
    const lies = ([x, y]) => tiles.some((one) => one.left <= x && x < one.right && one.top <= y && y < one.bottom);
    window.probe.frames += 1;
    window.probe.bare = Math.max(window.probe.bare, points.filter((point) => !lies(point)).length);
    window.probe.sides.push(Math.round(tiles[0]?.width ?? 0));
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""
"""At every frame that the browser draws: over how many of 384 points no drawn tile lies.

They fill the middle half of the map, across and down: what was seen before one zooms out by one.
"""


def test_no_ground_flashes_up_while_zooming(look: Any, native: int, centre: tuple[int, int]) -> None:
    page = look(at(centre, native))
    pixels(page, *MIDDLE)
    page.mouse.move(WIDTH / 2, HEIGHT / 2)
    page.evaluate(PROBE)
    for turn in (-120, 120, 120):
        page.mouse.wheel(0, turn)
        for _ in range(3):
            clip: Any = dict(zip(("x", "y", "width", "height"), MIDDLE, strict=True))
            shown = decoded(page.screenshot(clip=clip))
            bare = (np.abs(shown - GROUND).max(axis=2) <= 2).mean()
            assert bare < 0.01, turn
        page.wait_for_timeout(500)
        page.wait_for_function(ALL_TILES)
    probe = page.evaluate("window.probe")
    assert len(set(probe["sides"])) > 3, "the map was looked at while it grew and shrank"
    assert probe["frames"] > len(set(probe["sides"]))
    assert probe["bare"] == 0


def test_tiles_that_the_server_could_not_give_come_once_it_can(
    look: Any, stand: Stand, native: int, centre: tuple[int, int]
) -> None:
    page = look("/surveys")
    page.route(
        re.compile(r"/tiles/.*/\d+/\d+/\d+"),
        lambda route: route.fulfill(status=503, json={"error": {"code": "UNAVAILABLE"}}),
    )
    page.goto(f"{stand.url}{at(centre, native)}")
    expect(page.locator(".leaflet-tile").first).to_be_attached()
    page.wait_for_timeout(1000)
    expect(page.locator(".leaflet-tile-loaded")).to_have_count(0)
    expect(page.locator(".note-bar")).to_have_count(0)
    page.unroute_all()
    expect(page.locator(".leaflet-tile-loaded").first).to_be_visible(timeout=15_000)
    truth = stand.truth(EXAMPLE_SURVEY, centre[0] - SIDE // 2, centre[1] - SIDE // 2, SIDE, SIDE)
    assert np.array_equal(pixels(page, *MIDDLE), truth)


@pytest.mark.parametrize("left", [0, 10])
def test_a_promised_tile_that_is_gone_or_torn_is_shown_as_broken(
    look: Any, stand: Stand, native: int, left: int
) -> None:
    bounds = stand.survey(SHORE).published().bounds
    x, y = bounds.x_px + 1000, bounds.y_px + 1000
    with stand.torn_tile(SHORE, x, y, left):
        page = look(at((x, y), native, SHORE))
        expect(page.locator(".note-bar")).to_contain_text("1 tile of this map cannot be read")
        expect(page.locator(".tile-broken")).to_have_count(1)
