"""Take a survey's map out of the stores: as one PMTiles archive, or as a folder of tiles."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

from imageflow_clients.database.maps import tiles
from imageflow_clients.database.maps.tiles import StoredTile
from imageflow_clients.pmtiles_archive import ArchiveTile, ViewerStart, write_archive
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Survey
from imageflow_surveys.stored_pictures import read_encoded_tile
from imageflow_surveys.tilejson import TileJson, tilejson

PATH = "{z}/{x}/{y}.webp"
"""Where a tile lies in a folder."""

_READERS = 8
_BATCH = 64
"""Tiles that are read ahead: all that is held of the map."""

Advance = Callable[[int, int], object]
"""Is told how many tiles are written, and how many there are to write."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What came of an export."""

    tiles: int
    written: int
    """Tiles that were written: an archive holds equal ones once."""


_Stored = TypeVar("_Stored", StoredTile, ArchiveTile)


def describe(survey: Survey) -> TileJson:
    """Return the TileJSON of an exported map, beside which its tiles lie; raise `NotReady` before there is a map."""
    mosaic = survey.published()
    return tilejson(survey, mosaic, mosaic.revision, path=PATH)


def export_archive(stores: Stores, survey: Survey, file: BinaryIO, advance: Advance) -> Exported:
    """Write every tile of a survey's map into a PMTiles archive.

    Args:
        file: Open for writing, empty.

    Raises:
        NotReady: Where the survey has no map yet.
        ObjectMissing: Where a tile's row stands but its object is gone.
    """
    about = describe(survey)
    shown = [ArchiveTile(id=t.id, digest=t.digest, bytes=t.bytes) for t in _every(stores, survey)]
    west, south, east, north = about.bounds
    longitude, latitude, zoom = about.center

    def read(contents: Sequence[ArchiveTile]) -> Iterator[bytes]:
        for done, (_, data) in enumerate(_read(stores, survey, contents), start=1):
            yield data
            advance(done, len(contents))

    written = write_archive(
        file,
        shown,
        read,
        ViewerStart(west=west, south=south, east=east, north=north, centre=(longitude, latitude), centre_zoom=zoom),
        {
            "type": "baselayer",
            "format": "webp",
            **about.model_dump(mode="json", include={"name", "version"}),
            "imageflow": about.imageflow.model_dump(mode="json", exclude={"path"}),
        },
    )
    return Exported(tiles=len(shown), written=written)


def export_folder(stores: Stores, survey: Survey, folder: Path, advance: Advance) -> Exported:
    """Write every tile of a survey's map into `folder` as {z}/{x}/{y}.webp, and its tilejson.json; raise as above."""
    about = describe(survey)
    with stores.database.begin() as connection:
        total, _ = tiles.totals(connection, tiles.layer_of(connection, survey.id, survey.published().revision))
    done = 0
    for tile, data in _read(stores, survey, _every(stores, survey)):
        path = folder / PATH.format(z=tile.id.z, x=tile.id.x, y=tile.id.y)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        done += 1
        advance(done, total)
    (folder / "tilejson.json").write_text(about.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return Exported(tiles=done, written=done)


def _every(stores: Stores, survey: Survey) -> Iterator[StoredTile]:
    with stores.database.begin() as connection:
        yield from tiles.every(connection, survey.id, survey.published().revision)


def _read(stores: Stores, survey: Survey, wanted: Iterable[_Stored]) -> Iterator[tuple[_Stored, bytes]]:
    """Yield tiles with their objects, in their order, several at once on their way."""

    def read(tile: _Stored) -> bytes:
        return read_encoded_tile(stores, survey.id, tile.id, tile.digest)

    left = iter(wanted)
    with ThreadPoolExecutor(_READERS) as readers:
        while batch := list(islice(left, _BATCH)):
            yield from zip(batch, readers.map(read, batch), strict=True)
