"""What a driver is opened with besides its own parameters."""

from dataclasses import dataclass

from game_capture.staging import Staging
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
