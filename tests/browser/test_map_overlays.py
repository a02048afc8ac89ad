"""What lies over the map: the grid, blocks, and low-confidence shots."""

import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.screen import MIDDLE, SIDE, at, tool
from tests.browser.stand import EXAMPLE_SURVEY, SHORE, Stand, pixels

pytestmark = pytest.mark.e2e


def test_the_grid_lies_where_the_screenshots_lie(look: Any, stand: Stand, native: int) -> None:
    areas = stand.get(f"/api/v1/surveys/{SHORE}/areas")
    place = next(n for n in range(len(areas["row"])) if (areas["row"][n], areas["col"][n]) == (4, 4))
    x, y = areas["x"][place], areas["y"][place]
    plain = pixels(look(at((x, y), native, SHORE) + "&o="), *MIDDLE)
    shown = pixels(look(at((x, y), native, SHORE) + "&o=grid"), *MIDDLE)
    changed = np.abs(shown - plain).max(axis=2) > 24
    half = SIDE // 2
    # its top left corner is the middle of the screen: one line goes right, one down
    assert changed[half - 2 : half + 3, half + 20 :].any(axis=0).mean() > 0.95
    assert changed[half + 20 :, half - 2 : half + 3].any(axis=1).mean() > 0.95


def test_ambiguous_shots_are_coloured_by_confidence_and_anchored_ones_are_not(
    look: Any, stand: Stand, native: int
) -> None:
    areas = stand.get(f"/api/v1/surveys/{SHORE}/areas")
    words = areas["statuses"]
    ambiguous = [n for n, status in enumerate(areas["status"]) if words[status] == "ambiguous"]
    worst = min(ambiguous, key=lambda n: areas["confidence"][n])
    centre = areas["x"][worst] + 512, areas["y"][worst] + 300
    plain = pixels(look(at(centre, native, SHORE) + "&o="), *MIDDLE)
    shown = pixels(look(at(centre, native, SHORE) + "&o=ambiguous"), *MIDDLE)
    redder = (shown - plain)[:40].mean(axis=(0, 1))
    assert redder[0] > 20
    assert redder[0] > redder[2] + 10
    page = look(f"/maps/{EXAMPLE_SURVEY}#x=1&y=1&z=4&o=ambiguous")
    tool(page, "Overlays").click()
    expect(page.locator(".panel")).to_contain_text("Every screenshot of this survey is anchored")


def test_blocks_are_named(look: Any, native: int, centre: tuple[int, int]) -> None:
    page = look(at(centre, native - 3) + "&o=")
    plain = pixels(page, 200, 150, 700, 500)
    tool(page, "Overlays").click()
    page.get_by_label("Blocks").check()
    page.wait_for_url(re.compile("o=blocks"))
    page.keyboard.press("Escape")
    page.wait_for_timeout(600)
    yellow = np.abs(pixels(page, 200, 150, 700, 500) - np.array([0xFF, 0xD4, 0x3B])).max(axis=2) < 12
    assert yellow.sum() > 400
    assert (np.abs(plain - np.array([0xFF, 0xD4, 0x3B])).max(axis=2) < 12).sum() < 40
