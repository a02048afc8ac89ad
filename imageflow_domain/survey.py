"""What a survey is asked to do, its states, and the layers that it goes through."""

from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from imageflow_domain.geometry import Rect
from imageflow_domain.grid import BLOCK_GRID_SIDE, BLOCK_SIDE, Grid
from imageflow_domain.ids import Name


class Layer(StrEnum):
    """The map's assets, in the order in which a survey needs them; each value is the asset's key."""

    SCREENSHOTS = "screenshots"
    PAIR_OFFSETS = "pair_offsets"
    COORDINATES = "coordinates"
    TILES = "tiles"
    OVERVIEWS = "overviews"
    CLEANUP = "screenshot_cleanup"


BLOCK_LAYERS = (Layer.SCREENSHOTS, Layer.PAIR_OFFSETS, Layer.TILES)
"""Partitioned by survey and block; the others by survey alone."""


class SurveyState(StrEnum):
    PLANNED = "planned"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Carrier(StrEnum):
    """Who takes a survey from layer to layer; nobody else acts on it."""

    COMMAND_LINE = "command_line"
    SENSOR = "sensor"
    OPERATOR = "operator"
    """A person, by materialising and backfilling in Dagster's UI."""


class Keep(StrEnum):
    """What becomes of screenshots once no tile needs them."""

    KEEP = "keep"
    DELETE = "delete"


class Encoding(BaseModel):
    """How tiles are encoded; part of the revision, so that a change re-encodes."""

    model_config = ConfigDict(frozen=True)

    lossless_method: int = Field(default=4, ge=0, le=4)
    """WebP method of the native level and its parent: 0 is fast, 4 is small; 5 and 6 take minutes."""
    lossy_quality: int = Field(default=80, ge=1, le=100)
    """WebP quality from the second level up, where averaging has made truecolour pictures."""


class DriverSpec(BaseModel):
    """A driver by name, with parameters that its own model validates."""

    model_config = ConfigDict(frozen=True)

    name: Name
    parameters: dict[str, Any] = Field(default_factory=dict)


class SurveySpec(BaseModel):
    """All that a survey is asked to do. Stored with the survey; never changed after."""

    model_config = ConfigDict(frozen=True)

    game: Name
    save: Name
    driver: DriverSpec
    grid: Grid | None = None
    """`None`: as many areas as the source has."""
    masks: tuple[Rect, ...] = ()
    """Rectangles of every picture that belong to the game's head-up display, not to its map."""
    reach_px: int | None = Field(default=None, ge=1, le=4096)
    """Overrides the driver's largest error of a believed position against its neighbour's."""
    block_side: int = Field(default=BLOCK_SIDE, ge=1, le=100)
    keep: Keep | None = None
    """`None`: delete where the driver can take the pictures again, else keep."""
    encoding: Encoding = Encoding()

    @model_validator(mode="after")
    def _fits_the_partitions(self) -> Self:
        side = self.block_side * BLOCK_GRID_SIDE
        if self.grid and max(self.grid.rows, self.grid.cols) > side:
            raise ValueError(f"a grid of {self.grid} areas is larger than {side}x{side}: use larger blocks")
        return self
