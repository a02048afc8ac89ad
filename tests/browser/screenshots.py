"""`python -m tests.browser.screenshots [FOLDER]`: a picture of every page, light and dark, 1440 and 360 px wide.

All show surveys of real frames, made anew, but for two of the simulated city, one of which is still going on; the
pictures lie under docs/screenshots by default.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.stand import (
    EXAMPLE_SURVEY,
    LONG_MS,
    MOVED,
    SHORE,
    SHORE_LATER,
    TORN,
    Gateway,
    Stand,
    open_page,
    running_browser,
    running_stand,
)
from tests.e2e.stack import ROOT

FOLDER = ROOT / "docs" / "screenshots"
WIDTHS = {1440: 900, 360: 720}
QUALITY = 80

_REST_MS = 1500
"""For tiles, thumbnails and panels that slide in."""

_MARKERS = (
    ("Old harbour", 6350, 7450, "blue"),
    ("Coal mine", 7520, 8330, "orange"),
    ("Where the line ends", 8300, 7850, "red"),
)


def _tool(name: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("toolbar").get_by_role("button", name=name, exact=True).click()


def _lineage(page: Page) -> None:
    _tool("What was this made from?")(page)
    size = page.viewport_size
    assert size is not None
    page.mouse.click(size["width"] * 0.4, size["height"] * 0.42)
    page.wait_for_selector(".shot")


def _block(page: Page) -> None:
    page.locator(".heat button").first.click()


def _place(page: Page) -> None:
    page.locator(".places button").nth(2).wait_for(timeout=60_000)


def _nothing(_: Page) -> None:
    return None


def _preview(page: Page) -> None:
    page.get_by_role("combobox", name="Game", exact=True).click()
    page.get_by_role("option", name="Simulated city").click()
    page.get_by_label("Columns").fill("9")


def _other_frame(page: Page) -> None:
    page.click(".picker-button")
    page.locator(".picker-list a", has_text="moved · 2").click()


_HOME = Path(tempfile.gettempdir()) / "imageflow"
"""Pages name it: a folder of the same name on every machine."""

_CITY = "city-main-0001"
_LIVE = "live_city-pictures-0001"
_PACE_S = 4.0
"""A shot: slow enough that the survey runs while its pictures are taken."""

PAGES: Mapping[str, tuple[str, Callable[[Page], None]]] = {
    "map": (f"/maps/{EXAMPLE_SURVEY}", _nothing),
    "markers": (f"/maps/{EXAMPLE_SURVEY}#x=7200&y=7900&z=4", _tool("Markers")),
    "overlays": (f"/maps/{SHORE}#x=6688&y=8052&z=2.75&o=ambiguous,grid", _tool("Overlays")),
    "lineage": (f"/maps/{EXAMPLE_SURVEY}#x=6688&y=8052&z=3&o=", _lineage),
    "surveys": ("/surveys", _nothing),
    "survey": (f"/surveys/{EXAMPLE_SURVEY}", _block),
    "live": (f"/surveys/{_LIVE}", _nothing),
    "failed": (f"/surveys/{TORN}", _nothing),
    "start": ("/surveys/new", _preview),
    "history": ("/history/openttd/shore#x=6600&y=8700&z=3.5", _place),
    "trust": (f"/surveys/{SHORE}/trust", _nothing),
    "missing": ("/maps/openttd-gone-0001", _nothing),
    "outside": (f"/maps/{EXAMPLE_SURVEY}#x=100&y=200&z=5", _nothing),
    "other-frame": (f"/maps/{MOVED}", _other_frame),
}
"""Of the stack."""

EMPTY = {"no-survey": "/", "no-surveys": "/surveys", "no-history": "/history"}
"""Of a gateway that has none."""


def take(stand: Stand, empty: Gateway, folder: Path) -> None:
    """Write `{page}-{light|dark}-{width}.webp` for every page."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, x, y, colour in _MARKERS:
        stand.post(
            "/api/v1/saves/openttd/example/markers", {"name": name, "x": x, "y": y, "colour": colour, "note": ""}
        )
    stand.get(f"/api/v1/surveys/{SHORE_LATER}/changes?since={SHORE}")
    stand.post("/api/jobs", {"game_id": "city", "save_data_id": "main"})
    stand.stack.await_state(_CITY, "completed", LONG_MS / 1000)
    job = stand.post(
        "/api/jobs", {"game_id": "live_city", "save_data_id": "pictures", "parameters": {"pace_s": _PACE_S}}
    )
    with running_browser() as browser:
        _await_live_and_failed(browser, stand)
        for name, (address, act) in PAGES.items():
            _take(browser, f"{stand.url}{address}", folder / name, act)
        for name, address in EMPTY.items():
            _take(browser, f"{empty.url}{address}", folder / name, _nothing)

        def leave(page: Page) -> None:
            empty.stop()
            page.wait_for_selector("[role=alert]")

        _take(browser, f"{empty.url}/surveys/new", folder / "server-gone", leave, empty.start)
    stand.post(f"/api/jobs/{job['job_id']}/cancel", None)


def _await_live_and_failed(browser: Browser, stand: Stand) -> None:
    for address, sign in (
        (f"/surveys/{_LIVE}", ".layer-line, .stage .stage-runs"),
        (f"/surveys/{TORN}", ".card .fault"),
    ):
        page = open_page(browser, f"{stand.url}{address}")
        expect(page.locator(sign).first).to_be_visible(timeout=LONG_MS)
        page.context.close()


def _take(
    browser: Browser, url: str, path: Path, act: Callable[[Page], None], after: Callable[[], None] = lambda: None
) -> None:
    for scheme in ("light", "dark"):
        for width, height in WIDTHS.items():
            page = open_page(browser, url, width=width, height=height, scheme=scheme)
            page.wait_for_timeout(_REST_MS)
            act(page)
            page.wait_for_timeout(_REST_MS)
            with Image.open(BytesIO(page.screenshot())) as picture:
                picture.convert("RGB").save(f"{path}-{scheme}-{width}.webp", quality=QUALITY, method=6)
            page.context.close()
            after()


def main() -> None:
    """Make the surveys, take the pictures, and leave nothing else behind."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    try:
        _HOME.mkdir()
    except FileExistsError:
        sys.exit(f"{_HOME} is there already: wait until its process is done, or remove it.")
    try:
        with running_stand(_HOME) as stand:
            empty = Gateway(_HOME / "empty")
            empty.start()
            take(stand, empty, folder)
            empty.stop()
    finally:
        shutil.rmtree(_HOME)


if __name__ == "__main__":
    main()
