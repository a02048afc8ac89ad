"""The map page on a large survey: first paint, script, long tasks and dropped frames, beside a bare Leaflet page.

IMAGEFLOW_BENCH_GATEWAY and IMAGEFLOW_BENCH_SURVEY measure a survey that a running gateway has already.
"""

import gzip
import itertools
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, Response, sync_playwright

from bench.figures import Figure, Result
from bench.large_map import lay
from bench.stack import free_port, running_gateway
from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores

FIRST_PAINT_S, SCRIPT_KB, LONGEST_TASK_MS, MORE_DROPPED = 1.0, 300.0, 50.0, 5.0
"""The last one in percent of the frames, beyond what the bare page drops."""

ROUNDS = 5
_CHROMIUM = Path("/usr/bin/chromium")
_LEAFLET = Path(__file__).parents[1] / "webui" / "node_modules" / "leaflet" / "dist"
_WIDTH, _HEIGHT = 1440, 900

_PAINTED = """() => new Promise((resolve) => {
  const look = () => {
    const tiles = [...document.querySelectorAll(".leaflet-tile")];
    if (tiles.length > 0 && tiles.every((tile) => tile.classList.contains("leaflet-tile-loaded"))) {
      requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now())));
    } else requestAnimationFrame(look);
  };
  look();
})"""
"""When every tile of the first view is on the screen, in milliseconds since the navigation began."""

_WATCH = """() => {
  window.seen = { frames: [], tasks: [] };
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) window.seen.tasks.push(task.duration);
  }).observe({ type: "longtask" });
  const note = (now) => { window.seen.frames.push(now); requestAnimationFrame(note); };
  requestAnimationFrame(note);
}"""

_BARE = """<!doctype html><html><head><link rel="stylesheet" href="/bare/leaflet.css">
<style>html, body, #map {{ height: 100%; margin: 0; }}</style></head><body><div id="map"></div>
<script src="/bare/leaflet.js"></script><script src="/bare/map.js"></script></body></html>"""

_BARE_MAP = """
const f = 1 / 2 ** {native};
const crs = L.extend({{}}, L.CRS.Simple, {{ transformation: new L.Transformation(f, 0, f, 0) }});
const map = L.map("map", {{ crs, maxZoom: {native} + 3 }}).setView([{y}, {x}], {zoom});
L.tileLayer("{path}", {{
  tileSize: 512, minNativeZoom: {lowest}, maxNativeZoom: {native}, maxZoom: {native} + 3,
}}).addTo(map);
"""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What one run of panning and zooming was like."""

    longest_task_ms: float
    """0 where no task was long enough to be noted: 50 ms."""
    dropped: float
    """Percent of the frames that a display of 60 Hz would have shown."""


def run() -> Result:
    """Return first paint, longest task and dropped frames of the map page, and what a bare page drops."""
    if not _CHROMIUM.exists():
        return Result(skipped="chromium is not installed")
    with (
        _served() as (gateway, survey),
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=_CHROMIUM, args=["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"]
        ) as browser,
    ):
        tilejson = httpx.get(f"{gateway}/tiles/{survey}/tilejson.json", timeout=60).raise_for_status().json()
        script_kb = _script_kb(browser, f"{gateway}/maps/{survey}")
        paints = [_first_paint(browser, f"{gateway}/maps/{survey}") for _ in range(ROUNDS)]
        rounds = [(_own(browser, gateway, tilejson), _bare(browser, gateway, tilejson)) for _ in range(ROUNDS)]
    own, bare = [one for one, _ in rounds], [other for _, other in rounds]
    dropped, bare_dropped = median(one.dropped for one in own), median(one.dropped for one in bare)
    return Result(
        figures=(
            Figure(name="first view painted, median", value=median(paints), unit="s", at_most=FIRST_PAINT_S),
            Figure(name="first view painted, worst", value=max(paints), unit="s"),
            Figure(name="gzipped script of the map page", value=script_kb, unit="kB", at_most=SCRIPT_KB),
            Figure(
                name="longest task while panning and zooming",
                value=max(one.longest_task_ms for one in own),
                unit="ms",
                at_most=LONGEST_TASK_MS,
            ),
            Figure(
                name="longest task of a bare Leaflet page", value=max(one.longest_task_ms for one in bare), unit="ms"
            ),
            Figure(name="frames dropped", value=dropped, unit="%"),
            Figure(name="frames dropped by a bare Leaflet page", value=bare_dropped, unit="%"),
            Figure(
                name="frames dropped beyond the bare page's",
                value=dropped - bare_dropped,
                unit="%",
                at_most=MORE_DROPPED,
            ),
        )
    )


@contextmanager
def _served() -> Iterator[tuple[str, str]]:
    """Give a gateway's address and a survey that it has."""
    given, survey = os.environ.get("IMAGEFLOW_BENCH_GATEWAY"), os.environ.get("IMAGEFLOW_BENCH_SURVEY")
    if given and survey:
        yield given.rstrip("/"), survey
        return
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), gateway_port=free_port())
        try:
            stores = open_stores(settings)
            made = lay(stores, "bench").id
            stores.database.close()
            with running_gateway(settings):
                yield settings.gateway_url, made
        finally:
            EmbeddedPostgres(settings.home / "postgres").stop()


@contextmanager
def _page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": _WIDTH, "height": _HEIGHT})
    try:
        yield context.new_page()
    finally:
        context.close()


def _first_paint(browser: Browser, url: str) -> float:
    """Return the seconds from the navigation to the first view, all tiles painted, nothing cached."""
    with _page(browser) as page:
        page.goto(url, wait_until="commit")
        page.wait_for_selector(".leaflet-tile", state="attached")
        return float(page.evaluate(_PAINTED)) / 1000


def _script_kb(browser: Browser, url: str) -> float:
    """Return how much script a browser fetches before it shows the map, and right after, gzipped, in thousands."""
    scripts: list[Response] = []
    with _page(browser) as page:
        page.on("response", lambda one: scripts.append(one) if one.request.resource_type == "script" else None)
        page.goto(url, wait_until="networkidle")
        return sum(len(gzip.compress(one.body(), 9)) for one in scripts) / 1000


def _own(browser: Browser, gateway: str, tilejson: Any) -> Watched:
    x, y, native = _middle(tilejson)
    survey = tilejson["imageflow"]["survey"]
    with _page(browser) as page:
        page.goto(f"{gateway}/maps/{survey}#x={x}&y={y}&z={native - 1}")
        return _wander(page)


def _bare(browser: Browser, gateway: str, tilejson: Any) -> Watched:
    """Do the same on a page of Leaflet alone, over the same tiles of the same server."""
    x, y, native = _middle(tilejson)
    script = _BARE_MAP.format(
        x=x, y=y, native=native, zoom=native - 1, path=tilejson["imageflow"]["path"], lowest=tilejson["minzoom"]
    )
    with _page(browser) as page:
        page.route("**/bare/leaflet.js", lambda route: route.fulfill(path=_LEAFLET / "leaflet.js"))
        page.route("**/bare/leaflet.css", lambda route: route.fulfill(path=_LEAFLET / "leaflet.css"))
        page.route("**/bare/map.js", lambda route: route.fulfill(body=script, content_type="text/javascript"))
        page.route("**/bare/page", lambda route: route.fulfill(body=_BARE.format(), content_type="text/html"))
        page.goto(f"{gateway}/bare/page")
        return _wander(page)


def _middle(tilejson: Any) -> tuple[int, int, int]:
    facts = tilejson["imageflow"]
    bounds = facts["bounds"]
    x, y = bounds["x_px"] + bounds["width_px"] // 2, bounds["y_px"] + bounds["height_px"] // 2
    return x, y, facts["frame"]["native_zoom"]


def _wander(page: Page) -> Watched:
    """Drag and zoom as a hand does, and return what that was like."""
    page.wait_for_selector(".leaflet-tile-loaded", state="attached")
    page.evaluate(_PAINTED)
    page.evaluate(_WATCH)
    middle = _WIDTH / 2, _HEIGHT / 2
    for dx, dy in ((-300, -120), (260, 200), (-200, 220), (240, -300)):
        page.mouse.move(*middle)
        page.mouse.down()
        page.mouse.move(middle[0] + dx, middle[1] + dy, steps=30)
        page.mouse.up()
        page.wait_for_timeout(250)
    for turn in (-120, -120, 120, 120, 120, -120):
        page.mouse.wheel(0, turn)
        page.wait_for_timeout(450)
    seen = page.evaluate("() => window.seen")
    return Watched(longest_task_ms=max(seen["tasks"], default=0.0), dropped=_dropped(seen["frames"]))


def _dropped(frames: Sequence[float]) -> float:
    """Return the percent of frames of a 60 Hz display that were not drawn, given the drawn ones' milliseconds."""
    due = (frames[-1] - frames[0]) * 60 / 1000
    missed = sum(max(0, round((after - before) * 60 / 1000) - 1) for before, after in itertools.pairwise(frames))
    return 100 * missed / due
