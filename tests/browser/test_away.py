"""What the pages say without a survey, and without a server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.stand import ALL_TILES, Gateway, corner
from tests.e2e.stack import SURVEY_FOLDER

pytestmark = pytest.mark.e2e


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path / "home")
    gateway.start()
    yield gateway
    gateway.stop()


def test_the_first_map_appears_by_itself_a_lost_server_is_told_and_so_is_a_deleted_survey(
    look: Any, gateway: Gateway, tmp_path: Path
) -> None:
    page = look(gateway.url)
    expect(page.get_by_role("heading", name="No survey yet")).to_be_visible()
    expect(page.locator(".command")).to_contain_text("imageflow survey run")
    for address, words in (("/surveys", "No survey yet"), ("/history", "Nothing to look back on yet")):
        expect(look(f"{gateway.url}{address}").get_by_role("heading", name=words)).to_be_visible()
    gateway.cli.run(*SURVEY_FOLDER, str(corner(tmp_path / "frames", 0)))
    expect(page.locator(".middle")).to_have_count(0, timeout=20_000)
    page.wait_for_function(ALL_TILES)

    gateway.stop()
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer", timeout=20_000)
    assert page.locator(".leaflet-tile-loaded").count() > 0, "the map that was there stays"
    gateway.start()
    expect(page.get_by_role("alert")).to_have_count(0, timeout=20_000)

    progress = look(f"{gateway.url}/surveys/openttd-example-0001")
    expect(progress.get_by_role("heading", name="openttd · example · 1")).to_be_visible()
    page.goto(f"{gateway.url}/maps/openttd-example-0001")
    page.wait_for_function(ALL_TILES)
    gateway.cli.run("survey", "delete", "openttd-example-0001", "--yes")
    for one in (page, progress):
        expect(one.get_by_role("heading", name="There is no such survey")).to_be_visible(timeout=20_000)


def test_a_page_whose_script_an_update_removed_offers_a_reload(look: Any) -> None:
    page = look("/")
    page.route("**/assets/SurveysPage-*.js", lambda route: route.fulfill(status=404, body=""))
    page.get_by_role("link", name="Surveys").first.click()
    expect(page.get_by_role("heading", name="This page could not be loaded")).to_be_visible()
    page.unroute("**/assets/SurveysPage-*.js")
    page.get_by_role("button", name="Reload").click()
    expect(page.get_by_role("heading", name="Surveys")).to_be_visible()
