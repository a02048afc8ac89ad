"""Map sizes from the heads of savegames, old and new."""

import lzma
import zlib
from pathlib import Path

import pytest

from game_capture.openttd.geometry import Tile
from game_capture.openttd.savegame import map_size
from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Position

SIZE = (512).to_bytes(4, "big") + (128).to_bytes(4, "big")
TABLE = b"DATE\x00 ... MAPS\x03\x10\x06\x05dim_x\x06\x05dim_y\x00\x09" + SIZE + b"\x00MAPT"
RIFF = b"MAPS\x00\x00\x00\x08" + SIZE + b"MAPT" + bytes(20)


@pytest.mark.parametrize("body", [TABLE, RIFF], ids=["table", "riff"])
@pytest.mark.parametrize("compression", ["OTTZ", "OTTX", "OTTN"])
def test_the_map_s_size_is_read(body: bytes, compression: str, tmp_path: Path) -> None:
    packed = {"OTTZ": zlib.compress, "OTTX": lzma.compress, "OTTN": bytes}[compression](body)
    (tmp_path / "a.sav").write_bytes(compression.encode() + b"\x01\x2e\x00\x00" + packed)
    assert map_size(tmp_path / "a.sav") == (512, 128)


@pytest.mark.parametrize(
    "data", [b"", b"OTTZ", b"OTTZ\x01\x2e\0\0garbage", b"OTTN\x01\x2e\0\0MAPS\x03", b"OTTD\x01\x2e\0\0", bytes(100)]
)
def test_what_is_no_savegame_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.sav").write_bytes(data)
    with pytest.raises(InvalidInput, match=r"a\.sav"):
        map_size(tmp_path / "a.sav")


def test_a_tile_is_found_again_from_its_middle() -> None:
    for x in range(1, 40, 7):
        for y in range(1, 40, 3):
            tile = Tile(x=x, y=y)
            assert Tile.nearest(tile.centre) == tile


def test_between_tiles_the_nearest_lattice_point_is_taken() -> None:
    tile = Tile.nearest(Position(x_px=40.0, y_px=40.0))
    assert abs(tile.centre.x_px - 40) <= 32
    assert abs(tile.centre.y_px - 40) <= 16
