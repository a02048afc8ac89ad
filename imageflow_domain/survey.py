"""Specs of surveys, their states, and their layers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from imageflow_domain.errors import NotReady
from imageflow_domain.geometry import Offset, Rect, Size
from imageflow_domain.grid import BLOCK_SIDE, Block, Cell, Grid
from imageflow_domain.ids import Name
from imageflow_domain.recipe import Recipe
from imageflow_domain.tiles import Frame


class Layer(StrEnum):
    """The map's assets, in the order in which a survey needs them; each value is the asset's key."""

    SCREENSHOTS = "screenshots"
    PAIR_OFFSETS = "pair_offsets"
    COORDINATES = "coordinates"
    TILES = "tiles"
    OVERVIEWS = "overviews"
    CLEANUP = "screenshot_cleanup"


BLOCK_LAYERS = (Layer.SCREENSHOTS, Layer.PAIR_OFFSETS, Layer.TILES)
"""Made block by block; the others for the whole survey at once."""


WITHHELD_NEXT = (
    "Its trust page shows where. Where tiles are missing, materialise tiles and overviews again. Else survey again, or "
    "publish the map as it is: set IMAGEFLOW_PUBLISH_DESPITE_ERRORS=true and materialise its overviews again."
)
"""What to do about a map that is whole and not published."""


class SurveyState(StrEnum):
    """State of a survey: `planned` until a run takes it up, `running` until it ends in one of the others."""

    PLANNED = "planned"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Carrier(StrEnum):
    """Who starts the runs of a survey."""

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

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

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
    """The request of a survey. Stored with the survey; only how its game is driven may be corrected later."""

    model_config = ConfigDict(frozen=True)

    game: Name
    save: Name
    driver: DriverSpec
    source: str | None = None
    """Where the `folder` driver finds its frames: an absolute local folder, or an object-store prefix in uploads/."""
    grid: Grid | None = None
    """`None`: as many areas as the source has."""
    masks: tuple[Rect, ...] = ()
    """Rectangles of every picture that belong to the game's head-up display, not to its map."""
    reach_px: int | None = Field(default=None, ge=1, le=4096)
    """Overrides the driver's largest error of an estimated position against its neighbour's."""
    block_side: int = Field(default=BLOCK_SIDE, ge=1, le=100)
    """Areas on a block's side."""
    keep: Keep | None = None
    """`None`: delete where the driver can take the pictures again, else keep."""
    encoding: Encoding = Encoding()
    recipe: Recipe | None = None
    """The YAML of the game that the driver's parameters came from, where they came from one."""


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """How alike a survey's screenshots show one place, measured in their own overlaps."""

    noise: float | None = None
    """Standard deviation of the difference of two screenshots' brightness, in grey levels; `None`: they are equal."""
    whole_pixels: bool = True
    """Whether screenshots lie at whole pixels of one another; else scaling made their true offsets fractional."""

    @property
    def is_lossless(self) -> bool:
        """Whether all screenshots show one place with equal pixels."""
        return self.noise is None

    @property
    def promise_px(self) -> float:
        """How far from its neighbours' an anchored screenshot may lie."""
        if self.is_lossless:
            return 0.0
        return 0.5 if self.whole_pixels else 1.0

    def __str__(self) -> str:
        if self.is_lossless:
            return "lossless screenshots: placed exactly"
        if self.whole_pixels:
            return "lossy screenshots: placed to within half a pixel of their neighbours"
        return "scaled or lossy screenshots: placed to within one pixel of their neighbours"


LOSSLESS = Fidelity()


@dataclass(frozen=True, kw_only=True)
class Mosaic:
    """Where a placed survey lies in its save's frame."""

    frame: Frame
    bounds: Rect
    """In pixels of the frame."""
    shift: Offset
    """From the driver's plane to the frame."""
    placement: str
    """Digest of screenshots and placement: of all that decides a tile's pixels, except its encoder."""
    revision: str
    """Digest of placement, encoding and code."""
    fidelity: Fidelity = LOSSLESS


@dataclass(frozen=True, kw_only=True)
class Survey:
    """One pass over one map of one save, as it stands in the database."""

    id: str
    spec: SurveySpec
    state: SurveyState
    carrier: Carrier
    reason: str | None
    """Why it failed or was cancelled, or what a planned one has already and needs next, as a message for people."""
    grid: Grid
    view: Size
    reach_px: int
    keep: Keep
    mosaic: Mosaic | None
    """`None` until the screenshots are placed."""
    published_revision: str | None
    """The revision that its addresses without one show; `None` until the overviews exist."""
    created_at: datetime
    finished_at: datetime | None
    overlays: tuple[Rect, ...] | None = None
    """Static overlays, in pixels of a screenshot; `None` before the first lossy pair, and for lossless surveys."""
    withheld: str | None = None
    """Why the map as it is placed now is whole but not published, as a message for people."""
    settled_run_id: str | None = None
    """The newest run whose end the state reflects."""
    taken_up_at: datetime | None = None
    """When it was taken up again last: earlier runs do not affect its state."""

    @property
    def block_side(self) -> int:
        """Areas on a block's side."""
        return self.spec.block_side

    def placed(self) -> Mosaic:
        """Return the mosaic; raise `NotReady` before the screenshots are placed."""
        if self.mosaic is None:
            raise NotReady(f"The screenshots of '{self.id}' have no coordinates: materialise coordinates first.")
        return self.mosaic

    @property
    def is_published(self) -> bool:
        """Whether its addresses show the mosaic as it is placed now."""
        return self.mosaic is not None and self.published_revision == self.mosaic.revision

    def published(self) -> Mosaic:
        """Return the mosaic whose tiles and overviews are all there; raise `NotReady` before."""
        if self.withheld is not None:
            raise NotReady(f"The map of '{self.id}' is not published: {self.withheld} {WITHHELD_NEXT}")
        if self.mosaic is None or self.published_revision != self.mosaic.revision:
            raise NotReady(f"'{self.id}' has no map yet (it is {self.state}): materialise its overviews first.")
        return self.mosaic

    def blocks(self) -> tuple[Block, ...]:
        """Return every block of the grid, row by row."""
        return self.grid.blocks(self.block_side)

    def area_id(self, cell: Cell) -> int:
        """Row-major number of an area, by this survey's own width."""
        return cell.row * self.grid.cols + cell.col


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a survey has already, by the database's own rows."""

    blocks: frozenset[Block]
    """Every block of the survey's grid."""
    done_blocks: Mapping[Layer, frozenset[Block]]
    """For each layer of `BLOCK_LAYERS`."""
    done_layers: frozenset[Layer]
    """Of the layers without blocks."""
    failures: int
    """Runs that have failed since one made progress, or the survey was taken up."""
    tiles_planned: int
    """Native tiles: by the commanded positions until the screenshots are placed, then as placed."""
    tiles_cut: int
    """Tiles of the current revision, all zooms."""

    @property
    def tasks(self) -> int:
        """Steps of the whole survey: one for each block and block layer, and one for each other layer."""
        return len(self.blocks) * len(BLOCK_LAYERS) + len(Layer) - len(BLOCK_LAYERS)

    @property
    def tasks_done(self) -> int:
        """Of `tasks`, those that are done."""
        return sum(len(done) for done in self.done_blocks.values()) + len(self.done_layers)


@dataclass(frozen=True, kw_only=True)
class TaskCount:
    """How far one survey of many is."""

    done: int
    tasks: int
    """As `Progress` counts them."""
    tiles: int
    """Of the newest placement, all zooms."""


@dataclass(frozen=True, kw_only=True)
class ShotCount:
    """How many screenshots a survey is to have, and has."""

    planned: int
    """Areas that are to have one: those that were found to be holes, or outside the world, are none of them."""
    taken: int
    outside: int = 0
    """Areas that lie outside the world."""
    holes: int = 0
    """Areas in the world of which nothing usable was shown."""
    unsettled: int = 0
    """Of those taken, the ones whose image still changed."""

    @property
    def visited(self) -> int:
        """Areas whose outcome is known."""
        return self.taken + self.outside + self.holes


@dataclass(frozen=True, kw_only=True)
class NextLayer:
    """What a survey needs next: one layer, over the blocks that lack it."""

    layer: Layer
    blocks: tuple[Block, ...]
    """Empty for a layer that is partitioned by survey alone."""


@dataclass(frozen=True, kw_only=True)
class RefusedUpload:
    """A closed folder that began no survey."""

    id: int
    prefix: str
    """In the object store."""
    reason: str
    """Why, and what to do."""
    noticed_at: datetime
