"""Reading a survey's pictures back from the store: what is missing or damaged is named, with its key and what to do.

Errors of every function: `ObjectMissing`, `ObjectDamaged`, `StoreUnavailable`.
"""

import hashlib

from imageflow_clients.database.maps.screenshots import StoredShot
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import ObjectDamaged, UnusableImage
from imageflow_domain.grid import Cell, block_of
from imageflow_domain.survey import Survey
from imageflow_domain.tiles import TILE_PX, TileId
from imageflow_mosaic.codec import Pixels, decode_picture, decode_tile

DIGEST_BYTES = 20
"""Of a screenshot's digest."""


def digest_of(data: bytes) -> str:
    """Return the digest by which a screenshot's row knows its encoded picture."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


def take_again(survey: Survey, cell: Cell) -> str:
    """Say how to take the screenshot of an area again, with its block only; the run config can be pasted."""
    block = block_of(cell, survey.block_side).key
    config = f"{{ops: {{screenshots: {{config: {{blocks: [{block}]}}}}}}}}"
    return f"materialise screenshots of '{survey.id}' again, limited to block {block} by the run config {config}"


def read_encoded_screenshot(stores: Stores, survey: Survey, cell: Cell, shot: StoredShot) -> bytes:
    """Return a screenshot as it was stored, and no other bytes."""
    what = f"the screenshot of area {cell} of '{survey.id}'"
    again = take_again(survey, cell)
    data = stores.objects.get(shot.object_key, next_step=again, what=what)
    if digest_of(data) != shot.digest:
        raise ObjectDamaged(shot.object_key, next_step=again, what=what)
    return data


def read_screenshot(stores: Stores, survey: Survey, cell: Cell, shot: StoredShot) -> Pixels:
    """Return a screenshot: RGB, (height, width, 3)."""
    return decode_picture(read_encoded_screenshot(stores, survey, cell, shot))


def read_encoded_tile(stores: Stores, survey: str, tile: TileId, digest: str) -> bytes:
    """Return a tile as WebP; damage is not noticed."""
    return stores.objects.get(keys.tile(digest), next_step=_cut_again(survey), what=_named(survey, tile))


def read_tile(stores: Stores, survey: str, tile: TileId, digest: str, *, again: str | None = None) -> Pixels:
    """Return a tile: RGBA, (512, 512, 4).

    Args:
        stores: Have it.
        survey: Which one shows it.
        tile: Its place.
        digest: Names its object.
        again: What makes it again; by default, that the survey's tiles are.
    """
    key, what, step = keys.tile(digest), _named(survey, tile), again or _cut_again(survey)
    data = stores.objects.get(key, next_step=step, what=what)
    # What is cut again is written only where there is no object, or one of another size.
    damaged = ObjectDamaged(key, next_step=f"delete it, then {step}", what=what)
    try:
        rgba = decode_tile(data)
    except UnusableImage as error:
        raise damaged from error
    if rgba.shape[:2] != (TILE_PX, TILE_PX):
        raise damaged
    return rgba


def _cut_again(survey: str) -> str:
    return f"materialise tiles of '{survey}' again"


def _named(survey: str, tile: TileId) -> str:
    return f"tile {tile.z}/{tile.x}/{tile.y} of '{survey}'"
