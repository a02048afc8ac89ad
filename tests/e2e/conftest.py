"""The whole stack, started once as a user starts it: `imageflow up` in a copy of the repository, on free ports."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Page

from imageflow_clients.database.inspection import reports
from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores
from imageflow_domain.inspection import Inspection
from imageflow_inspection.inspect_batch import inspect_batch
from tests.browser.stand import CHROMIUM, running_browser
from tests.cli.here import within
from tests.e2e.dagster_pages import open_tab
from tests.e2e.stack import EXAMPLE, ROOT, SURVEY_FOLDER, Cli, Stack, environment, free_port, running_stack
from tests.inspection.lids import lid, published, taken

_SLOW_CITY = """
title: A city whose camera takes its time
driver: {name: city, parameters: {seed: 3, pace_s: 1, view: [640, 512], drift_px: 8}}
grid: {rows: 4, cols: 4}
encoding: {lossless_method: 0}
"""
_SMALL_CITY = """
title: A small city
driver: {name: city, parameters: {view: [320, 256], drift_px: 8}}
grid: {rows: 2, cols: 2}
encoding: {lossless_method: 0}
"""
_CITY_IN_BLOCKS = """
title: A small city in four blocks
driver: {name: city, parameters: {view: [320, 256], drift_px: 8}}
grid: {rows: 4, cols: 4}
block_side: 3
encoding: {lossless_method: 0}
"""
_JUDGED_BATCHES = int(os.environ.get("IMAGEFLOW_JUDGED_BATCHES", "8"))
"""`make soak` backfills fifty."""


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository's code and configuration, which a test may change for a while."""
    root = tmp_path_factory.mktemp("one machine")
    for name in ("dagster.yaml", "workspace.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    for package in (ROOT / "imageflow", *ROOT.glob("imageflow_*"), ROOT / "game_capture", ROOT / "games"):
        shutil.copytree(package, root / package.name)
    (root / "games" / "slow_city.yaml").write_text(_SLOW_CITY)
    (root / "games" / "small_city.yaml").write_text(_SMALL_CITY)
    (root / "games" / "city_in_blocks.yaml").write_text(_CITY_IN_BLOCKS)
    return root


@pytest.fixture(scope="session")
def cli(checkout: Path) -> Cli:
    """The command line of the copy."""
    ports = {
        "IMAGEFLOW_GATEWAY_PORT": str(free_port()),
        "IMAGEFLOW_DAGSTER_PORT": str(free_port()),
        "IMAGEFLOW_ENGINE_GRPC_PORT": str(free_port()),
    }
    return Cli(home=checkout / ".imageflow", env=environment(checkout / ".imageflow", **ports))


@pytest.fixture(scope="session")
def example_survey(cli: Cli) -> str:
    """The example frames, surveyed by command line."""
    with within(cli) as here:
        made = here.json(*SURVEY_FOLDER, str(EXAMPLE))
    return str(made["survey"])


@pytest.fixture(scope="session")
def corner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 3 x 3 of the example's frames, and where they lie."""
    folder = tmp_path_factory.mktemp("corner")
    head, *rows = (EXAMPLE / "positions.csv").read_text().splitlines()
    kept = [row for row in rows if max(row.split(",")[1:3]) < "3"]
    (folder / "positions.csv").write_text("\n".join((head, *kept)))
    for row in kept:
        shutil.copy(EXAMPLE / row.partition(",")[0], folder)
    return folder


@pytest.fixture(scope="session")
def tiles_in_folder(corner: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The digest of every tile's bytes of the corner on a folder and the embedded server, by the object's name."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    with within(Cli(home=home, env=environment(home))) as here:
        here.run(*SURVEY_FOLDER, str(corner))
    folder = home / "objects" / "tiles"
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="session")
def judged_before(cli: Cli) -> Mapping[str, Inspection]:
    """Batches of lids that were inspected, and reported, before the stack was started."""
    stores = open_stores(Settings(home=cli.home))
    published(stores, "many")
    judged = {}
    for number in range(_JUDGED_BATCHES):
        batch = taken(stores, f"many{number:02d}", [lid(), lid(spots=1)], product="many")
        judged[batch.key] = inspect_batch(stores, batch.id)
        with stores.database.begin() as connection:
            reports.set_reported(connection, judged[batch.key].id)
    stores.database.close()
    return judged


@pytest.fixture(scope="session")
def stack(cli: Cli, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The running stack; the batches of `judged_before` are in it where a test of the session asks for them."""
    if any("judged_before" in getattr(test, "fixturenames", ()) for test in request.session.items):
        request.getfixturevalue("judged_before")
    with running_stack(cli) as running:
        yield running


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    """A tab of a real browser."""
    if not CHROMIUM.exists():
        absent = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        absent("chromium is not installed: apt-get install chromium")
    with running_browser() as browser:
        yield open_tab(browser)
