"""Archives are read back with the reference reader: every tile, equal ones once, and nothing held in memory."""

import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pmtiles.reader import MemorySource, Reader, all_tiles

from imageflow_clients.pmtiles_archive import ArchiveTile, ViewerStart, write_archive
from imageflow_domain.errors import NotReady
from imageflow_domain.tiles import TileId

PLACE = ViewerStart(west=-90.0, south=-45.5, east=12.25, north=60.0, centre=(-38.875, 7.25), centre_zoom=1)


def written(contents: Mapping[TileId, bytes]) -> bytes:
    """Write tiles, named by their content, and return the archive."""

    def read(tiles: Sequence[ArchiveTile]) -> Iterator[bytes]:
        return (contents[tile.id] for tile in tiles)

    file = BytesIO()
    tiles = [ArchiveTile(id=tile, digest=data.hex(), bytes=len(data)) for tile, data in contents.items()]
    assert write_archive(file, tiles, read, PLACE, {"name": "sample"}) == len(set(contents.values()))
    return file.getvalue()


def read_all(archive: bytes) -> dict[TileId, bytes]:
    return {TileId(z=z, x=x, y=y): data for (z, x, y), data in all_tiles(MemorySource(archive))}


def header_of(archive: bytes) -> Any:
    return Reader(MemorySource(archive)).header()


@st.composite
def tile_ids(draw: st.DrawFn) -> TileId:
    z = draw(st.integers(0, 9))
    return TileId(z=z, x=draw(st.integers(0, (1 << z) - 1)), y=draw(st.integers(0, (1 << z) - 1)))


@given(st.dictionaries(tile_ids(), st.sampled_from([b"sea", b"land", b"a", b"longer than that"]), min_size=1))
def test_whatever_is_written_is_read_back_and_nothing_else(contents: dict[TileId, bytes]) -> None:
    archive = written(contents)
    assert read_all(archive) == contents
    header = header_of(archive)
    assert header["min_zoom"] == min(tile.z for tile in contents)
    assert header["max_zoom"] == max(tile.z for tile in contents)
    assert header["addressed_tiles_count"] == len(contents)
    assert header["tile_contents_count"] == len(set(contents.values()))


def test_a_sea_is_one_tile_and_one_entry_a_zoom() -> None:
    sea = {TileId(z=z, x=x, y=y): b"sea" for z in (0, 1, 2) for x in range(1 << z) for y in range(1 << z)}
    header = header_of(written(sea))
    assert header["addressed_tiles_count"] == 21
    assert header["tile_entries_count"] == 3
    assert header["tile_data_length"] == len(b"sea")


def test_place_and_kind_are_in_the_header() -> None:
    header = header_of(written({TileId(z=0, x=0, y=0): b"all"}))
    assert (header["min_lon_e7"], header["min_lat_e7"]) == (-900_000_000, -455_000_000)
    assert (header["max_lon_e7"], header["max_lat_e7"]) == (122_500_000, 600_000_000)
    assert (header["center_lon_e7"], header["center_lat_e7"], header["center_zoom"]) == (-388_750_000, 72_500_000, 1)
    assert header["tile_type"].name == "WEBP"
    assert header["tile_compression"].name == "NONE"
    assert header["clustered"]


def test_a_map_with_leaf_directories_gives_any_tile_by_its_address() -> None:
    sizes = np.random.default_rng(3).integers(1, 60, (150, 150))  # what does not compress fills the root
    contents = {TileId(z=8, x=x, y=y): f"{x} {y}".encode() * sizes[y, x] for x in range(150) for y in range(150)}
    archive = written(contents)
    assert header_of(archive)["leaf_directory_length"] > 0
    reader = Reader(MemorySource(archive))
    for x, y in ((0, 0), (149, 149), (17, 101), (101, 17)):
        assert reader.get(8, x, y) == contents[TileId(z=8, x=x, y=y)]


def test_a_content_of_another_size_is_refused() -> None:
    tile = ArchiveTile(id=TileId(z=0, x=0, y=0), digest="d" * 64, bytes=5)
    with pytest.raises(NotReady, match="has 3 bytes instead of 5: materialise tiles again"):
        write_archive(BytesIO(), [tile], lambda _: iter([b"sea"]), PLACE, {})


def test_two_hundred_megabytes_of_tiles_pass_through_a_tenth_of_it() -> None:
    size = 100_000
    tiles = [ArchiveTile(id=TileId(z=6, x=n % 64, y=n // 64), digest=str(n), bytes=size) for n in range(2000)]
    with Path("/dev/null").open("wb") as nowhere:
        tracemalloc.start()
        write_archive(nowhere, tiles, lambda wanted: (bytes(size) for _ in wanted), PLACE, {})
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 20_000_000
