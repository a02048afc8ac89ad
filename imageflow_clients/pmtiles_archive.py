"""PMTiles version 3: all tiles of a map in one file, of which a reader fetches ranges.

The directories come before the tiles in the file. Because every tile's size is known beforehand, they are written first
and the tiles straight after them: nothing is held, and no second copy of the tiles is ever on a disk.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from pmtiles.tile import Compression, Entry, TileType, zxy_to_tileid
from pmtiles.writer import finalize_header

from imageflow_domain.errors import NotReady
from imageflow_domain.tiles import TileId

_E7 = 10_000_000


@dataclass(frozen=True, kw_only=True)
class ArchiveTile:
    """One tile that an archive is to hold."""

    id: TileId
    digest: str
    """Names its content: tiles of one digest are stored once."""
    bytes: int


@dataclass(frozen=True, kw_only=True)
class ViewerStart:
    """Where an archive's viewer finds the map: degrees of longitude and latitude, and the zoom to begin with."""

    west: float
    south: float
    east: float
    north: float
    centre: tuple[float, float]
    centre_zoom: int


def write_archive(
    file: BinaryIO,
    tiles: Iterable[ArchiveTile],
    read: Callable[[Sequence[ArchiveTile]], Iterator[bytes]],
    place: ViewerStart,
    metadata: Mapping[str, Any],
) -> int:
    """Write an archive of WebP tiles, and return how many distinct ones it holds.

    Args:
        file: Open for writing, empty.
        tiles: In any order, at least one.
        read: Yields the contents of the tiles that it is given, in their order.
        metadata: What goes into the archive's JSON.

    Raises `NotReady` where a content is not as long as its tile says.
    """
    ordered = sorted(((_number(tile.id), tile) for tile in tiles), key=lambda numbered: numbered[0])
    entries, contents = _directory(ordered)
    size = sum(tile.bytes for tile in contents)
    header = {
        "tile_compression": Compression.NONE,
        "tile_type": TileType.WEBP,
        "min_lon_e7": round(place.west * _E7),
        "min_lat_e7": round(place.south * _E7),
        "max_lon_e7": round(place.east * _E7),
        "max_lat_e7": round(place.north * _E7),
        "center_zoom": place.centre_zoom,
        "center_lon_e7": round(place.centre[0] * _E7),
        "center_lat_e7": round(place.centre[1] * _E7),
    }
    # `Writer`, which calls this too, puts all tiles into a temporary file first.
    for part in finalize_header(header, len(ordered), entries, len(contents), metadata, True, size):
        file.write(part)
    for tile, data in zip(contents, read(contents), strict=True):
        if len(data) != tile.bytes:
            raise NotReady(
                f"Tile {tile.digest} has {len(data)} bytes instead of {tile.bytes}: materialise tiles again."
            )
        file.write(data)
    return len(contents)


def _number(tile: TileId) -> int:
    """Return a tile's place in the archive's order: zoom by zoom, along a Hilbert curve."""
    return int(zxy_to_tileid(tile.z, tile.x, tile.y))


def _directory(ordered: Sequence[tuple[int, ArchiveTile]]) -> tuple[list[Entry], list[ArchiveTile]]:
    """Return the archive's entries, equal neighbours as one, and its distinct contents in their order in the file."""
    entries: list[Entry] = []
    contents: list[ArchiveTile] = []
    offsets: dict[str, int] = {}
    end = 0
    zoom = -1
    for number, tile in ordered:
        if tile.digest not in offsets:
            offsets[tile.digest] = end
            contents.append(tile)
            end += tile.bytes
        last = entries[-1] if entries else None
        follows = last is not None and number == last.tile_id + last.run_length and zoom == tile.id.z
        if last is not None and follows and last.offset == offsets[tile.digest]:
            last.run_length += 1
        else:
            entries.append(Entry(number, offsets[tile.digest], tile.bytes, 1))
        zoom = tile.id.z
    return entries, contents
