"""A driver that is started late, and again when its game dies."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from game_capture.frames import LocalFrames
from game_capture.positions import skipped_files
from game_capture.registry import open_driver
from game_capture.staging import Staging
from imageflow_clients.store_frames import StoreFrames
from imageflow_clients.stores import Stores
from imageflow_domain.capture import Grabbed
from imageflow_domain.errors import BadFile, GameDied, GameNeverSettled, InvalidInput
from imageflow_domain.grid import Cell
from imageflow_domain.keys import MAP_UPLOADS
from imageflow_domain.ports import Area, FrameSource, GameDriver
from imageflow_domain.survey import Survey, SurveySpec
from imageflow_mosaic.movement import FrameComparer
from imageflow_surveys.capture_order import capture_order
from imageflow_surveys.files_beside import reader_of
from imageflow_surveys.neighbouring_frames import NeighbouringFrames

_LOG = logging.getLogger(__name__)

RESTARTS_PER_AREA = 3
_HOME = Cell(row=0, col=0)


def driver_of(
    stores: Stores, spec: SurveySpec, staging: Staging | None = None, *, survey: Survey | None = None
) -> GameDriver:
    """Return the survey's driver, not yet started; raise `InvalidInput` where its parameters are wrong.

    Args:
        staging: What this machine has for games; by default an Xvfb for each, in the stores' scratch folder.
        survey: The survey that is captured, whose stored frames locate the camera of a restarted game.
    """
    return open_driver(
        spec.driver,
        frames=frames_of(stores, spec.source, spec.driver.parameters),
        staging=staging or Staging(scratch=stores.scratch),
        grid=spec.grid,
        comparer=FrameComparer(spec.masks),
        neighbours=None if survey is None else NeighbouringFrames(stores, survey),
        read_beside=reader_of(stores, spec),
    )


def frames_of(stores: Stores, source: str | None, parameters: Mapping[str, Any]) -> FrameSource | None:
    """Return where a survey finds its frames; `None` for a driver that has none.

    Args:
        parameters: Of the driver, which need not be checked yet.
    """
    if source is None:
        return None
    if source.startswith(f"{MAP_UPLOADS}/"):
        return StoreFrames(stores.objects, source)
    if not Path(source).is_absolute():
        raise InvalidInput(f"'{source}' is neither an absolute folder nor an upload under {MAP_UPLOADS}/.")
    return LocalFrames(Path(source), follow_links=parameters.get("follow_links") is True)


def skipped_files_of(stores: Stores, spec: SurveySpec) -> tuple[BadFile, ...]:
    """Return the files of a survey's folder that are no frames, each with the reason; none for another driver."""
    is_folder = spec.driver.name == "folder"
    frames = frames_of(stores, spec.source, spec.driver.parameters) if is_folder else None
    return () if frames is None else skipped_files(frames.names())


class Camera:
    """Grabs areas for one run. A context manager: leaving it closes the game.

    Args:
        open_game: Gives a driver, not yet started.
        watch: Looks at what comes of each area, and raises what it finds wrong.
    """

    def __init__(
        self, open_game: Callable[[], GameDriver], watch: Callable[[Cell, Grabbed], None] | None = None
    ) -> None:
        self._open_game = open_game
        self._watch = watch
        self._stack = ExitStack()
        self._driver: GameDriver | None = None
        self._is_entered = False
        self._session: int | None = None
        self._at = _HOME
        self.restarts = 0
        """How often the game died and was started again."""

    def order(self, cells: Sequence[Cell]) -> tuple[Cell, ...]:
        """Return cells in the order in which the driver visits them best, from where its camera is."""
        if not cells:
            return ()
        return capture_order(cells, at=self._at, step_by_step=self._opened().capabilities.moves_step_by_step)

    def session(self, begin: Callable[[], int]) -> int:
        """Return the number of the capture session that the last grab belongs to.

        Args:
            begin: Gives a session its number, once for each start of the game.
        """
        if self._session is None:
            self._session = begin()
        return self._session

    def grab(self, area: Area) -> Grabbed:
        """Return what the driver brings from an area, its picture settled.

        Raises:
            GameDied: Where the game died `RESTARTS_PER_AREA` times at this area.
            GameNeverSettled: Where it did not get through its start twice in a row: on a busy machine a click may come
                before the menu does.
            CaptureError: As the driver's contract has it.
        """
        for left in reversed(range(RESTARTS_PER_AREA)):
            try:
                grabbed = self._started().grab(area)
                self._at = area.cell
            except GameDied as died:
                self._close(died)
                if left == 0:
                    raise
                self.restarts += 1
            else:
                if self._watch is not None:
                    self._watch(area.cell, grabbed)
                return grabbed
        raise AssertionError("unreachable: the loop returns or raises")

    def _started(self) -> GameDriver:
        driver = self._opened()
        if not self._is_entered:
            try:
                driver = self._stack.enter_context(driver)
            except GameNeverSettled as error:
                _LOG.warning("The game did not get through its start, and is started again. %s", error)
                self._close(error)
                self.restarts += 1
                driver = self._stack.enter_context(self._opened())
            self._driver, self._is_entered = driver, True
        return driver

    def _opened(self) -> GameDriver:
        if self._driver is None:
            self._driver = self._open_game()
        return self._driver

    def _close(self, failed: BaseException | None = None) -> None:
        """Close the game; what fails meanwhile must not hide what failed before."""
        self._driver, self._session, self._at, self._is_entered = None, None, _HOME, False
        self._stack.__exit__(None if failed is None else type(failed), failed, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, failed: BaseException | None, traceback: object) -> None:
        self._close(failed)
