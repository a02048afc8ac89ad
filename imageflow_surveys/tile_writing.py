"""Write tile objects after their rows: a tile refers to its object first, so that no sweep takes it away."""

from collections.abc import Mapping

from imageflow_clients.database.maps import tile_objects
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_mosaic.encoding import LOSSLESS_LEVELS, encode_top
from imageflow_mosaic.pyramid import CutTile


def write_missing(
    stores: Stores, cut: Mapping[str, CutTile], known: Mapping[str, int], *, look_at_all: bool = False
) -> tuple[dict[str, int], int]:
    """Write the objects that are not in the store, and note them as stored.

    Args:
        cut: Tiles by digest, of which rows are committed.
        known: Bytes of those that are known to be in the store.
        look_at_all: Believe nothing: write those again, too, that are not there or have another size.

    Returns:
        The bytes of every object, and how many had to be encoded.
    """
    sizes = dict(known)
    encoded = 0
    for digest, tile in cut.items():
        if digest in known and not look_at_all:
            continue
        is_lossy = tile.level_above_native >= LOSSLESS_LEVELS
        there = stores.objects.head(keys.tile(digest))
        if there is not None and there.size != known.get(digest, there.size):
            there = None
        if is_lossy and (there is None or not stores.objects.exists(keys.lossless(digest))):
            stores.objects.put(keys.lossless(digest), encode_top(tile.pixels))
        if there is None:
            data = tile.encode()
            stores.objects.put(keys.tile(digest), data)
            encoded += 1
        sizes[digest] = len(data) if there is None else there.size
    with stores.database.begin() as connection:
        tile_objects.note_stored(connection, sizes)
    return sizes, encoded
