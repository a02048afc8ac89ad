"""Which runs, of which version of the code, made what a place of the map shows."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from imageflow_clients.dagster import Dagster, Materialization
from imageflow_clients.database import Connection
from imageflow_clients.database.maps import attempts, layers
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import DagsterUnavailable
from imageflow_domain.grid import Block, block_of
from imageflow_domain.survey import BLOCK_LAYERS, Layer, Survey
from imageflow_surveys.lineage import Lineage, find_lineage, with_sealed_digests
from imageflow_surveys.squares import command_of

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Made:
    """One layer of what a place shows, and the run that made it."""

    survey: str
    layer: Layer
    block: Block | None
    """`None` for a layer that has no blocks."""
    at: datetime
    run_id: str | None
    """`None` where no row names it, as of blocks that an older version made."""
    code_version: str | None = None
    """Of the layer's asset, as Dagster noted it with the survey's newest materialisation."""


@dataclass(frozen=True, kw_only=True)
class PlaceOrigin:
    """What made a place."""

    made: tuple[Made, ...]
    """In the order of the layers."""
    versions_known: bool
    """Whether Dagster returned code versions."""


@dataclass(frozen=True, kw_only=True)
class TracedPlace:
    """A place of a survey's map, with what it was made from and by which runs."""

    survey: Survey
    lineage: Lineage
    origin: PlaceOrigin


def trace_place(stores: Stores, dagster: Dagster, survey_id: str, x_px: int, y_px: int) -> TracedPlace:
    """Return what a place was made from, and the runs that made its screenshots, offsets, coordinates and tile.

    The tile may be an earlier survey's, where nothing has changed since; its run is named then.

    Args:
        x_px: In pixels of the survey's frame.
        y_px: The same.

    Raises:
        NotFound: No such survey.
        NotReady: Before the survey has a map.
        InvalidInput: Where the place lies outside the map.
        ObjectDamaged: Where the sealed record of its screenshots cannot be read.
    """
    with stores.database.begin() as connection:
        survey = rows.get(connection, survey_id)
        lineage = find_lineage(connection, survey, x_px, y_px)
        made = _Rows(connection, survey)
        cutter = _cutter(connection, survey, lineage, made)
    lineage = with_sealed_digests(stores, survey, lineage)
    seen = sorted({block_of(shot.placement.cell, survey.block_side) for shot in lineage.shots})
    parts: list[Made] = []
    for layer in Layer:
        if layer is Layer.TILES:
            parts += cutter
        elif layer in BLOCK_LAYERS:
            parts += [part for block in seen for part in made.part(layer, block)]
        else:
            parts += made.part(layer, None)
    events = _events(dagster, parts)
    completed = tuple(_with_event(part, events or {}) for part in parts)
    return TracedPlace(
        survey=survey, lineage=lineage, origin=PlaceOrigin(made=completed, versions_known=events is not None)
    )


class _Rows:
    """What rows say of a survey's layers: since when they are done, and which run began them last."""

    def __init__(self, connection: Connection, survey: Survey) -> None:
        self._survey = survey.id
        self._marks = {mark.block: mark.done_at for mark in layers.block_marks(connection, survey.id)}
        self._whole = layers.survey_marks(connection, survey.id)
        self._attempts = attempts.of_survey(connection, survey.id)
        self.blocks = tuple(self._marks)

    def part(self, layer: Layer, block: Block | None) -> list[Made]:
        """Return a layer that is done; nothing where it is not."""
        at = (self._whole if block is None else self._marks[block]).get(layer)
        if at is None:
            return []
        attempt = self._attempts.get((layer, block))
        run_id = None if attempt is None else attempt.run_id
        return [Made(survey=self._survey, layer=layer, block=block, at=at, run_id=run_id)]


def _cutter(connection: Connection, survey: Survey, lineage: Lineage, made: _Rows) -> list[Made]:
    """Return which block of which survey cut the tile of a place."""
    if lineage.made_in is None:
        return []
    maker = survey
    if lineage.made_in != survey.id:
        maker = rows.get(connection, lineage.made_in)
        made = _Rows(connection, maker)
    tile = lineage.tile.rect(maker.placed().frame.native_zoom)
    command = command_of(maker, rows.areas(connection, maker.id))
    for block in made.blocks:
        if any(square.intersection(tile) == tile for square in command.squares(block)):
            return made.part(Layer.TILES, block)
    return []


def _events(dagster: Dagster, parts: Sequence[Made]) -> Mapping[tuple[str, str], Materialization] | None:
    """Return the newest materialisation of each layer and survey; `None` where Dagster does not answer."""
    try:
        return dagster.materializations(sorted({(part.layer.value, part.survey) for part in parts}))
    except DagsterUnavailable as error:
        _LOG.info("code versions are not known: %s", error)
        return None


def _with_event(part: Made, events: Mapping[tuple[str, str], Materialization]) -> Made:
    """Add run and code version from Dagster's newest materialisation."""
    event = events.get((part.layer.value, part.survey))
    if event is None:
        return part
    # no row names the runs of older versions; of a layer that has blocks, Dagster's newest run made the last ones only
    run_id = part.run_id or (event.run_id if part.block is None else None)
    return replace(part, run_id=run_id, code_version=event.code_version)
