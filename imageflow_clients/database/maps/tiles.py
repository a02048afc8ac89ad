"""Rows of tiles: one layer for each revision of a survey.

A layer holds only what differs from its base, the layer of an earlier survey or revision in the same frame; the base
shows through where it has no row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Subquery,
    and_,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.maps import schema, tile_schema
from imageflow_domain.errors import NotReady
from imageflow_domain.geometry import Rect
from imageflow_domain.tiles import LEVELS_IN_SQUARE, TILE_PX, TileId

_L = tile_schema.tile_layers
_T = tile_schema.tiles

DEEPEST = 16
"""Layers that are looked through for one tile, at most; a layer over so many begins anew, without a base."""


@dataclass(frozen=True, kw_only=True)
class TileLayer:
    """The tiles of one revision of a survey."""

    id: int
    survey_id: str
    revision: str
    placement: str | None
    """Digest of the placed screenshots that it shows, whatever its encoder; `None` in what older versions wrote."""
    encoding: str | None
    """The words that name how its tiles are made; `None` as above."""
    base_id: int | None


@dataclass(frozen=True, kw_only=True)
class StoredTile:
    """One tile that a revision shows; its object is named by the digest of its pixels."""

    id: TileId
    digest: str
    bytes: int
    """0 while its object is being made."""
    inputs: str | None = None
    """Of a native tile: digest of the screenshots that it was composed from, and of how."""


@dataclass(frozen=True, kw_only=True)
class TileRow:
    """What a layer itself says of one tile."""

    id: TileId
    digest: str | None
    """`None`: what the base shows there is gone."""
    inputs: str | None = None


def open_layer(
    connection: Connection, survey: str, revision: str, *, placement: str, encoding: str, base: TileLayer | None
) -> TileLayer:
    """Return the layer of a revision, begun over `base` where there is none yet and both are encoded alike."""
    fits = base is not None and base.encoding == encoding and _depth(connection, base.id) < DEEPEST
    over = base.id if base is not None and fits else None
    connection.execute(
        upsert(_L)
        .values(survey_id=survey, revision=revision, placement=placement, encoding=encoding, base_id=over)
        .on_conflict_do_nothing(index_elements=["survey_id", "revision"])
    )
    return layer_of(connection, survey, revision)


def find_layer(connection: Connection, survey: str, revision: str, *, keep: bool = False) -> TileLayer | None:
    """Return the layer of a revision, or `None` where there is none.

    Args:
        keep: Let nobody delete it until the transaction ends.
    """
    query = select(_L).where(_L.c.survey_id == survey, _L.c.revision == revision)
    row = connection.execute(query.with_for_update(read=True, key_share=True) if keep else query).mappings().first()
    return None if row is None else _layer(row)


def layer_of(connection: Connection, survey: str, revision: str) -> TileLayer:
    """Return the layer of a revision; raise `NotReady` where there is none."""
    found = find_layer(connection, survey, revision)
    if found is None:
        raise NotReady(f"'{survey}' has no layer for the tiles of {revision}: materialise coordinates first.")
    return found


def get_layer(connection: Connection, layer: int) -> TileLayer:
    """Return a layer; raise `NotReady` where it was deleted, with its survey or its revision."""
    row = connection.execute(select(_L).where(_L.c.id == layer)).mappings().first()
    if row is None:
        raise NotReady(
            f"The tiles' layer {layer} was deleted, with its survey or as a newer revision took its place: where the "
            "survey is still there, materialise coordinates, then tiles again."
        )
    return _layer(row)


def lock_layer(connection: Connection, layer: TileLayer) -> TileLayer:
    """Return a layer as it stands, its base kept as it is until the transaction ends; raise `NotReady` if gone."""
    query = select(_L).where(_L.c.id == layer.id).with_for_update()
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotReady(f"'{layer.survey_id}' was deleted.")
    return _layer(row)


def replace_in_square(
    connection: Connection, layer: TileLayer, native_zoom: int, square: Rect, rows: Sequence[TileRow]
) -> None:
    """Make `rows` all that a layer itself says of one square: native tiles and the parents inside it."""
    inside = or_(*(_inside(z, native_zoom, square) for z in _zooms(native_zoom)))
    connection.execute(delete(_T).where(_T.c.layer_id == layer.id, inside))
    _insert(connection, layer, rows)


def put(connection: Connection, layer: TileLayer, rows: Sequence[TileRow]) -> None:
    """Write what a layer itself says of some tiles."""
    query = upsert(_T)
    for row in rows:
        connection.execute(
            query.values(layer_id=layer.id, **_values(row)).on_conflict_do_update(
                index_elements=["layer_id", "z", "x", "y"], set_={"digest": row.digest, "inputs": row.inputs}
            )
        )


def replace_above(connection: Connection, layer: TileLayer, top_zoom: int, rows: Sequence[TileRow]) -> None:
    """Make `rows` all that a layer itself says of the zooms below `top_zoom`, that of the squares' tops."""
    connection.execute(delete(_T).where(_T.c.layer_id == layer.id, _T.c.z < top_zoom))
    _insert(connection, layer, rows)


def find(connection: Connection, survey: str, revision: str, tile: TileId) -> StoredTile | None:
    """Return one tile of a revision, or `None` where nothing is covered."""
    layer = find_layer(connection, survey, revision)
    if layer is None:
        return None
    return _read(connection, layer.id, _T.c.z == tile.z, _T.c.x == tile.x, _T.c.y == tile.y).get(tile)


def at_zoom(connection: Connection, layer: TileLayer, z: int) -> dict[TileId, StoredTile]:
    """Return every tile of one zoom that a layer shows."""
    return _read(connection, layer.id, _T.c.z == z)


def in_square(connection: Connection, layer: TileLayer, native_zoom: int, square: Rect) -> dict[TileId, StoredTile]:
    """Return what a layer shows of one square: native tiles and the parents inside it."""
    found: dict[TileId, StoredTile] = {}
    for z in _zooms(native_zoom):
        found |= _read(connection, layer.id, _inside(z, native_zoom, square))
    return found


def native_in(connection: Connection, layer: TileLayer, native_zoom: int, rect: Rect) -> dict[TileId, StoredTile]:
    """Return the native tiles that a layer shows of a rectangle on their borders."""
    return _read(connection, layer.id, _inside(native_zoom, native_zoom, rect))


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One tile of which two layers show different objects."""

    id: TileId
    digest: str
    other: str


@dataclass(frozen=True, kw_only=True)
class Differences:
    """How two layers differ at one zoom."""

    common: int
    """Tiles that both show."""
    only_here: int
    only_there: int
    changed: tuple[Difference, ...]
    """Those of the common ones whose objects are different, row by row."""


def differences(connection: Connection, layer: TileLayer, other: TileLayer, z: int) -> Differences:
    """Compare by digest all tiles of one zoom that two layers show, whatever they lie over."""
    here, there = shown_by(layer.id, _T.c.z == z), shown_by(other.id, _T.c.z == z)
    same = and_(here.c.x == there.c.x, here.c.y == there.c.y)
    counted = connection.execute(
        select(
            func.count().filter(here.c.digest.is_not(None), there.c.digest.is_not(None)).label("common"),
            func.count().filter(there.c.digest.is_(None)).label("here"),
            func.count().filter(here.c.digest.is_(None)).label("there"),
        ).select_from(here.outerjoin(there, same, full=True))
    ).one()
    rows = connection.execute(
        select(here.c.x, here.c.y, here.c.digest, there.c.digest.label("other"))
        .join(there, and_(same, here.c.digest != there.c.digest))
        .order_by(here.c.y, here.c.x)
    )
    return Differences(
        common=counted.common,
        only_here=counted.here,
        only_there=counted.there,
        changed=tuple(Difference(id=TileId(z=z, x=row.x, y=row.y), digest=row.digest, other=row.other) for row in rows),
    )


def maker(connection: Connection, layer: TileLayer, tile: TileId) -> TileLayer | None:
    """Return which layer, of this one and those below, a tile comes from; `None` where nothing is shown."""
    chain = _chain(layer.id)
    row = connection.execute(
        select(chain.c.id, _T.c.digest)
        .join(_T, _T.c.layer_id == chain.c.id)
        .where(_T.c.z == tile.z, _T.c.x == tile.x, _T.c.y == tile.y)
        .order_by(chain.c.depth)
        .limit(1)
    ).first()
    return None if row is None or row.digest is None else get_layer(connection, row.id)


def every(connection: Connection, survey: str, revision: str) -> Iterator[StoredTile]:
    """Yield every tile of a revision, level by level, without holding them all."""
    layer = find_layer(connection, survey, revision)
    if layer is not None:
        rows = connection.execution_options(yield_per=5000).execute(_tiles(layer.id))
        yield from map(_tile, rows.mappings())


def totals(connection: Connection, layer: TileLayer) -> tuple[int, int]:
    """Return how many tiles a layer shows, and their bytes together."""
    shown = _tiles(layer.id).subquery()
    row = connection.execute(
        select(func.count().label("tiles"), func.coalesce(func.sum(shown.c.bytes), 0).label("bytes")).select_from(shown)
    ).one()
    return int(row.tiles), int(row.bytes)


def retire(connection: Connection, layer: TileLayer) -> None:
    """Delete a layer; those that it showed through to take its rows over, and show the same as before.

    Whoever is cutting one of those notices, by its base, that it must look again.
    """
    # whoever begins a layer over it holds it until the transaction ends, and is an heir from then on
    connection.execute(select(_L.c.id).where(_L.c.id == layer.id).with_for_update())
    heirs = connection.execute(select(_L.c.id).where(_L.c.base_id == layer.id).with_for_update()).scalars().all()
    for heir in heirs:
        own = select(literal(heir), _T.c.z, _T.c.x, _T.c.y, _T.c.digest, _T.c.inputs).where(_T.c.layer_id == layer.id)
        columns = ("layer_id", "z", "x", "y", "digest", "inputs")
        connection.execute(upsert(_T).from_select(columns, own).on_conflict_do_nothing())
    connection.execute(update(_L).where(_L.c.base_id == layer.id).values(base_id=layer.base_id))
    connection.execute(delete(_L).where(_L.c.id == layer.id))


def layers_of_survey(connection: Connection, survey: str) -> tuple[TileLayer, ...]:
    """Return the layers of all revisions of a survey, newest first."""
    rows = connection.execute(select(_L).where(_L.c.survey_id == survey).order_by(_L.c.id.desc())).mappings()
    return tuple(map(_layer, rows))


def shown_by(layer: int, *where: ColumnElement[bool]) -> Subquery:
    """Return the table (z, x, y, digest, inputs) of what a layer shows.

    Args:
        where: Conditions on the table `tiles`.
    """
    chain = _chain(layer)
    seen = (
        select(_T.c.z, _T.c.x, _T.c.y, _T.c.digest, _T.c.inputs)
        .ext(distinct_on(_T.c.z, _T.c.x, _T.c.y))
        .join(chain, _T.c.layer_id == chain.c.id)
        .where(*where)
        .order_by(_T.c.z, _T.c.x, _T.c.y, chain.c.depth)
        .subquery()
    )
    return select(seen).where(seen.c.digest.is_not(None)).subquery()


def _chain(layer: int) -> CTE:
    """Return the table (id, base_id, depth) of a layer and all that show through it."""
    begin = select(_L.c.id, _L.c.base_id, literal(0).label("depth")).where(_L.c.id == layer).cte(recursive=True)
    base = _L.alias("base")
    return begin.union_all(
        select(base.c.id, base.c.base_id, begin.c.depth + 1).join(begin, base.c.id == begin.c.base_id)
    )


def superseded(connection: Connection, before: datetime) -> tuple[TileLayer, ...]:
    """Return the layers of revisions that are neither shown nor being made, where the shown one is older than that."""
    surveys = schema.surveys
    rows = connection.execute(
        select(_L)
        .join(surveys, surveys.c.id == _L.c.survey_id)
        .where(
            surveys.c.published_at < before,
            _L.c.created_at < before,
            _L.c.revision != surveys.c.published_revision,
            _L.c.revision != surveys.c.revision,
        )
        .order_by(_L.c.id)
    ).mappings()
    return tuple(map(_layer, rows))


def _insert(connection: Connection, layer: TileLayer, rows: Sequence[TileRow]) -> None:
    if rows:
        connection.execute(insert(_T), [{"layer_id": layer.id, **_values(row)} for row in rows])


def _values(row: TileRow) -> dict[str, Any]:
    return {"z": row.id.z, "x": row.id.x, "y": row.id.y, "digest": row.digest, "inputs": row.inputs}


def _tiles(layer: int, *where: ColumnElement[bool]) -> Select[Any]:
    """Return the query of what a layer shows, with sizes, level by level."""
    shown, objects = shown_by(layer, *where), tile_schema.tile_objects
    return (
        select(shown, objects.c.bytes)
        .join(objects, objects.c.digest == shown.c.digest)
        .order_by(shown.c.z, shown.c.x, shown.c.y)
    )


def _read(connection: Connection, layer: int, *where: ColumnElement[bool]) -> dict[TileId, StoredTile]:
    rows = connection.execute(_tiles(layer, *where)).mappings()
    return {tile.id: tile for tile in map(_tile, rows)}


def _tile(row: RowMapping) -> StoredTile:
    return StoredTile(
        id=TileId(z=row["z"], x=row["x"], y=row["y"]),
        digest=row["digest"],
        bytes=row["bytes"] or 0,
        inputs=row["inputs"],
    )


def _layer(row: RowMapping) -> TileLayer:
    return TileLayer(
        id=row["id"],
        survey_id=row["survey_id"],
        revision=row["revision"],
        placement=row["placement"],
        encoding=row["encoding"],
        base_id=row["base_id"],
    )


def _depth(connection: Connection, layer: int) -> int:
    return connection.execute(select(func.count()).select_from(_chain(layer))).scalar_one()


def _zooms(native_zoom: int) -> range:
    """The zooms that lie whole inside one square, native first."""
    return range(native_zoom, native_zoom - LEVELS_IN_SQUARE, -1)


def _inside(z: int, native_zoom: int, square: Rect) -> ColumnElement[bool]:
    side = TILE_PX << (native_zoom - z)
    return and_(
        _T.c.z == z,
        _T.c.x.between(square.x_px // side, square.right_px // side - 1),
        _T.c.y.between(square.y_px // side, square.bottom_px // side - 1),
    )
