"""The map's page in a browser, through the tile cache: the pixels of the survey, from the cache the second time."""

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Response, expect

from tests.browser.screen import MIDDLE
from tests.browser.stand import pixels, running_browser
from tests.browser.tabs import Tabs
from tests.kubernetes.release import Release

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

CITY = {"game_id": "city", "grid": {"rows": 6, "cols": 6}, "seed": 7}


def test_a_map_in_a_browser_misses_the_cache_first_and_hits_it_then(release: Release) -> None:
    job = release.post("/api/jobs", {**CITY, "save_data_id": "seen"})
    survey = release.await_job(job["job_id"])["survey_id"]
    with running_browser() as browser:
        tabs = Tabs(browser)
        first, drawn = _visit(release, tabs, survey)
        again, same = _visit(release, tabs, survey)
    assert set(first.values()) == {"MISS"}
    assert len(first) >= 4
    assert set(again.values()) == {"HIT"}
    assert again.keys() == first.keys()
    assert np.array_equal(same, drawn)
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 16, "a map, and not the bare ground"


def _visit(release: Release, tabs: Tabs, survey: str) -> tuple[dict[str, str], Any]:
    """Open the survey's map with an empty browser; return what the cache said of each tile, and the map's pixels."""
    said: dict[str, str] = {}
    complaints: list[str] = []

    def note(answer: Response) -> None:
        if "/tiles/" in answer.url and answer.url.endswith(".webp"):
            said[answer.url] = answer.headers["x-cache-status"]

    page = tabs.open("about:blank", complain=complaints.append)
    page.on("response", note)
    page.goto(f"{release.url}/maps/{survey}")
    expect(page.locator(".leaflet-tile-loaded").first).to_be_visible(timeout=60_000)
    seen = pixels(page, *MIDDLE)
    page.remove_listener("response", note)
    tabs.leave()
    assert complaints == []
    return said, seen
