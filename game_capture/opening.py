"""What a driver is opened with besides its own parameters."""

from dataclasses import dataclass

from game_capture.staging import Staging
from imageflow_domain.grid import Grid
from imageflow_domain.ports import FrameSource


@dataclass(frozen=True, kw_only=True)
class Opening:
    """The survey's and the machine's side of opening a driver."""

    frames: FrameSource | None
    """Where the `folder` driver finds its pictures."""
    staging: Staging
    grid: Grid | None
    """The survey's grid, where it is known already: then areas that an earlier driver laid out can be grabbed."""
