"""What a survey must know of a savegame before the game runs: that it is one, and how large its map is."""

import lzma
import zlib
from pathlib import Path

from imageflow_domain.errors import InvalidInput

_HEADER_BYTES = 8
"""Four letters for the compression, four bytes for the version."""

_READ_BYTES = 1 << 16
"""The map's size stands in one of the first chunks."""

_RIFF, _TABLE = 0, 3
_LARGEST_SIDE = 4096


def map_size(path: Path) -> tuple[int, int]:
    """Return a savegame's map width and height in tiles; raise `InvalidInput` where the file does not hold them."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
            body = _unpack(head[:4], file.read(_READ_BYTES))
    except OSError as error:
        raise InvalidInput(f"The savegame '{path}' cannot be read: {error.strerror}.") from error
    except (zlib.error, lzma.LZMAError) as error:
        raise InvalidInput(f"The savegame '{path}' is damaged: save the game again.") from error
    size = _map_chunk(body)
    if size is None:
        raise InvalidInput(f"'{path}' is not a savegame of OpenTTD, or its map's size cannot be read: save it again.")
    return size


def _unpack(compression: bytes, data: bytes) -> bytes:
    if compression == b"OTTZ":
        return zlib.decompressobj().decompress(data, _READ_BYTES)
    if compression == b"OTTX":
        return lzma.LZMADecompressor().decompress(data, _READ_BYTES)
    return data if compression == b"OTTN" else b""


def _map_chunk(body: bytes) -> tuple[int, int] | None:
    at = body.find(b"MAPS") + 4
    if at < 4 or len(body) < at + 12:
        return None
    if body[at] & 0x0F == _TABLE:
        # A list of fields, ended by a zero, then one record: its length, width, height.
        names = body.find(b"\x05dim_y\x00", at)
        record = names + 8
        if names < 0 or len(body) < record + 8:
            return None
    elif body[at] & 0x0F == _RIFF:
        record = at + 4
    else:
        return None
    width = int.from_bytes(body[record : record + 4], "big")
    height = int.from_bytes(body[record + 4 : record + 8], "big")
    return (width, height) if 0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE else None
