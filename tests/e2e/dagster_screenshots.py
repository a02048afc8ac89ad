"""`python -m tests.e2e.dagster_screenshots [FOLDER]`: pictures of Dagster's pages for docs/dagster.md.

A stack surveys the example frames and cities of the simulated game; nothing of it is left behind.
"""

import sys
import tempfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.stand import running_browser
from tests.e2e.dagster_pages import MAP_GROUP, PATIENCE_MS, Pages
from tests.e2e.stack import EXAMPLE, ROOT, Cli, environment, free_port, running_stack

FOLDER = ROOT / "docs" / "screenshots" / "dagster"
SIZE = {"width": 1500, "height": 900}
COLOURS = 96
"""Enough for a page; pictures then stay below 120 KB."""

_REST_MS = 2500
"""For what slides in."""

_HIDE_PLACE = """place => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(place, "...");
}"""
"""Stack traces show the folder of the code."""

_EXAMPLE = "openttd-example-0001"
_CITY = "{view: [320, 256], drift_px: 8, paused: true}"
_WATERY = "{view: [480, 384], drift_px: 12, paused: true, water: 0.95, seed: 2}"


def take(pages: Pages, folder: Path) -> None:
    """Write a PNG for each page that the document shows."""
    folder.mkdir(parents=True, exist_ok=True)
    watery, failed = pages.plan("lake", "4x4", _WATERY), pages.plan("north", "2x2", _CITY)
    coming = [pages.plan(save, "3x3", _CITY) for save in ("east", "west")]
    failure = pages.materialise(failed, "/assets/coordinates")
    pages.await_status("Failure")
    run = pages.materialise(watery)
    pages.await_status("Success")
    shown: Mapping[str, tuple[str, Callable[[Page], None]]] = {
        "assets": (f"{MAP_GROUP.removesuffix('lineage')}list", _nothing),
        "plan": ("/locations/imageflow/jobs/plan_survey/playground", lambda _: _fill_in(pages)),
        "materialise": (MAP_GROUP, lambda _: _choose(pages, coming)),
        "run": (f"/runs/{run}", _nothing),
        "failure": (f"/runs/{failure}", _nothing),
        "partitions": (f"/assets/tiles?view=partitions&partition={_EXAMPLE}", _nothing),
        "checks": ("/assets/coordinates?view=checks&checkDetail=mostly_anchored", lambda _: _look_at(pages, watery)),
        "pool": ("/deployment/concurrency/capture", _nothing),
    }
    for name, (address, act) in shown.items():
        page = pages.open(address)
        page.wait_for_timeout(_REST_MS)
        act(page)
        page.wait_for_timeout(_REST_MS)
        page.evaluate(_HIDE_PLACE, str(ROOT))
        with Image.open(BytesIO(page.screenshot())) as picture:
            picture.convert("RGB").quantize(COLOURS).save(folder / f"{name}.png", optimize=True)


def _nothing(_: Page) -> None:
    return None


def _fill_in(pages: Pages) -> None:
    pages.write_config(
        "ops:\n  register_survey:\n    config:\n      game: city\n      save: north\n      driver: city\n"
        "      grid: 3x3\n      parameters: {seed: 7}\n      start: false\n"
    )
    expect(pages.page.get_by_text("No errors")).to_be_visible()


def _choose(pages: Pages, surveys: list[str]) -> None:
    pages.button("Materialize").first.click()
    pages.choose(surveys)


def _look_at(pages: Pages, survey: str) -> None:
    pages.seen("Partitions").click()
    pages.seen(survey).click()


def main() -> None:
    """Make the surveys, and take the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / ".imageflow"
        ports = {
            "IMAGEFLOW_GATEWAY_PORT": str(free_port()),
            "IMAGEFLOW_DAGSTER_PORT": str(free_port()),
            "IMAGEFLOW_ENGINE_GRPC_PORT": str(free_port()),
        }
        cli = Cli(home=home, env=environment(home, **ports))
        cli.run(
            "survey", "run", "--driver", "folder", "--source", str(EXAMPLE), "--game", "openttd", "--save", "example"
        )
        with running_stack(cli) as stack, running_browser() as browser:
            page = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
            page.set_default_timeout(PATIENCE_MS)
            expect.set_options(timeout=PATIENCE_MS)
            take(Pages(stack, page), folder)


if __name__ == "__main__":
    main()
