"""The tables of maps.

A cell's row and column name an area within its survey; there are no other ids for screenshots. `doc` says what a
column holds where Dagster shows the rows of an asset.
"""

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from imageflow_clients.database.core.metadata import metadata

_NOW = func.now()


def _survey() -> Column[str]:
    key = ForeignKey("surveys.id", ondelete="CASCADE")
    return Column("survey_id", Text, key, primary_key=True, doc="The survey.")


def _row() -> Column[int]:
    return Column("row", SmallInteger, primary_key=True, doc="Row of its area in the survey's grid, from 0.")


def _col() -> Column[int]:
    return Column("col", SmallInteger, primary_key=True, doc="Column of its area in the survey's grid, from 0.")


saves = Table(
    "saves",
    metadata,
    Column("game", Text, primary_key=True),
    Column("save", Text, primary_key=True),
    Column("surveys_begun", Integer, nullable=False, server_default="0"),  # numbers are never used again
    Column("frames_begun", Integer, nullable=False, server_default="0"),
    Column("latest_survey_id", Text, nullable=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
)

surveys = Table(
    "surveys",
    metadata,
    Column(
        "id", Text, primary_key=True, doc="Name of the survey: game, save, and a number that is never given out twice."
    ),
    Column("game", Text, nullable=False, doc="Name of the game."),
    Column("save", Text, nullable=False, doc="Name of the save."),
    Column(
        "spec",
        JSONB,
        nullable=False,
        doc="The whole request of the survey: driver, parameters, source, masks, encoding.",
    ),
    Column("state", Text, nullable=False, doc="planned, running, completed, failed or cancelled."),
    Column("carrier", Text, nullable=False, doc="Who starts its runs: the sensor, the command line or an operator."),
    Column("reason", Text, nullable=True, doc="Why it failed or was cancelled, or what comes next, for people."),
    Column("rows", SmallInteger, nullable=False, doc="Rows of areas of its grid."),
    Column("cols", SmallInteger, nullable=False, doc="Columns of areas of its grid."),
    Column("view_width_px", Integer, nullable=False, doc="Width of a screenshot."),
    Column("view_height_px", Integer, nullable=False, doc="Height of a screenshot."),
    Column("reach_px", Integer, nullable=False, doc="Largest error of a position against its neighbour's."),
    Column("keep", Text, nullable=False, doc="What becomes of screenshots that no tile needs: keep or delete."),
    Column("frame_number", Integer, nullable=True, doc="Frame of the save in which it lies."),
    Column("native_zoom", SmallInteger, nullable=True, doc="Zoom at which a tile's pixels are the game's."),
    Column("bounds_x_px", Integer, nullable=True, doc="Left edge of the mosaic in the frame."),
    Column("bounds_y_px", Integer, nullable=True, doc="Top edge of the mosaic in the frame."),
    Column("bounds_width_px", Integer, nullable=True, doc="Width of the mosaic."),
    Column("bounds_height_px", Integer, nullable=True, doc="Height of the mosaic."),
    Column("shift_x_px", Integer, nullable=True, doc="From the driver's plane to the frame, to the right."),
    Column("shift_y_px", Integer, nullable=True, doc="From the driver's plane to the frame, down."),
    Column("placement", Text, nullable=True, doc="Digest of what decides pixels, without the encoder."),
    Column("noise", REAL, nullable=True, doc="Of lossy screenshots, in grey levels; empty: lossless."),
    Column(
        "whole_pixels", Boolean, nullable=False, server_default="true", doc="False: scaling made offsets fractional."
    ),
    Column("turn_x_px", Double, nullable=True, doc="After so far to the right the world begins again; empty: unknown."),
    Column("turn_y_px", Double, nullable=True, doc="The same down."),
    Column("overlays", JSONB, nullable=True, doc="Rectangles that lie over every screenshot; empty: not looked for."),
    Column("revision", Text, nullable=True, doc="Placement, encoding and code version."),
    Column("published_revision", Text, nullable=True, doc="The revision that addresses show."),
    Column(
        "withheld_revision",
        Text,
        nullable=True,
        doc="A revision that is whole and not published, because a check found an error.",
    ),
    Column("withheld_at", DateTime(timezone=True), nullable=True, doc="When it was withheld."),
    Column("withheld", Text, nullable=True, doc="Why it was withheld, for people."),
    Column("settled_run_id", Text, nullable=True, doc="The newest run whose end the state reflects."),
    Column("taken_up_at", DateTime(timezone=True), nullable=True, doc="Runs from before say nothing of its state."),
    Column(
        "tiles_planned", Integer, nullable=False, server_default="0", doc="Native tiles: by the plan, then as placed."
    ),
    Column("tiles_total", Integer, nullable=True, doc="Tiles of all zooms, of the newest whole revision."),
    Column("placed_at", DateTime(timezone=True), nullable=True, doc="When the screenshots were placed."),
    Column("published_at", DateTime(timezone=True), nullable=True, doc="When the revision was published."),
    Column(
        "cleaned_at",
        DateTime(timezone=True),
        nullable=True,
        doc="When its record was sealed and its screenshots were deleted or kept.",
    ),
    Column(
        "created_at", DateTime(timezone=True), nullable=False, server_default=_NOW, doc="When the survey was planned."
    ),
    Column(
        "finished_at",
        DateTime(timezone=True),
        nullable=True,
        doc="When the state became completed, failed or cancelled.",
    ),
    ForeignKeyConstraint(["game", "save"], ["saves.game", "saves.save"]),
    CheckConstraint("state IN ('planned', 'running', 'completed', 'failed', 'cancelled')", name="state"),
    CheckConstraint("carrier IN ('command_line', 'sensor', 'operator')", name="carrier"),
    Index("ix_surveys_game_save", "game", "save"),
    Index("ix_surveys_state", "state"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("game_id", Text, nullable=False),
    Column("save_data_id", Text, nullable=False),
    Column("survey_id", Text, ForeignKey("surveys.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("idempotency_key", Text, nullable=True, unique=True),
    Column("request", JSONB, nullable=True),  # as received: another request may not use the same key
    Column("dag_run_id", Text, nullable=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
)

areas = Table(
    "areas",
    metadata,
    _survey(),
    _row(),
    _col(),
    Column("x_px", Double, nullable=False),
    Column("y_px", Double, nullable=False),
    Column("file", Text, nullable=True),  # its name in the folder that it came from
    Column("state", Text, nullable=True),  # its outcome; empty until a camera was there
    Column("seen_x_px", Double, nullable=True),  # where it was seen to lie, in the plane of its session
    Column("seen_y_px", Double, nullable=True),
    Column("uncertainty_x_px", Double, nullable=True),  # of a measured position; empty: the survey's reach
    Column("uncertainty_y_px", Double, nullable=True),
    Column("session", Integer, nullable=True),
    Column("settled", Boolean, nullable=False, server_default="true"),  # False: still changing when it was taken
    CheckConstraint("state IN ('taken', 'hole', 'outside')", name="state"),
)

capture_sessions = Table(
    "capture_sessions",
    metadata,
    _survey(),
    Column("number", Integer, primary_key=True),
    Column("run_id", Text, nullable=True),
    Column("begun_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("offset_x_px", Double, nullable=True),  # from its plane to the survey's; empty: not known yet
    Column("offset_y_px", Double, nullable=True),
)

blocks = Table(
    "blocks",
    metadata,
    _survey(),
    _row(),
    _col(),
    Column("captured_at", DateTime(timezone=True), nullable=True),
    Column("registered_at", DateTime(timezone=True), nullable=True),
    Column("cut_at", DateTime(timezone=True), nullable=True),
    Column("cut_revision", Text, nullable=True),
    Column("tiles_cut", Integer, nullable=False, server_default="0"),  # of all zooms, so far, of its last cut
)

survey_leases = Table(
    "survey_leases",
    metadata,
    _survey(),
    Column("run_id", Text, nullable=False),  # the one run that may work on the survey, until Dagster says that it ended
    Column("root_run_id", Text, nullable=False),
    Column("again", Boolean, nullable=False),  # whether the run makes anew what is whole
    Column("reopened", ARRAY(Text), nullable=False, server_default="{}"),  # layers that this root run reopened already
    Column("done_before", Integer, nullable=False),  # tasks and screenshots when the run began: more is progress
    Column("taken_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
)

attempts = Table(
    "attempts",
    metadata,
    _survey(),
    Column("layer", Text, primary_key=True),
    Column("block", Text, primary_key=True),  # its key; empty for a layer that has no blocks
    Column("run_id", Text, nullable=False),
    Column("began_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("reason", Text, nullable=True),  # why it failed, for people
)

failed_runs = Table(
    "failed_runs",
    metadata,
    _survey(),
    Column("layer", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("counts", Boolean, nullable=False, server_default="true"),  # until the layer succeeds or is taken up again
)

screenshots = Table(
    "screenshots",
    metadata,
    _survey(),
    _row(),
    _col(),
    Column("object_key", Text, nullable=False, doc="Of the picture in the object store."),
    Column("bytes", Integer, nullable=False, doc="Size of the object."),
    Column("digest", Text, nullable=False, doc="BLAKE2b of the encoded picture."),
    Column(
        "status",
        Text,
        nullable=False,
        server_default="captured",
        doc="captured, placed, or deleting: its object is about to go.",
    ),
    Column(
        "captured_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=_NOW,
        doc="When the screenshot was taken last.",
    ),
    CheckConstraint("status IN ('captured', 'placed', 'deleting')", name="status"),
)

pair_offsets = Table(
    "pair_offsets",
    metadata,
    _survey(),
    Column("reference_row", SmallInteger, primary_key=True, doc="Row of the first screenshot's area."),
    Column("reference_col", SmallInteger, primary_key=True, doc="Column of the first screenshot's area."),
    Column("moving_row", SmallInteger, primary_key=True, doc="Row of its neighbour's area."),
    Column("moving_col", SmallInteger, primary_key=True, doc="Column of its neighbour's area."),
    Column("dx_px", Integer, nullable=False, doc="From the first to its neighbour, to the right, in whole pixels."),
    Column("dy_px", Integer, nullable=False, doc="The same, downwards."),
    Column("votes", Integer, nullable=False, doc="Patches in common that agree on the offset."),
    Column("agreement", REAL, nullable=False, doc="Share of the compared pixels that agree, 0 to 1."),
    Column("compared_px", Integer, nullable=False, doc="Pixels of the overlap that were compared."),
    Column("decisive", Boolean, nullable=False, doc="Whether the overlap agrees at this offset alone."),
    Column(
        "rest_x_px",
        REAL,
        nullable=False,
        server_default="0",
        doc="What the offset has beyond whole pixels, to the right.",
    ),
    Column("rest_y_px", REAL, nullable=False, server_default="0", doc="The same, downwards."),
    Column(
        "sigma_px",
        REAL,
        nullable=False,
        server_default="0",
        doc="Standard error of the offset; 0 where pixels agree exactly.",
    ),
    Column(
        "noise",
        REAL,
        nullable=False,
        server_default="0",
        doc="Of both screenshots, in grey levels; 0 of lossless ones.",
    ),
    Column(
        "residual_px",
        REAL,
        nullable=True,
        doc="By how much the solve contradicts it; above half a pixel it was dropped.",
    ),
    Column(
        "searched",
        Boolean,
        nullable=False,
        server_default="false",
        doc="Whether it was found by the search after the placement, not at the expected positions.",
    ),
)

pair_refusals = Table(
    "pair_refusals",
    metadata,
    Column("survey_id", Text, ForeignKey("surveys.id", ondelete="CASCADE"), primary_key=True),
    Column("reference_row", SmallInteger, primary_key=True),
    Column("reference_col", SmallInteger, primary_key=True),
    Column("moving_row", SmallInteger, primary_key=True),
    Column("moving_col", SmallInteger, primary_key=True),
    Column("reason", Text, nullable=False),
    CheckConstraint("reason IN ('little_overlap', 'plain', 'repeated', 'different')", name="reason"),
)

coordinates = Table(
    "coordinates",
    metadata,
    _survey(),
    _row(),
    _col(),
    Column("x_px", Integer, nullable=False, doc="Left edge of the screenshot in the save's frame."),
    Column("y_px", Integer, nullable=False, doc="Its upper edge."),
    Column("confidence", REAL, nullable=False, doc="Probability that the place is exact, 0 to 1."),
    Column("status", Text, nullable=False, doc="anchored, ambiguous or unplaced."),
    Column(
        "group_number",
        Integer,
        nullable=False,
        doc="Screenshots of one group are tied together by verified offsets; 0 is the largest group.",
    ),
    Column(
        "sigma_px", REAL, nullable=False, server_default="0", doc="Standard error of the place; 0 where it is exact."
    ),
    Column(
        "found_off_x_px",
        Integer,
        nullable=True,
        doc="How far to the right of its expected position the search found it; empty: not searched for.",
    ),
    Column("found_off_y_px", Integer, nullable=True, doc="The same, downwards."),
    CheckConstraint("status IN ('anchored', 'ambiguous', 'unplaced')", name="status"),
)

screenshot_usage = Table(
    "screenshot_usage",
    metadata,
    _survey(),
    _row(),
    _col(),
    Column("required_tiles", Integer, nullable=False),
    Column("completed_tiles", Integer, nullable=False, server_default="0"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True, doc="Number of the upload."),
    Column("prefix", Text, nullable=False, doc="Folder in the object store."),
    Column(
        "closing_etag", Text, nullable=False, doc="Of the file that closed the folder: another one closes it again."
    ),
    Column("survey_id", Text, nullable=True, doc="First survey that the upload began; none where it was refused."),
    Column("reason", Text, nullable=True, doc="Why it was refused, or which of its files were skipped."),
    Column("noticed_at", DateTime(timezone=True), nullable=False, server_default=_NOW, doc="When a sensor noticed it."),
    UniqueConstraint("prefix", "closing_etag"),
)

markers = Table(
    "markers",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("game", Text, nullable=False),
    Column("save", Text, nullable=False),
    Column("frame_number", Integer, nullable=False),
    Column("x_px", Integer, nullable=False),
    Column("y_px", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("colour", Text, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),  # counts its changes
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    ForeignKeyConstraint(["game", "save"], ["saves.game", "saves.save"], ondelete="CASCADE"),
    Index("ix_markers_game_save", "game", "save"),
)
