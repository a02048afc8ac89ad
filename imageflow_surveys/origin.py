"""Which runs, of which version of the code, made what a place of the map shows."""

import logging
from dataclasses import dataclass
from datetime import datetime

from imageflow_clients.dagster import Dagster
from imageflow_clients.database import layers
from imageflow_clients.database import surveys as rows
from imageflow_clients.database.layers import BlockMarks
from imageflow_clients.stores import Stores
from imageflow_domain.errors import DagsterUnavailable
from imageflow_domain.grid import Block, block_of
from imageflow_domain.survey import BLOCK_LAYERS, Layer, Survey
from imageflow_surveys.lineage import Lineage
from imageflow_surveys.runs import partition_key
from imageflow_surveys.squares import command_of

_LOG = logging.getLogger(__name__)

Part = tuple[str, Layer, Block | None, datetime]
"""A survey, its layer, the block where the layer goes by blocks, and since when that is done."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """One layer of what a place shows, and the run that made it."""

    survey: str
    layer: Layer
    block: Block | None
    """`None` for a layer that goes by the survey."""
    at: datetime
    run_id: str | None
    code_version: str | None
    """Of the asset, as Dagster noted it with the materialisation."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What made a place."""

    made: tuple[Made, ...]
    """In the order of the layers."""
    runs_known: bool


def origin_of(stores: Stores, dagster: Dagster, survey: Survey, lineage: Lineage) -> Origin:
    """Return who made the screenshots, offsets, coordinates and tiles that a place shows.

    The tile may be an earlier survey's, where nothing has changed since; its run is told then.
    """
    seen = sorted({block_of(shot.placement.cell, survey.block_side) for shot in lineage.shots})
    with stores.database.begin() as connection:
        marks = {mark.block: mark for mark in layers.block_marks(connection, survey.id)}
        whole = layers.survey_marks(connection, survey.id)
    parts: list[Part] = []
    for layer in Layer:
        if layer is Layer.TILES:
            parts += _cut(stores, survey, marks, lineage)
        elif layer in BLOCK_LAYERS:
            parts += [(survey.id, layer, b, marks[b].done_at[layer]) for b in seen if layer in marks[b].done_at]
        elif layer in whole:
            parts.append((survey.id, layer, None, whole[layer]))
    partitions = [
        (layer.value, name if block is None else partition_key(name, block)) for name, layer, block, _ in parts
    ]
    try:
        told = dagster.materializations(partitions)
    except DagsterUnavailable as error:
        _LOG.info("what made a place of %s is not known: %s", survey.id, error)
        told = None
    made = []
    for (name, layer, block, at), partition in zip(parts, partitions, strict=True):
        event = told.get(partition) if told else None
        made.append(
            Made(
                survey=name,
                layer=layer,
                block=block,
                at=at,
                run_id=event.run_id if event else None,
                code_version=event.code_version if event else None,
            )
        )
    return Origin(made=tuple(made), runs_known=told is not None)


def _cut(stores: Stores, survey: Survey, marks: dict[Block, BlockMarks], lineage: Lineage) -> list[Part]:
    """Return which block of which survey cut the tile of a place."""
    if lineage.made_in is None:
        return []
    with stores.database.begin() as connection:
        maker_ = survey if lineage.made_in == survey.id else rows.get(connection, lineage.made_in)
        if maker_ is not survey:
            marks = {mark.block: mark for mark in layers.block_marks(connection, maker_.id)}
        areas = rows.areas(connection, maker_.id)
    tile = lineage.tile.rect(maker_.placed().frame.native_zoom)
    command = command_of(maker_, areas)
    for block, mark in marks.items():
        if Layer.TILES in mark.done_at and any(s.intersection(tile) == tile for s in command.squares(block)):
            return [(maker_.id, Layer.TILES, block, mark.done_at[Layer.TILES])]
    return []
