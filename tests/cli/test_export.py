"""`imageflow survey export`: whole files or none, and a folder that any web server shows as a map."""

import resource
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright
from pmtiles.reader import MmapSource, all_tiles
from pydantic import SecretStr

from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.geometry import Rect
from imageflow_domain.survey import Survey
from imageflow_surveys.image import read_region
from tests.browser.stand import ALL_TILES, ARGUMENTS, CHROMIUM
from tests.cli.here import command_line
from tests.e2e.stack import Cli
from tests.surveys.cities import city, placed, published

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, databases: Callable[[], SecretStr]) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("export") / "home", database_url=databases())


@pytest.fixture(scope="module")
def stores(settings: Settings) -> Iterator[Stores]:
    opened = open_stores(settings)
    yield opened
    opened.database.close()


@pytest.fixture(scope="module")
def survey(stores: Stores) -> Survey:
    return published(stores, city("export", grid="4x4", seed=11))


@pytest.fixture(scope="module")
def cli(settings: Settings) -> Iterator[Cli]:
    with command_line(settings.home_path, settings.database_url) as cli:
        yield cli


def test_a_pmtiles_file_holds_the_whole_map(cli: Cli, survey: Survey, tmp_path: Path) -> None:
    path = tmp_path / "map.pmtiles"
    facts = cli.json("survey", "export", survey.id, "--pmtiles", str(path))
    with path.open("rb") as file:
        assert len(list(all_tiles(MmapSource(file)))) == facts["tiles"] > 5
    assert [entry.name for entry in tmp_path.iterdir()] == ["map.pmtiles"]


def test_what_exists_already_is_kept(cli: Cli, survey: Survey, tmp_path: Path) -> None:
    file, folder = tmp_path / "map.pmtiles", tmp_path / "site"
    file.write_text("mine")
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    for option, path in (("--pmtiles", file), ("--folder", folder)):
        refused = cli.run("survey", "export", survey.id, option, str(path), expect=2)
        assert f"'{path}' exists already: name another place, or remove it first." in refused.stderr
    assert file.read_text() == "mine"
    assert [entry.name for entry in folder.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("options", [(), ("--pmtiles", "a", "--folder", "b")])
def test_exactly_one_kind_is_written(cli: Cli, survey: Survey, options: tuple[str, ...]) -> None:
    refused = cli.run("survey", "export", survey.id, *options, expect=2)
    assert "either --pmtiles FILE or --folder DIR" in refused.stderr


@pytest.mark.parametrize("option", ["--pmtiles", "--folder"])
def test_a_disk_that_takes_no_more_leaves_nothing_behind(cli: Cli, survey: Survey, tmp_path: Path, option: str) -> None:
    """A limit of file sizes stands for the full disk: both are errors of a write in the middle."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        refused = cli.run("survey", "export", survey.id, option, str(tmp_path / "map"), expect=4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert f"'{tmp_path / 'map'}' cannot be written: File too large." in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(cli: Cli, survey: Survey, tmp_path: Path) -> None:
    path = tmp_path / "none" / "map.pmtiles"
    refused = cli.run("survey", "export", survey.id, "--pmtiles", str(path), expect=4)
    assert f"'{path.parent}' is not a folder" in refused.stderr


def test_a_survey_that_is_not_mapped_yet_says_what_it_lacks(cli: Cli, stores: Stores, tmp_path: Path) -> None:
    unmapped, _ = placed(stores, city("unmapped", grid="2x2"))
    refused = cli.run("survey", "export", unmapped.id, "--folder", str(tmp_path / "site"), expect=1)
    assert f"'{unmapped.id}' has no map yet" in refused.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def site(cli: Cli, survey: Survey, tmp_path: Path) -> Iterator[str]:
    """The exported folder behind a web server that knows nothing of maps."""
    folder = tmp_path / "site"
    folder.mkdir()  # an empty one may be there
    cli.run("survey", "export", survey.id, "--folder", str(folder))
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_any_web_server_shows_the_folder_to_the_pixel(site: str, stores: Stores, survey: Survey) -> None:
    bounds, zoom = survey.published().bounds, survey.published().frame.native_zoom
    centre = bounds.x_px + bounds.width_px // 2, bounds.y_px + bounds.height_px // 2
    complaints: list[str] = []
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS) as chrome,
    ):
        page = chrome.new_page(viewport={"width": 800, "height": 600})
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        page.goto(f"{site}/#x={centre[0]}&y={centre[1]}&z={zoom}")
        page.wait_for_function(ALL_TILES)
        clip = {"x": 300.0, "y": 200.0, "width": 200.0, "height": 200.0}
        png = page.screenshot(clip=clip)  # type: ignore[arg-type]
        assert page.title() == survey.id
    shown = np.asarray(Image.open(BytesIO(png)).convert("RGB"))
    truth = read_region(stores, survey, Rect(x_px=centre[0] - 100, y_px=centre[1] - 100, width_px=200, height_px=200))
    assert truth.covered.all()
    assert np.array_equal(shown, truth.rgb)
    assert complaints == []
