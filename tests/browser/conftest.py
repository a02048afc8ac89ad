"""One stack over real frames and one browser for all tests of the pages."""

import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.stand import BUILT, CHROMIUM, Stand, open_page, running_browser, running_stand

OpenPage = Callable[..., Page]


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
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with running_stand(tmp_path_factory.mktemp("stand")) as running:
        yield running


@pytest.fixture
def look(browser: Browser, stand: Stand) -> Iterator[OpenPage]:
    """Open an address of the stack, or a whole one; afterwards no page may have complained."""
    complaints: list[str] = []
    pages: list[Page] = []

    def at(address: str, **options: object) -> Page:
        url = address if address.startswith("http") else f"{stand.url}{address}"
        pages.append(open_page(browser, url, complain=complaints.append, **options))  # type: ignore[arg-type]
        return pages[-1]

    yield at
    for page in pages:
        page.context.close()
    assert complaints == []
