"""A stack over surveys of real frames, and a browser that looks at it: for tests and for pictures of the pages."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores
from imageflow_domain.geometry import Rect
from imageflow_domain.survey import Survey
from imageflow_surveys import carry
from imageflow_surveys.image import read_region
from tests.e2e.stack import EXAMPLE, ROOT, Cli, Stack, environment, free_port, running_stack

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
BUILT = ROOT / "imageflow_gateway" / "static" / "app" / "index.html"

EXAMPLE_SURVEY = "openttd-example-0001"
SHORE, SHORE_LATER = "openttd-shore-0001", "openttd-shore-0002"
"""One coast twice: with still water, and with running water."""

LIVE_CITY = """
title: A city that is surveyed while one watches
driver: {name: city, parameters: {seed: 3, pace_s: 0.05, view: [128, 128], drift_px: 8}}
grid: {rows: 12, cols: 12}
"""

ALL_TILES = """() => {
  const tiles = [...document.querySelectorAll(".leaflet-tile")];
  return tiles.length > 0 && tiles.every((tile) => tile.classList.contains("leaflet-tile-loaded"));
}"""


@dataclass(frozen=True)
class Stand:
    """The stack, and what its surveys truly show."""

    stack: Stack

    @property
    def url(self) -> str:
        return self.stack.gateway

    def get(self, address: str) -> Any:
        return httpx.get(f"{self.url}{address}", timeout=60).raise_for_status().json()

    def post(self, address: str, body: Any) -> Any:
        return httpx.post(f"{self.url}{address}", json=body, timeout=60).raise_for_status().json()

    def survey(self, survey: str) -> Survey:
        with self._stores() as stores:
            return carry.read(stores, survey)

    def truth(self, survey: str, x: int, y: int, width: int, height: int) -> NDArray[np.int16]:
        """Return a survey's own pixels, read from its store."""
        region = Rect(x_px=x, y_px=y, width_px=width, height_px=height)
        with self._stores() as stores:
            return read_region(stores, carry.read(stores, survey), region).rgb.astype(np.int16)

    @contextmanager
    def _stores(self) -> Iterator[Any]:
        stores = open_stores(Settings(home=self.stack.cli.home))
        try:
            yield stores
        finally:
            stores.database.close()


@contextmanager
def running_stand(folder: Path) -> Iterator[Stand]:
    """Survey the real frames, then run the stack over them."""
    shutil.copytree(ROOT / "games", folder / "games")
    (folder / "games" / "live_city.yaml").write_text(LIVE_CITY)
    ports = {"IMAGEFLOW_GATEWAY_PORT": str(free_port()), "IMAGEFLOW_DAGSTER_PORT": str(free_port())}
    cli = Cli(home=folder / ".imageflow", env=environment(folder / ".imageflow", **ports))
    data = ROOT / "tests" / "data"
    for frames, save in ((EXAMPLE, "example"), (data / "openttd-water", "shore"), (data / "openttd-running", "shore")):
        cli.json("survey", "run", "--driver", "folder", "--source", str(frames), "--game", "openttd", "--save", save)
    with running_stack(cli) as stack:
        yield Stand(stack)


@contextmanager
def running_browser() -> Iterator[Browser]:
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS) as browser,
    ):
        yield browser


def open_page(
    browser: Browser,
    url: str,
    *,
    width: int = 1200,
    height: int = 800,
    scheme: str = "dark",
    locale: str = "en",
    complain: Callable[[str], None] = print,
) -> Page:
    """Open an address in a context of its own; tell what the page complains of, of the content security policy too."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
        locale=locale,
    )
    page = context.new_page()
    page.on("pageerror", lambda error: complain(str(error)))
    page.on("console", lambda said: complain(said.text) if "Content Security" in said.text else None)
    page.goto(url)
    return page


def pixels(page: Page, x: float, y: float, width: float, height: float) -> NDArray[np.int16]:
    """Return a part of the screen, once all tiles are there."""
    page.wait_for_function(ALL_TILES)
    page.wait_for_timeout(150)  # the last tile is painted in the next frame
    clip: Any = {"x": x, "y": y, "width": width, "height": height}
    with Image.open(BytesIO(page.screenshot(clip=clip))) as image:
        return np.asarray(image.convert("RGB"), np.int16)
