"""Take a block's screenshots, one object and one row each, at once; and note the areas that have none."""

import hashlib
from dataclasses import dataclass

from imageflow_clients.database.maps import layers, screenshots, sightings
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.database.maps.screenshots import StoredShot
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.capture import AreaState, Grabbed, Sighting
from imageflow_domain.grid import Block, Cell
from imageflow_domain.ports import Area
from imageflow_domain.survey import Layer, Survey
from imageflow_mosaic.codec import encode_screenshot
from imageflow_surveys.camera import Camera


@dataclass(frozen=True, kw_only=True)
class Captured:
    """The result of one block."""

    shots: int
    kept: int
    """Of them, those that an attempt before this one had stored already."""
    size_bytes: int
    outside: int = 0
    """Areas that lie outside the world, and have no screenshot."""
    holes: int = 0
    """Areas in the world of which nothing usable was shown."""
    unsettled: int = 0
    """Of the shots, those whose image still changed when it was taken."""


def capture_block(
    stores: Stores, survey: Survey, block: Block, camera: Camera, *, run_id: str | None = None
) -> Captured:
    """Store every screenshot of a block; a block that was broken off goes on where it stopped.

    Areas whose image did not settle, and holes, are visited again at the end: by then more is known of the edges
    of the world.

    Raises:
        CaptureError: Where the game cannot be driven.
        StoreUnavailable: Where a screenshot cannot be stored; none is then half written.
    """
    visit = _Visit(stores, survey, camera, run_id)
    cells = set(survey.grid.cells_of(block, survey.block_side))
    own_rows = block.rows(survey.block_side)
    with stores.database.begin() as connection:
        planned = [area for area in rows.areas(connection, survey.id, within=own_rows) if area.cell in cells]
        stored = screenshots.stored(connection, survey.id, within=own_rows)
        known = sightings.of_survey(connection, survey.id, within=own_rows)
    by_cell = {area.cell: area for area in planned}
    missing = [c for c in by_cell if c not in stored and not (c in known and known[c].state is not AreaState.TAKEN)]
    for cell in camera.order(missing):
        known = {**known, cell: visit.take(by_cell[cell])}
    for cell in camera.order([c for c in by_cell if c in known and _is_open(known[c])]):
        known = {**known, cell: visit.retake(by_cell[cell], known[cell])}
    with stores.database.begin() as connection:
        sizes = {c: s.bytes for c, s in screenshots.stored(connection, survey.id, within=own_rows).items()}
        layers.mark_block(connection, survey.id, Layer.SCREENSHOTS, block)
    seen = [known[cell] for cell in by_cell if cell in known]
    return Captured(
        shots=sum(cell in sizes for cell in by_cell),
        kept=sum(cell in stored for cell in by_cell),
        size_bytes=sum(sizes.get(cell, 0) for cell in by_cell),
        outside=sum(one.state is AreaState.OUTSIDE for one in seen),
        holes=sum(one.state is AreaState.HOLE for one in seen),
        unsettled=sum(not one.is_settled for one in seen),
    )


def _is_open(seen: Sighting) -> bool:
    """Whether a second visit may bring more."""
    return not seen.is_settled or seen.state is AreaState.HOLE


class _Visit:
    """What is stored of the areas that a camera visits."""

    def __init__(self, stores: Stores, survey: Survey, camera: Camera, run_id: str | None) -> None:
        self._stores = stores
        self._survey = survey
        self._camera = camera
        self._run_id = run_id

    def take(self, area: Area) -> Sighting:
        """Store what an area shows."""
        return self._store(area.cell, self._camera.grab(area))

    def retake(self, area: Area, before: Sighting) -> Sighting:
        """Store what an area shows now, where its image has settled at last; else keep what there is.

        A screenshot that was taken stays where the second visit has none.
        """
        grabbed = self._camera.grab(area)
        is_better = grabbed.is_settled and (grabbed.frame is not None or before.state is not AreaState.TAKEN)
        return self._store(area.cell, grabbed) if is_better else before

    def _store(self, cell: Cell, grabbed: Grabbed) -> Sighting:
        survey = self._survey
        shot = None if grabbed.frame is None else self._put(cell, encode_screenshot(grabbed.picture))
        session = self._camera.session(self._begin_session)
        sighting = Sighting(
            cell=cell,
            state=grabbed.state,
            position=grabbed.position,
            uncertainty=grabbed.uncertainty,
            session=session,
            is_settled=grabbed.is_settled,
        )
        with self._stores.database.begin() as connection:
            if shot is not None:
                screenshots.record(connection, survey.id, cell, shot)
            sightings.record(connection, survey.id, sighting)
            if grabbed.session_offset is not None:
                sightings.tie_session(connection, survey.id, session, grabbed.session_offset)
            if grabbed.turn is not None:
                sightings.note_turn(connection, survey.id, grabbed.turn)
        return sighting

    def _put(self, cell: Cell, data: bytes) -> StoredShot:
        key = keys.screenshot(self._survey.id, cell)
        self._stores.objects.put(key, data)
        return StoredShot(object_key=key, bytes=len(data), digest=hashlib.blake2b(data, digest_size=20).hexdigest())

    def _begin_session(self) -> int:
        with self._stores.database.begin() as connection:
            return sightings.begin_session(connection, self._survey.id, self._run_id).number
