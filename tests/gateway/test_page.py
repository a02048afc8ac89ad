"""The map page in a real browser: the survey's own pixels, the position, and what it says where there is no map."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.geometry import Rect
from imageflow_domain.survey import Survey
from imageflow_surveys.image import read_region

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTH, HEIGHT = 900, 700
CLIP = {"x": 300.0, "y": 200.0, "width": 300.0, "height": 300.0}
"""A part of the screen that nothing lies over; its middle is the screen's."""

ALL_TILES = """() => {
  const tiles = [...document.querySelectorAll(".leaflet-tile")];
  return tiles.length > 0 && tiles.every((tile) => tile.classList.contains("leaflet-tile-loaded"));
}"""

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser(need: Callable[[bool, str], None], vendor: Path) -> Iterator[Browser]:
    need(CHROMIUM.exists(), "chromium is not installed: apt-get install chromium")
    need(vendor.exists(), "Leaflet is not installed: make webui")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS) as browser,
    ):
        yield browser


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open an address; afterwards no page may have complained, of the content security policy for one."""
    complaints: list[str] = []
    contexts: list[Any] = []

    def open_at(url: str, *, width: int = WIDTH, height: int = HEIGHT, scheme: str = "dark") -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        page.goto(url)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def centre(survey: Survey) -> tuple[int, int]:
    bounds = survey.published().bounds
    return bounds.x_px + bounds.width_px // 2, bounds.y_px + bounds.height_px // 2


def _screen(page: Page) -> NDArray[np.int16]:
    page.wait_for_function(ALL_TILES)
    page.wait_for_timeout(100)  # the last tile is painted in the next frame
    with Image.open(BytesIO(page.screenshot(clip=CLIP))) as image:  # type: ignore[arg-type]
        return np.asarray(image.convert("RGB"), np.int16)


def _truth(stores: Stores, survey: Survey, centre: tuple[int, int], side_px: int) -> NDArray[np.int16]:
    x, y = centre
    region = Rect(x_px=x - side_px // 2, y_px=y - side_px // 2, width_px=side_px, height_px=side_px)
    return read_region(stores, survey, region).rgb.astype(np.int16)


def _at(centre: tuple[int, int], zoom: float) -> str:
    return f"#x={centre[0]}&y={centre[1]}&z={zoom}"


def test_the_page_shows_the_surveys_own_pixels(
    served: Any, open_page: OpenPage, stores: Stores, survey: Survey, centre: tuple[int, int]
) -> None:
    zoom = survey.published().frame.native_zoom
    page = open_page(f"{served.url}/maps/{survey.id}{_at(centre, zoom)}")
    assert np.array_equal(_screen(page), _truth(stores, survey, centre, 300))


def test_beyond_the_native_zoom_a_pixel_is_a_square(
    served: Any, open_page: OpenPage, stores: Stores, survey: Survey, centre: tuple[int, int]
) -> None:
    zoom = survey.published().frame.native_zoom
    page = open_page(f"{served.url}/maps/{survey.id}{_at(centre, zoom + 1)}")
    assert np.array_equal(_screen(page), _truth(stores, survey, centre, 150).repeat(2, 0).repeat(2, 1))


def test_no_ground_shines_through_between_tiles(
    served: Any, open_page: OpenPage, survey: Survey, centre: tuple[int, int]
) -> None:
    zoom = survey.published().frame.native_zoom
    for fraction in (-0.75, -0.25, 0.75):
        address = f"{served.url}/maps/{survey.id}{_at(centre, zoom + fraction)}"
        dark, light = (_screen(open_page(address, scheme=scheme)) for scheme in ("dark", "light"))
        assert np.abs(dark - light).max() <= 2, fraction


def test_the_pointers_game_pixel_is_told(
    served: Any, open_page: OpenPage, survey: Survey, centre: tuple[int, int]
) -> None:
    native = survey.published().frame.native_zoom
    for zoom, scale in ((native, 1), (native - 1, 2)):
        page = open_page(f"{served.url}/maps/{survey.id}{_at(centre, zoom)}")
        page.wait_for_function(ALL_TILES)
        page.mouse.move(WIDTH / 2 + 100, HEIGHT / 2 - 50)
        expect(page.locator("#coordinates")).to_have_text(f"x {centre[0] + 100 * scale} y {centre[1] - 50 * scale}")


def test_the_address_holds_the_position(
    served: Any, open_page: OpenPage, survey: Survey, centre: tuple[int, int]
) -> None:
    zoom = survey.published().frame.native_zoom
    page = open_page(f"{served.url}/maps/{survey.id}{_at(centre, zoom)}")
    page.wait_for_function(ALL_TILES)
    page.keyboard.press("Tab")
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url(lambda url: f"x={centre[0]}&" not in url)
    page.wait_for_timeout(500)  # the map glides to its end
    moved = page.url
    there = _screen(page)
    another = open_page(moved)
    assert np.array_equal(_screen(another), there)
    assert another.url == moved


def test_a_changed_or_wrong_hash(served: Any, open_page: OpenPage, survey: Survey, centre: tuple[int, int]) -> None:
    zoom = survey.published().frame.native_zoom
    page = open_page(f"{served.url}/maps/{survey.id}#x=abc&y=&z=Infinity")
    page.wait_for_function(ALL_TILES)
    page.evaluate(f"window.location.hash = '{_at(centre, zoom)}'")
    expect(page.locator("#scale")).to_have_text("1×")
    expect(page.locator("#coordinates")).to_have_text(f"x {centre[0]} y {centre[1]}")


def test_the_list_chooses_a_survey_and_one_without_a_map_tells_its_state(
    served: Any, open_page: OpenPage, client: Any, survey: Survey
) -> None:
    delayed = client.post("/api/jobs", json={"game_id": "city", "save_data_id": "listed"}).json()["error"]
    page = open_page(served.url)
    expect(page.locator("#picked-title")).to_have_text("city · first · 1")
    page.click("#picker summary")
    page.click(f"#surveys a[href='/maps/{delayed['details']['survey_id']}']")
    expect(page.locator("#card-text")).to_contain_text("has not been started yet")
    expect(page.locator("#card-counts")).to_contain_text("0 of 6 screenshots")
    expect(page.locator("#readout")).to_be_hidden()
    page.go_back()
    page.wait_for_function(ALL_TILES)
    expect(page.locator("#card")).to_be_hidden()
    assert page.title().startswith("city · first · 1")


def test_a_survey_that_is_not_there(served: Any, open_page: OpenPage, survey: Survey) -> None:
    for name in ("city-first-9999", "<b>x", "%E0%A4"):
        page = open_page(f"{served.url}/maps/{name}")
        expect(page.locator("#card-title")).to_have_text("There is no such survey")
        expect(page.locator("#card-text b")).to_have_count(0)


def test_without_leaflet_the_page_says_what_to_run(served: Any, browser: Browser, survey: Survey) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.route("**/vendor/**", lambda route: route.fulfill(status=404))
        page.goto(served.url)
        expect(page.locator("#card-command")).to_have_text("make webui")


def test_everything_fits_a_small_phone(served: Any, open_page: OpenPage, survey: Survey) -> None:
    page = open_page(served.url, width=360, height=640)
    page.wait_for_function(ALL_TILES)
    page.click("#picker summary")
    for name in ("#picker", "#readout", ".leaflet-control-zoom"):
        box = page.locator(name).bounding_box()
        assert box is not None
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= 360, name
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_first_map_appears_by_itself_and_a_lost_server_is_told(
    tmp_path: Path,
    open_page: OpenPage,
    start: Callable[[Settings], Any],
    free_port: Callable[[], int],
    make_survey: Callable[[Stores, str], Survey],
) -> None:
    settings = Settings(home=tmp_path, gateway_port=free_port())
    gateway = start(settings)
    gateway.wait()
    page = open_page(gateway.url)
    expect(page.locator("#card-title")).to_have_text("No survey yet")
    expect(page.locator("#card-command")).to_contain_text("imageflow survey run")
    stores = open_stores(settings)
    make_survey(stores, "fresh")
    stores.database.close()
    expect(page.locator("#card")).to_be_hidden(timeout=10_000)
    page.wait_for_function(ALL_TILES)
    gateway.stop()
    expect(page.locator("#banner")).to_contain_text("The server does not answer", timeout=10_000)
