"""Take a block's screenshots, one object and one row each, at once."""

import hashlib
from dataclasses import dataclass

from imageflow_clients.database import layers, screenshots
from imageflow_clients.database import surveys as rows
from imageflow_clients.database.screenshots import StoredShot
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.grid import Block
from imageflow_domain.survey import Layer, Survey
from imageflow_mosaic.codec import encode_screenshot
from imageflow_surveys.camera import Camera


@dataclass(frozen=True, kw_only=True)
class Captured:
    """What came of one block."""

    shots: int
    kept: int
    """Of them, those that an attempt before this one had stored already."""
    size_bytes: int


def capture_block(stores: Stores, survey: Survey, block: Block, camera: Camera) -> Captured:
    """Store every screenshot of a block; a block that was broken off goes on where it stopped.

    Raises:
        CaptureError: Where the game cannot be driven.
        StoreUnavailable: Where a screenshot cannot be stored; none is then half written.
    """
    cells = set(survey.grid.cells_of(block, survey.block_side))
    own_rows = block.rows(survey.block_side)
    with stores.database.begin() as connection:
        planned = [area for area in rows.areas(connection, survey.id, within=own_rows) if area.cell in cells]
        stored = screenshots.stored(connection, survey.id, within=own_rows)
    total_bytes = 0
    for area in planned:
        if area.cell in stored:
            total_bytes += stored[area.cell].bytes
            continue
        data = encode_screenshot(camera.grab(area))
        key = keys.screenshot(survey.id, area.cell)
        stores.objects.put(key, data)
        shot = StoredShot(object_key=key, bytes=len(data), digest=hashlib.blake2b(data, digest_size=20).hexdigest())
        with stores.database.begin() as connection:
            screenshots.record(connection, survey.id, area.cell, shot)
        total_bytes += len(data)
    with stores.database.begin() as connection:
        layers.mark_block(connection, survey.id, Layer.SCREENSHOTS, block)
    return Captured(shots=len(planned), kept=sum(a.cell in stored for a in planned), size_bytes=total_bytes)
