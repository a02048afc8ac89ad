"""The map page's screen as tests look at it: how large it is, where its middle lies, and how to get there."""

from typing import Any

import numpy as np
from playwright.sync_api import Page

from tests.browser.stand import EXAMPLE_SURVEY

WIDTH, HEIGHT = 1200, 800
SIDE = 300
MIDDLE = ((WIDTH - SIDE) / 2, (HEIGHT - SIDE) / 2, SIDE, SIDE)
"""A part of the screen that no panel lies over; its middle is the screen's."""

GROUND = np.array([0x15, 0x18, 0x1A])
"""Of the dark page, where no map is."""


def at(centre: tuple[int, int], zoom: float, survey: str = EXAMPLE_SURVEY) -> str:
    """Return the address of a map whose middle shows a game pixel."""
    return f"/maps/{survey}#x={centre[0]}&y={centre[1]}&z={zoom}"


def tool(page: Page, name: str) -> Any:
    """Return one of the map's tools."""
    return page.get_by_role("toolbar").get_by_role("button", name=name, exact=True)
