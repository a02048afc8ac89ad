"""What a driver is opened with besides its own parameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from game_capture.staging import Staging
from imageflow_domain.files_beside import ReadBeside, nothing_beside
from imageflow_domain.grid import Grid
from imageflow_domain.ports import Comparer, FrameSource, StoredFrames


@dataclass(frozen=True, kw_only=True)
class Opening:
    """The survey's and the machine's side of opening a driver."""

    frames: FrameSource | None
    """Where the `folder` driver finds its pictures."""
    staging: Staging
    grid: Grid | None
    """The survey's grid, where it is known already: then areas that an earlier driver laid out can be grabbed."""
    comparer: Comparer | None = None
    """Sees how far the camera moved; without it a driver that goes step by step relies on dead reckoning."""
    neighbours: StoredFrames | None = None
    """The survey's frames that are stored already, by which a game that was started anew finds its place."""
    read_beside: ReadBeside = nothing_beside
    """Where the `x11` driver finds the files that its game's YAML names."""


@runtime_checkable
class DrivenByFile(Protocol):
    """Parameters that a person may correct in the game's YAML while a survey is under way."""

    @property
    def named_files(self) -> Sequence[str]:
        """The files beside that YAML which are needed."""

    @property
    def fixed_settings(self) -> Sequence[str]:
        """Those that decide what areas show, and so stay as the survey was begun."""
