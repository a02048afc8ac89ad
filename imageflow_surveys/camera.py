"""A driver that is started late, and again when its game dies."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from game_capture.frames import LocalFrames
from game_capture.positions import skipped_files
from game_capture.registry import open_driver
from game_capture.staging import Staging
from imageflow_clients.store_frames import StoreFrames
from imageflow_clients.stores import Stores
from imageflow_domain.errors import BadFile, GameDied, InvalidInput
from imageflow_domain.keys import MAP_UPLOADS
from imageflow_domain.ports import Area, FrameSource, GameDriver
from imageflow_domain.survey import SurveySpec
from imageflow_surveys.files_beside import reader_of

RESTARTS_PER_AREA = 3


def driver_of(stores: Stores, spec: SurveySpec, staging: Staging | None = None) -> GameDriver:
    """Return the survey's driver, not yet started; raise `InvalidInput` where its parameters are wrong.

    Args:
        staging: What this machine has for games; by default an Xvfb for each, in the stores' scratch folder.
    """
    frames = frames_of(stores, spec.source, spec.driver.parameters)
    staging = staging or Staging(scratch=stores.scratch)
    read_beside = reader_of(stores, spec)
    return open_driver(spec.driver, frames=frames, staging=staging, grid=spec.grid, read_beside=read_beside)


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
    """Grabs areas for one run. A context manager: leaving it closes the game."""

    def __init__(self, open_game: Callable[[], GameDriver]) -> None:
        self._open_game = open_game
        self._stack = ExitStack()
        self._driver: GameDriver | None = None
        self.restarts = 0
        """How often the game died and was started again."""

    def grab(self, area: Area) -> NDArray[np.uint8]:
        """Return the settled picture of an area: RGB, (height, width, 3).

        Raises:
            GameDied: Where the game died `RESTARTS_PER_AREA` times at this area.
            CaptureError: As the driver's contract has it.
        """
        for left in reversed(range(RESTARTS_PER_AREA)):
            try:
                return self._started().grab(area)
            except GameDied:
                self._close()
                if left == 0:
                    raise
                self.restarts += 1
        raise AssertionError("unreachable: the loop returns or raises")

    def _started(self) -> GameDriver:
        if self._driver is None:
            self._driver = self._stack.enter_context(self._open_game())
        return self._driver

    def _close(self) -> None:
        self._driver = None
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._close()
