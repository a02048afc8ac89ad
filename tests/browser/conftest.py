"""One stack over real frames and one browser for all tests of the pages."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.stand import BUILT, CHROMIUM, EXAMPLE_SURVEY, Stand, running_browser, running_stand
from tests.browser.tabs import Tabs

GUARD_S = 1800
"""For one test: whichever is the first waits for the whole stand, which takes minutes where others work too."""

OpenPage = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Guard these tests by a time of their own."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(GUARD_S))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    for is_there, reason in (
        (CHROMIUM.exists(), "chromium is not installed: apt-get install chromium"),
        (BUILT.exists(), "the pages are not built: make webui"),
    ):
        if not is_there:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def tabs(browser: Browser) -> Tabs:
    return Tabs(browser)


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with running_stand(tmp_path_factory.mktemp("stand")) as running:
        yield running


@pytest.fixture
def look(tabs: Tabs, stand: Stand) -> Iterator[OpenPage]:
    """Open an address of the stack, or a whole one; afterwards no page may have complained."""
    complaints: list[str] = []

    def at(address: str, **options: object) -> Page:
        url = address if address.startswith("http") else f"{stand.url}{address}"
        return tabs.open(url, complain=complaints.append, **options)  # type: ignore[arg-type]

    yield at
    tabs.leave()
    assert complaints == []


@pytest.fixture(scope="session")
def native(stand: Stand) -> int:
    """The zoom at which a game pixel is one of the screen's."""
    return stand.survey(EXAMPLE_SURVEY).published().frame.native_zoom


@pytest.fixture(scope="session")
def centre(stand: Stand) -> tuple[int, int]:
    """The middle of the example's map."""
    bounds = stand.survey(EXAMPLE_SURVEY).published().bounds
    # whole screen pixels at every zoom of these tests: Leaflet shows nothing between two of them
    return (bounds.x_px + bounds.width_px // 2) & ~7, (bounds.y_px + bounds.height_px // 2) & ~7
