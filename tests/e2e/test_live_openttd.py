"""A live OpenTTD becomes a map that equals the game's own screenshot, also when the game is killed on the way."""

import os
import signal
from collections.abc import Callable
from typing import Self

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from game_capture.drivers.openttd import OpenttdDriver
from imageflow_clients.database.maps import placements
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.capture import Grabbed
from imageflow_domain.geometry import Offset, Size
from imageflow_domain.grid import Grid
from imageflow_domain.placement import PlacementStatus
from imageflow_domain.ports import Area, Capabilities, GameDriver
from imageflow_domain.survey import Carrier, DriverSpec, Encoding, Survey, SurveySpec
from imageflow_surveys import states
from imageflow_surveys.blocks import cut_blocks, register_blocks
from imageflow_surveys.camera import Camera, driver_of
from imageflow_surveys.capture_block import capture_block
from imageflow_surveys.image import Region, read_region
from imageflow_surveys.overview import make_overviews
from imageflow_surveys.place import place_survey
from imageflow_surveys.plan import plan_survey

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

_SPEC = SurveySpec(
    game="openttd",
    save="live",
    driver=DriverSpec(name="openttd", parameters={"seed": 11, "map_size": 256}),
    grid=Grid(rows=4, cols=4),
    encoding=Encoding(lossless_method=0),
)
Screenshot = tuple[NDArray[np.uint8], tuple[int, int]]
"""The game's own picture, and its top left corner in the driver's plane."""

_HEIGHTS_PX = range(-130, 131)
_FEW = 0.00005
"""The game's order of sprites differs in a handful of pixels depending on what is drawn."""


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    return open_stores(Settings(home=tmp_path_factory.mktemp("live") / "home"))


class _Eyewitness:
    """Opens drivers, and has the game that is open at a survey's end draw the surveyed ground itself."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._opened: OpenttdDriver | None = None

    def open(self) -> GameDriver:
        driver = driver_of(self._stores, _SPEC)
        assert isinstance(driver, OpenttdDriver)
        self._opened = driver
        return driver

    def screenshot(self) -> Screenshot:
        assert self._opened is not None
        first = self._opened.areas(_SPEC.grid)[0]
        size = Size(width_px=832 * 3 + 1024, height_px=608 * 3 + 1400)
        pixels, corner = self._opened.screenshot_region(first, size)
        return pixels, (round(corner.x_px), round(corner.y_px))


@pytest.fixture(scope="module")
def witnessed(stores: Stores) -> tuple[Survey, Screenshot]:
    """A live survey, and what its game says of the same ground."""
    witness = _Eyewitness(stores)
    survey = plan_survey(stores, _SPEC, Carrier.OPERATOR)
    with Camera(witness.open) as camera:
        _capture(stores, survey, camera)
        screenshot = witness.screenshot()
    return _mapped(stores, survey), screenshot


def test_every_shot_of_a_live_survey_is_exact(stores: Stores, witnessed: tuple[Survey, Screenshot]) -> None:
    _assert_equals(stores, *witnessed)


def test_a_game_that_is_killed_is_started_again_and_the_map_is_the_same(
    stores: Stores, witnessed: tuple[Survey, Screenshot]
) -> None:
    _, screenshot = witnessed
    killing = _Killing(lambda: driver_of(stores, _SPEC), after=5)
    survey = plan_survey(stores, _SPEC, Carrier.OPERATOR)
    with killing.camera as camera:
        _capture(stores, survey, camera)
    survey = _mapped(stores, survey)
    assert killing.killed
    assert killing.camera.restarts == 1
    _assert_equals(stores, survey, screenshot)


class _Killing:
    """Opens drivers, the first of which has its game killed under it."""

    def __init__(self, open_game: Callable[[], GameDriver], *, after: int) -> None:
        self._open_game = open_game
        self._left = after
        self.killed = False
        self.camera = Camera(self._open)

    def _open(self) -> GameDriver:
        return _Doomed(self._open_game(), self)

    def grabbed(self) -> None:
        self._left -= 1
        if self._left == 0:
            (game,) = [p for p in psutil.Process().children(recursive=True) if p.name() == "openttd"]
            os.kill(game.pid, signal.SIGKILL)
            self.killed = True


class _Doomed:
    """A driver that reports every grab."""

    def __init__(self, driver: GameDriver, killing: _Killing) -> None:
        self._driver = driver
        self._killing = killing

    @property
    def capabilities(self) -> Capabilities:
        return self._driver.capabilities

    def areas(self, grid: Grid | None) -> tuple[Area, ...]:
        return self._driver.areas(grid)

    def grab(self, area: Area) -> Grabbed:
        grabbed = self._driver.grab(area)
        self._killing.grabbed()
        return grabbed

    def __enter__(self) -> Self:
        self._driver.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._driver.__exit__(*exc_info)


def _capture(stores: Stores, survey: Survey, camera: Camera) -> None:
    for block in survey.blocks():
        capture_block(stores, survey, block, camera)


def _mapped(stores: Stores, survey: Survey) -> Survey:
    register_blocks(stores, survey, survey.blocks())
    place_survey(stores, survey)
    survey = states.read(stores, survey.id)
    cut_blocks(stores, survey, survey.blocks())
    make_overviews(stores, survey)
    return states.read(stores, survey.id)


def _assert_equals(stores: Stores, survey: Survey, screenshot: Screenshot) -> None:
    """Compare the mosaic with the game's picture, up to one shift down by the ground's height."""
    theirs, (left, top) = screenshot
    mosaic = survey.published()
    mine = read_region(stores, survey, mosaic.bounds)
    corner = Offset(dx_px=mosaic.bounds.x_px, dy_px=mosaic.bounds.y_px) - mosaic.shift
    x, y = corner.dx_px - left, corner.dy_px - top
    with stores.database.begin() as connection:
        places = placements.placements(connection, survey.id)
    assert {place.status for place in places} == {PlacementStatus.ANCHORED}
    wrong = min(_wrong(mine.rgb, mine.covered, theirs, x, y + dy) for dy in _near(mine, theirs, x, y))
    assert wrong / mine.covered.sum() <= _FEW


def _near(mine: Region, theirs: NDArray[np.uint8], x: int, y: int) -> list[int]:
    """Return the few shifts down at which a strip of the mosaic fits best."""
    rgb, covered = mine.rgb, mine.covered
    strip = np.s_[400:1000:8, 600:1600]
    scored = []
    for dy in _HEIGHTS_PX:
        there = theirs[y + dy + 400 : y + dy + 1000 : 8, x + 600 : x + 1600]
        if there.shape == rgb[strip].shape:
            differs = (there != rgb[strip]).any(axis=2) & covered[strip]
            scored.append((int(differs.sum()), dy))
    return [dy for _, dy in sorted(scored)[:3]]


def _wrong(rgb: NDArray[np.uint8], covered: NDArray[np.bool_], theirs: NDArray[np.uint8], x: int, y: int) -> int:
    top, left = max(0, -y), max(0, -x)
    there = theirs[y + top : y + rgb.shape[0], x + left : x + rgb.shape[1]]
    here = rgb[top : top + there.shape[0], left : left + there.shape[1]]
    seen = covered[top : top + there.shape[0], left : left + there.shape[1]]
    assert there.size > 0.8 * rgb.size
    return int(((there != here).any(axis=2) & seen).sum())
