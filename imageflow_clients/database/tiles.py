"""Rows of tiles, of the areas that each needs, and of how often each screenshot is needed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, literal, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database import schema
from imageflow_domain.grid import Cell
from imageflow_domain.tiles import TileId

_T = schema.tiles
_DEPS = schema.tile_dependencies
_USAGE = schema.screenshot_usage


@dataclass(frozen=True, kw_only=True)
class StoredTile:
    """One tile of a revision; its object is named by the digest of its pixels."""

    id: TileId
    digest: str
    bytes: int


def record(connection: Connection, survey: str, revision: str, tiles: Sequence[StoredTile]) -> None:
    """Note tiles whose objects lie in the store whole."""
    if not tiles:
        return
    query = upsert(_T)
    connection.execute(
        query.on_conflict_do_update(
            index_elements=["survey_id", "revision", "z", "x", "y"],
            set_={"digest": query.excluded.digest, "bytes": query.excluded.bytes},
        ),
        [
            {
                "survey_id": survey,
                "revision": revision,
                "z": tile.id.z,
                "x": tile.id.x,
                "y": tile.id.y,
                "digest": tile.digest,
                "bytes": tile.bytes,
            }
            for tile in tiles
        ],
    )


def find(connection: Connection, survey: str, revision: str, tile: TileId) -> StoredTile | None:
    row = connection.execute(
        select(_T.c.digest, _T.c.bytes).where(
            _T.c.survey_id == survey,
            _T.c.revision == revision,
            _T.c.z == tile.z,
            _T.c.x == tile.x,
            _T.c.y == tile.y,
        )
    ).one_or_none()
    return None if row is None else StoredTile(id=tile, digest=row.digest, bytes=row.bytes)


def at_zoom(connection: Connection, survey: str, revision: str, z: int) -> Mapping[TileId, StoredTile]:
    """Return every tile of one zoom."""
    rows = connection.execute(select(_T).where(_T.c.survey_id == survey, _T.c.revision == revision, _T.c.z == z))
    tiles = (StoredTile(id=TileId(z=r.z, x=r.x, y=r.y), digest=r.digest, bytes=r.bytes) for r in rows)
    return {tile.id: tile for tile in tiles}


def every(connection: Connection, survey: str, revision: str) -> Iterator[StoredTile]:
    """Yield every tile of a revision, level by level, without holding them all."""
    query = select(_T).where(_T.c.survey_id == survey, _T.c.revision == revision).order_by(_T.c.z, _T.c.x, _T.c.y)
    for row in connection.execution_options(yield_per=5000).execute(query):
        yield StoredTile(id=TileId(z=row.z, x=row.x, y=row.y), digest=row.digest, bytes=row.bytes)


def known_digests(connection: Connection, digests: Collection[str]) -> Mapping[str, int]:
    """Return, of these digests, those that some tile has already, with their encoded size in bytes."""
    rows = connection.execute(
        select(_T.c.digest, func.max(_T.c.bytes).label("bytes")).where(_T.c.digest.in_(digests)).group_by(_T.c.digest)
    )
    return {row.digest: row.bytes for row in rows}


def totals(connection: Connection, survey: str, revision: str) -> tuple[int, int]:
    """Return how many tiles a revision has, and their bytes together."""
    row = connection.execute(
        select(func.count().label("tiles"), func.coalesce(func.sum(_T.c.bytes), literal(0)).label("bytes")).where(
            _T.c.survey_id == survey, _T.c.revision == revision
        )
    ).one()
    return int(row.tiles), int(row.bytes)


def replace_dependencies(
    connection: Connection, survey: str, needs: Mapping[TileId, Sequence[int]], usage: Mapping[Cell, int]
) -> None:
    """Store which areas each native tile needs, and how many tiles need each screenshot."""
    connection.execute(delete(_DEPS).where(_DEPS.c.survey_id == survey))
    connection.execute(delete(_USAGE).where(_USAGE.c.survey_id == survey))
    if needs:
        connection.execute(
            insert(_DEPS),
            [
                {"survey_id": survey, "z": tile.z, "x": tile.x, "y": tile.y, "area_ids": list(areas)}
                for tile, areas in needs.items()
            ],
        )
    if usage:
        connection.execute(
            insert(_USAGE),
            [
                {"survey_id": survey, "row": cell.row, "col": cell.col, "required_tiles": required}
                for cell, required in usage.items()
            ],
        )


def count_usage(connection: Connection, survey: str, revision: str, cols: int) -> None:
    """Bring `completed_tiles` up to date with the native tiles that exist.

    Args:
        cols: Columns of the survey's grid, by which area ids are numbered.
    """
    connection.execute(
        text(
            """
            UPDATE screenshot_usage AS usage SET completed_tiles = counted.tiles
            FROM (
                SELECT area, count(*) AS tiles
                FROM tile_dependencies AS needs
                JOIN tiles ON tiles.survey_id = needs.survey_id AND tiles.revision = :revision
                    AND tiles.z = needs.z AND tiles.x = needs.x AND tiles.y = needs.y,
                unnest(needs.area_ids) AS area
                WHERE needs.survey_id = :survey
                GROUP BY area
            ) AS counted
            WHERE usage.survey_id = :survey AND counted.area = usage.row * :cols + usage.col
            """
        ),
        {"survey": survey, "revision": revision, "cols": cols},
    )


def no_longer_needed(connection: Connection, survey: str) -> tuple[Cell, ...]:
    """Return the screenshots whose every tile exists."""
    rows = connection.execute(
        select(_USAGE.c.row, _USAGE.c.col).where(
            _USAGE.c.survey_id == survey, _USAGE.c.completed_tiles == _USAGE.c.required_tiles
        )
    )
    return tuple(Cell(row=row.row, col=row.col) for row in rows)


def missing_native(connection: Connection, survey: str, revision: str) -> tuple[TileId, ...]:
    """Return the native tiles that the placement promises and that no row names."""
    rows = connection.execute(
        select(_DEPS.c.z, _DEPS.c.x, _DEPS.c.y)
        .where(
            _DEPS.c.survey_id == survey,
            ~select(literal(1))
            .where(
                _T.c.survey_id == survey,
                _T.c.revision == revision,
                _T.c.z == _DEPS.c.z,
                _T.c.x == _DEPS.c.x,
                _T.c.y == _DEPS.c.y,
            )
            .exists(),
        )
        .order_by(_DEPS.c.y, _DEPS.c.x)
    )
    return tuple(TileId(z=row.z, x=row.x, y=row.y) for row in rows)


def digests_of(connection: Connection, survey: str) -> frozenset[str]:
    """Return the digests of all tiles of a survey, of every revision."""
    return frozenset(connection.execute(select(_T.c.digest).where(_T.c.survey_id == survey).distinct()).scalars())


def unreferenced(connection: Connection, digests: Collection[str]) -> frozenset[str]:
    """Return, of these digests, those that no tile of any survey has."""
    return frozenset(digests) - frozenset(known_digests(connection, digests))
