"""A stack over surveys of real frames, and a browser that looks at it: for tests and for pictures of the pages."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.geometry import Rect
from imageflow_domain.survey import Survey
from imageflow_surveys import states
from imageflow_surveys.image import read_region
from tests.e2e.stack import EXAMPLE, HTTP, ROOT, Cli, Stack, environment, free_port, running_stack
from tests.mosaic.lossy_frames import with_watermark
from tests.surveys.lossy_folders import jpeg_folder, shots

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

MOVED, MOVED_LATER = "openttd-moved-0001", "openttd-moved-0002"
"""Two surveys of one save that share no place: each lies in a frame of its own."""

JPEG, JPEG_LATER = "openttd-jpeg-0001", "openttd-jpeg-0002"
"""One place twice in JPEG screenshots, each cut elsewhere: nothing has changed."""

MARKED = "openttd-marked-0001"
"""The same with a watermark on every screenshot."""

WATERMARK = Rect(x_px=380, y_px=330, width_px=150, height_px=40)

TORN = "torn-main-0001"
"""A job whose last picture is torn: it fails while other things are looked at."""

LIVE_CITY = """
title: A city that is surveyed while one watches
driver: {name: city, parameters: {seed: 3, pace_s: 0.25, view: [128, 128], drift_px: 8}}
grid: {rows: 12, cols: 12}
encoding: {lossless_method: 0}
"""

TORN_FRAMES = """
title: Frames of which one is torn
driver: {name: folder}
source: ../torn
encoding: {lossless_method: 0}
"""

LONG_MS = 600_000
"""For what takes seconds on an idle machine, and minutes where others work too."""

_SURVEYS_S = 1200.0
"""Shorter than the guard of a test, which would not say what hung."""

ALL_TILES = """() => {
  const tiles = [...document.querySelectorAll(".leaflet-tile")];
  return tiles.length > 0 && tiles.every((tile) => tile.classList.contains("leaflet-tile-loaded"));
}"""


@dataclass(frozen=True)
class Stand:
    """The stack, and what its surveys truly show."""

    stack: Stack
    stores: Stores

    @property
    def url(self) -> str:
        return self.stack.gateway

    def get(self, address: str) -> Any:
        return HTTP.get(f"{self.url}{address}", timeout=60).raise_for_status().json()

    def post(self, address: str, body: Any) -> Any:
        return HTTP.post(f"{self.url}{address}", json=body, timeout=60).raise_for_status().json()

    def survey(self, survey: str) -> Survey:
        return states.read(self.stores, survey)

    def truth(self, survey: str, x: int, y: int, width: int, height: int) -> NDArray[np.int16]:
        """Return a survey's own pixels, read from its store."""
        region = Rect(x_px=x, y_px=y, width_px=width, height_px=height)
        return read_region(self.stores, self.survey(survey), region).rgb.astype(np.int16)

    @contextmanager
    def torn_tile(self, survey: str, x: int, y: int, left: int = 0) -> Iterator[None]:
        """Take away the picture of the tile that shows a place, but for its first bytes, for a `with` block."""
        digest = self.get(f"/api/v1/surveys/{survey}/lineage?x={x}&y={y}")["tile"]["digest"]
        objects = self.stack.cli.home / "objects"
        (stored,) = [path for path in objects.rglob(f"{digest}*") if "lossless" not in path.parts]
        data = stored.read_bytes()
        if left:
            stored.write_bytes(data[:left])
        else:
            stored.unlink()
        try:
            yield
        finally:
            stored.write_bytes(data)


@contextmanager
def running_stand(folder: Path) -> Iterator[Stand]:
    """Survey the real frames, then run the stack over them, and begin the job that is to fail."""
    shutil.copytree(ROOT / "games", folder / "games")
    (folder / "games" / "live_city.yaml").write_text(LIVE_CITY)
    (folder / "games" / "torn.yaml").write_text(TORN_FRAMES)
    ports = {
        "IMAGEFLOW_GATEWAY_PORT": str(free_port()),
        "IMAGEFLOW_DAGSTER_PORT": str(free_port()),
        "IMAGEFLOW_ENGINE_GRPC_PORT": str(free_port()),
    }
    cli = Cli(home=folder / ".imageflow", env=environment(folder / ".imageflow", **ports))
    data = ROOT / "tests" / "data"
    north_west, south_east = (corner(folder / name, side) for name, side in (("north_west", 0), ("south_east", 4)))
    jpeg = [jpeg_folder(folder / f"jpeg_{n}", shots("openttd-small", corners=n)) for n in (1, 2)]
    sources = {
        "moved": [north_west, south_east],
        "shore": [data / "openttd-water", data / "openttd-running"],
        "example": [EXAMPLE],
        "jpeg": jpeg,
        "marked": [_marked(folder / "marked")],
    }
    _survey(cli, sources)
    torn = corner(folder / "torn", 0)
    picture = torn / "r01_c01.png"
    with running_stack(cli) as stack, _opened(cli) as stores:
        stand = Stand(stack, stores)
        stand.post("/api/jobs", {"game_id": "torn", "save_data_id": "main"})
        picture.write_bytes(picture.read_bytes()[:5000])  # it was whole when the survey was planned
        yield stand


@contextmanager
def _opened(cli: Cli) -> Iterator[Stores]:
    stores = open_stores(Settings(home=cli.home))
    try:
        yield stores
    finally:
        stores.database.close()


def _survey(cli: Cli, sources: Mapping[str, Sequence[Path]]) -> None:
    """Survey folders, by the save that each is a survey of."""
    # tiles are encoded fast: their pixels are the same
    common = ("survey", "run", "--json", "--driver", "folder", "--game", "openttd", "--lossless-method", "0")
    commands = [(*common, "--save", save, "--source", str(one)) for save, every in sources.items() for one in every]
    done = subprocess.run(
        [sys.executable, "-m", "tests.browser.surveying"],
        input=json.dumps(commands),
        env={**cli.env, "PYTHONPATH": str(ROOT)},
        cwd=cli.home.parent,
        capture_output=True,
        text=True,
        timeout=_SURVEYS_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _marked(folder: Path) -> Path:
    """Write JPEG screenshots that bear a watermark."""
    survey = shots("openttd-small", corners=3)
    return jpeg_folder(folder, survey, draw=lambda pixels, _: with_watermark(pixels, WATERMARK))


def corner(folder: Path, first: int) -> Path:
    """Copy the example's 2 x 2 frames from row and column `first` on, as a folder of their own."""
    folder.mkdir()
    lines = ["file,row,col,x,y"]
    for line in (EXAMPLE / "positions.csv").read_text().splitlines()[1:]:
        name, row, col, x, y = line.split(",")
        if {int(row), int(col)} <= {first, first + 1}:
            new = f"r{int(row) - first:02d}_c{int(col) - first:02d}.png"
            shutil.copyfile(EXAMPLE / name, folder / new)
            lines.append(f"{new},{int(row) - first},{int(col) - first},{x},{y}")
    (folder / "positions.csv").write_text("\n".join(lines) + "\n")
    return folder


class Gateway:
    """A gateway of its own over an empty home, which can be stopped and started again."""

    def __init__(self, home: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.cli = Cli(home=home, env=environment(home, IMAGEFLOW_GATEWAY_PORT=str(port)))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "imageflow_gateway"],
            env=self.cli.env,
            stderr=subprocess.DEVNULL,
            cwd=self.cli.home.parent,
        )
        until = time.monotonic() + 120
        while time.monotonic() < until:
            try:
                if HTTP.get(f"{self.url}/health/ready").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError("the gateway did not get ready")

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)


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
    """Open an address in a context of its own; report the page's errors, those of the security policy included."""
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
    return decoded(page.screenshot(clip=clip))


def decoded(picture: bytes) -> NDArray[np.int16]:
    """Return RGB, shape (height, width, 3)."""
    with Image.open(BytesIO(picture)) as image:
        return np.asarray(image.convert("RGB"), np.int16)
