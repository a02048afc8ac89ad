"""How far a survey is: which blocks and layers are whole, and which attempts failed."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Table, and_, false, func, insert, or_, select, tuple_, update

from imageflow_clients.database.core import events
from imageflow_clients.database.maps import schema
from imageflow_domain.capture import AreaState
from imageflow_domain.errors import NotFound
from imageflow_domain.grid import Block
from imageflow_domain.survey import BLOCK_LAYERS, Layer, Progress, ShotCount, TaskCount
from imageflow_domain.survey_events import LayerChange, layer_changed

_BLOCKS = schema.blocks
_FAILED = schema.failed_runs
_BEFORE = ((0, -1), (0, 1), (-1, -1), (-1, 0), (-1, 1))
"""Row and column steps to the blocks beside and above, whose pairs reach into a block."""

_BLOCK_MARKS = {
    Layer.SCREENSHOTS: "captured_at",
    Layer.PAIR_OFFSETS: "registered_at",
    Layer.TILES: "cut_at",
}


@dataclass(frozen=True, kw_only=True)
class BlockMarks:
    """Since when each layer of one block is whole; a layer that is not is left out."""

    block: Block
    done_at: Mapping[Layer, datetime]
    tiles_cut: int


def progress(connection: Connection, survey: str) -> Progress:
    """Read what a survey has; raise `NotFound`."""
    surveys = schema.surveys
    head = connection.execute(
        select(
            surveys.c.revision,
            surveys.c.published_revision,
            surveys.c.withheld_revision,
            surveys.c.placed_at,
            surveys.c.cleaned_at,
            surveys.c.tiles_planned,
            surveys.c.tiles_total,
        ).where(surveys.c.id == survey)
    ).one_or_none()
    if head is None:
        raise NotFound(f"There is no survey '{survey}'.")
    rows = connection.execute(select(_BLOCKS).where(_BLOCKS.c.survey_id == survey)).all()
    block = {row: Block(row=row.row, col=row.col) for row in rows}
    placed = head.placed_at is not None
    cut = frozenset(block[r] for r in rows if placed and r.cut_at and r.cut_revision == head.revision)
    shown = head.revision in {head.published_revision, head.withheld_revision}
    published = placed and len(cut) == len(rows) and shown
    whole = {Layer.COORDINATES: placed, Layer.OVERVIEWS: published, Layer.CLEANUP: head.cleaned_at is not None}
    return Progress(
        blocks=frozenset(block.values()),
        done_blocks={
            Layer.SCREENSHOTS: frozenset(block[r] for r in rows if r.captured_at),
            Layer.PAIR_OFFSETS: frozenset(block[r] for r in rows if r.registered_at),
            Layer.TILES: cut,
        },
        done_layers=frozenset(layer for layer, done in whole.items() if done),
        failures=_failures(connection, survey),
        tiles_planned=head.tiles_planned,
        tiles_cut=head.tiles_total if published else sum(r.tiles_cut for r in rows),
    )


def task_counts(connection: Connection, surveys: Collection[str]) -> Mapping[str, TaskCount]:
    """Count the tasks of many surveys in one query, as `progress` counts those of one."""
    s, b = schema.surveys, _BLOCKS
    cut = and_(s.c.placed_at.is_not(None), b.c.cut_at.is_not(None), b.c.cut_revision == s.c.revision)
    rows = connection.execute(
        select(
            s.c.id,
            s.c.placed_at.is_not(None).label("placed"),
            s.c.cleaned_at.is_not(None).label("cleaned"),
            or_(s.c.published_revision == s.c.revision, s.c.withheld_revision == s.c.revision).label("shown"),
            s.c.tiles_total,
            func.count(b.c.row).label("blocks"),
            func.count(b.c.captured_at).label("captured"),
            func.count(b.c.registered_at).label("registered"),
            func.count(b.c.row).filter(cut).label("cut"),
            func.coalesce(func.sum(b.c.tiles_cut), 0).label("tiles"),
        )
        .outerjoin(b, b.c.survey_id == s.c.id)
        .where(s.c.id.in_(surveys))
        .group_by(s.c.id)
    )
    counts = {}
    for row in rows:
        published = row.placed and row.cut == row.blocks and bool(row.shown)
        counts[row.id] = TaskCount(
            done=row.captured + row.registered + row.cut + row.placed + published + row.cleaned,
            tasks=row.blocks * len(BLOCK_LAYERS) + len(Layer) - len(BLOCK_LAYERS),
            tiles=row.tiles_total if published else int(row.tiles),
        )
    return counts


def block_marks(connection: Connection, survey: str) -> tuple[BlockMarks, ...]:
    """Return what every block of a survey has, row by row; tiles of another revision count for nothing."""
    s = schema.surveys
    rows = connection.execute(
        select(_BLOCKS, s.c.revision, s.c.placed_at)
        .join(s, s.c.id == _BLOCKS.c.survey_id)
        .where(_BLOCKS.c.survey_id == survey)
        .order_by(_BLOCKS.c.row, _BLOCKS.c.col)
    )
    marks = []
    for row in rows:
        is_cut = row.placed_at is not None and row.cut_revision == row.revision
        stamps = {
            Layer.SCREENSHOTS: row.captured_at,
            Layer.PAIR_OFFSETS: row.registered_at,
            Layer.TILES: row.cut_at if is_cut else None,
        }
        marks.append(
            BlockMarks(
                block=Block(row=row.row, col=row.col),
                done_at={layer: at for layer, at in stamps.items() if at is not None},
                tiles_cut=row.tiles_cut,
            )
        )
    return tuple(marks)


def survey_marks(connection: Connection, survey: str) -> Mapping[Layer, datetime]:
    """Return since when the layers are whole that go by survey alone; raise `NotFound`."""
    s = schema.surveys
    row = connection.execute(
        select(
            s.c.placed_at,
            s.c.published_at,
            s.c.withheld_at,
            s.c.cleaned_at,
            s.c.revision,
            s.c.published_revision,
            s.c.withheld_revision,
        ).where(s.c.id == survey)
    ).one_or_none()
    if row is None:
        raise NotFound(f"There is no survey '{survey}'.")
    stamps = {
        Layer.COORDINATES: row.placed_at,
        Layer.OVERVIEWS: _overviews_at(row),
        Layer.CLEANUP: row.cleaned_at,
    }
    return {layer: at for layer, at in stamps.items() if at is not None}


def _overviews_at(row: Any) -> datetime | None:
    """Since when the levels above the squares are whole, whether the map was published with them or withheld."""
    if row.published_revision == row.revision:
        return cast("datetime | None", row.published_at)
    return cast("datetime | None", row.withheld_at) if row.withheld_revision == row.revision else None


def shots(connection: Connection, survey: str) -> ShotCount:
    """Count screenshots one by one: not for what is asked every second, as ten thousand rows take their time."""
    areas = schema.areas
    counted = connection.execute(
        select(areas.c.state, areas.c.settled, func.count().label("areas"))
        .where(areas.c.survey_id == survey)
        .group_by(areas.c.state, areas.c.settled)
    ).all()
    states: Counter[str | None] = Counter()
    for row in counted:
        states[row.state] += row.areas
    outside, holes = states[AreaState.OUTSIDE], states[AreaState.HOLE]
    return ShotCount(
        planned=sum(states.values()) - outside - holes,
        taken=_count(connection, schema.screenshots, survey),
        outside=outside,
        holes=holes,
        unsettled=sum(row.areas for row in counted if row.state == AreaState.TAKEN and not row.settled),
    )


def mark_block(connection: Connection, survey: str, layer: Layer, block: Block, revision: str | None = None) -> None:
    """Note that a block's layer is whole; for tiles, at which revision."""
    values: dict[str, Any] = {_BLOCK_MARKS[layer]: func.now()}
    if layer is Layer.TILES:
        values["cut_revision"] = revision
    connection.execute(
        update(_BLOCKS)
        .where(_BLOCKS.c.survey_id == survey, _BLOCKS.c.row == block.row, _BLOCKS.c.col == block.col)
        .values(values)
    )
    events.append(connection, layer_changed(survey, layer, LayerChange.DONE, block))


def is_cut(connection: Connection, survey: str, block: Block, revision: str) -> bool:
    """Whether a block was cut at a revision before, so that cutting it again looks at every tile.

    Raises:
        NotFound: The survey does not have the block.
    """
    was_cut = func.coalesce(_BLOCKS.c.cut_revision == revision, false())
    found = connection.execute(select(was_cut).where(_at(survey, block))).scalar_one_or_none()
    if found is None:
        raise NotFound(f"'{survey}' has no block {block.key}: it was deleted, or its grid has no areas there.")
    return found


def begin_cut(connection: Connection, survey: str, block: Block) -> None:
    """Begin to count a block's tiles; `attempts.begin` logs the event."""
    connection.execute(update(_BLOCKS).where(_at(survey, block)).values(cut_at=None, cut_revision=None, tiles_cut=0))


def mark_all_cut(connection: Connection, survey: str, revision: str) -> None:
    """Note that the tiles of every block are there at a revision."""
    connection.execute(
        update(_BLOCKS).where(_BLOCKS.c.survey_id == survey).values(cut_at=func.now(), cut_revision=revision)
    )
    events.append(connection, layer_changed(survey, Layer.TILES, LayerChange.DONE))


def add_tiles_cut(connection: Connection, survey: str, block: Block, count: int) -> None:
    """Count more tiles of a block, which is not whole yet; no event tells of it."""
    connection.execute(update(_BLOCKS).where(_at(survey, block)).values(tiles_cut=_BLOCKS.c.tiles_cut + count))


def reopen_capture(connection: Connection, survey: str, blocks: Collection[Block]) -> None:
    """Ask for blocks' screenshots again: what was registered with them no longer counts."""
    steps = ((0, 0), *_BEFORE)
    around = {(block.row + row, block.col + col) for block in blocks for row, col in steps}
    _reopen(connection, survey, Layer.SCREENSHOTS, {(block.row, block.col) for block in blocks})
    _reopen(connection, survey, Layer.PAIR_OFFSETS, around)


def reopen_registration(connection: Connection, survey: str, blocks: Collection[Block]) -> None:
    """Ask for blocks' offsets again."""
    _reopen(connection, survey, Layer.PAIR_OFFSETS, {(block.row, block.col) for block in blocks})


def reopen_cut(connection: Connection, survey: str, blocks: Collection[Block]) -> None:
    """Ask for blocks' tiles again, every one of them; those that are there stay until then."""
    _reopen(connection, survey, Layer.TILES, {(block.row, block.col) for block in blocks})


def _reopen(connection: Connection, survey: str, layer: Layer, places: Collection[tuple[int, int]]) -> None:
    here = tuple_(_BLOCKS.c.row, _BLOCKS.c.col).in_(places)
    reopened = connection.execute(
        update(_BLOCKS)
        .where(_BLOCKS.c.survey_id == survey, here)
        .values({_BLOCK_MARKS[layer]: None})
        .returning(_BLOCKS.c.row, _BLOCKS.c.col)
    )
    for row in reopened:
        block = Block(row=row.row, col=row.col)
        events.append(connection, layer_changed(survey, layer, LayerChange.REOPENED, block))


def note_failure(connection: Connection, survey: str, layer: Layer, reason: str, run_id: str) -> int:
    """Count a failed run, once; return how many there are since the survey made progress or was taken up."""
    known = select(_FAILED.c.run_id).where(_FAILED.c.survey_id == survey, _FAILED.c.run_id == run_id)
    if connection.execute(known).first() is None:
        connection.execute(insert(_FAILED).values(survey_id=survey, layer=layer, run_id=run_id, reason=reason))
    return _failures(connection, survey)


def forget_failures(connection: Connection, survey: str) -> None:
    """Stop counting a survey's failed runs: it made progress, is done, or is taken up again."""
    connection.execute(update(_FAILED).where(_FAILED.c.survey_id == survey).values(counts=False))


def _failures(connection: Connection, survey: str) -> int:
    counted = select(func.count(_FAILED.c.run_id.distinct())).where(_FAILED.c.survey_id == survey, _FAILED.c.counts)
    return connection.execute(counted).scalar_one()


def _at(survey: str, block: Block) -> ColumnElement[bool]:
    return and_(_BLOCKS.c.survey_id == survey, _BLOCKS.c.row == block.row, _BLOCKS.c.col == block.col)


def _count(connection: Connection, table: Table, survey: str) -> int:
    return connection.execute(select(func.count()).select_from(table).where(table.c.survey_id == survey)).scalar_one()
