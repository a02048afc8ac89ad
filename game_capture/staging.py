"""Where and how patiently this machine stages games. Which game, and how it is driven, is the survey's own business."""

import re
from dataclasses import dataclass
from pathlib import Path

from imageflow_domain.errors import InvalidInput

_DISPLAY = re.compile(r":[0-9]{1,5}(\.[0-9]{1,3})?")


@dataclass(frozen=True, kw_only=True)
class Staging:
    """What a machine has for games. Raises `InvalidInput` for a display of another machine, or a time that is none."""

    scratch: Path
    """A folder for games' configuration and logs; it need not exist yet. Each game has a folder of its own in it."""
    display: str | None = None
    """An X display of this machine that is there already (":1"); `None`: each game has an Xvfb of its own."""
    display_timeout_s: float = 20.0
    """From asking for a display until it takes clients."""
    start_timeout_s: float | None = None
    """From a game's start until its map is shown, and stands still, and how long each wait of its preparation takes at
    most where the survey asks for less; `None`: as the survey says."""
    answer_timeout_s: float = 10.0
    """From a command to a game's console until the game has answered."""
    settle_timeout_s: float | None = None
    """How long one grab waits for a picture that stands still; `None`: as the survey says."""

    def __post_init__(self) -> None:
        if self.display is not None and not _DISPLAY.fullmatch(self.display):
            raise InvalidInput(f"'{self.display}' is no X display of this machine: it looks like :1.")
        times = (self.display_timeout_s, self.start_timeout_s, self.answer_timeout_s, self.settle_timeout_s)
        if not all(time_s is None or 0 < time_s < float("inf") for time_s in times):
            raise InvalidInput("A timeout of games is more than 0 s, and finite.")
