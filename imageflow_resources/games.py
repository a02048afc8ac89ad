"""What this machine has for games, as a Dagster resource; which game a survey drives, and how, its own spec says."""

from pathlib import Path
from typing import Self

import dagster as dg
from pydantic import Field
from typing_extensions import override

from game_capture.staging import Staging
from imageflow_clients.settings import Settings


class GameDriverResource(dg.ConfigurableResource[Staging]):
    """Display, scratch folder and timeouts of the games that a run drives.

    The configuration of a run replaces all of these fields together: give those, too, that stay as they are.
    """

    display: str | None = Field(
        default=None,
        description="An X display of this machine that is there already (:1), for one game at a time: without a window "
        "manager, its screen of the size of the game's window. Unset: each game has an Xvfb of its own.",
    )
    scratch: str = Field(description="Folder for games' configuration and logs, which go when the game ends.")
    display_timeout_s: float = Field(
        default=Staging.display_timeout_s, gt=0, description="Seconds until the display takes clients."
    )
    start_timeout_s: float | None = Field(
        default=None,
        gt=0,
        description="Seconds from a game's start until its map stands still, and at least for each wait_until of "
        "prepare and home. Unset: as the survey says.",
    )
    answer_timeout_s: float = Field(
        default=Staging.answer_timeout_s, gt=0, description="Seconds for a game's console to answer one command."
    )
    settle_timeout_s: float | None = Field(
        default=None,
        gt=0,
        description="Seconds that one grab waits for a picture that stands still. Unset: as the survey says.",
    )

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the resource as the environment configures it."""
        return cls(
            display=settings.game_display,
            scratch=str(settings.scratch_path),
            display_timeout_s=settings.game_display_timeout_s or Staging.display_timeout_s,
            start_timeout_s=settings.game_start_timeout_s,
            answer_timeout_s=settings.game_answer_timeout_s or Staging.answer_timeout_s,
            settle_timeout_s=settings.game_settle_timeout_s,
        )

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Staging:
        return self.staging()

    def staging(self) -> Staging:
        """Return what the fields say, for a process that drives a game itself."""
        return Staging(
            scratch=Path(self.scratch),
            display=self.display,
            display_timeout_s=self.display_timeout_s,
            start_timeout_s=self.start_timeout_s,
            answer_timeout_s=self.answer_timeout_s,
            settle_timeout_s=self.settle_timeout_s,
        )
