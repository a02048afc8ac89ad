"""Decide what a run does of one layer: the blocks that are missing, or all of them again."""

from collections.abc import Sequence

from imageflow_clients.database import Connection
from imageflow_clients.database.maps import layers, leases
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput
from imageflow_domain.grid import Block
from imageflow_domain.grid_text import parse_block
from imageflow_domain.survey import Layer, Survey
from imageflow_surveys.lease import HeldSurvey
from imageflow_surveys.reopen import reopen
from imageflow_surveys.shares import Share, shares_of


def plan_layer(
    stores: Stores, held: HeldSurvey, layer: Layer, named: Sequence[str], *, slots: int
) -> tuple[Share, ...]:
    """Return the shares of a layer that a run is to do, its rows reopened where they are made again.

    Blocks that are named are made again in any case, others where none is missing. Rows are reopened once for a run and
    its repetitions: a repetition goes on with what is missing by then.

    Args:
        named: Keys of the blocks that the run is limited to; empty for all.
        slots: Of the layer's pool.

    Raises:
        InvalidInput: Where a named block is not one of the survey's.
        NotReady: Where screenshots are to be taken again that a cleanup is deleting.
    """
    survey, lease = held.survey, held.lease
    wanted = _blocks(survey, named)
    with stores.database.begin() as connection:
        rows.get(connection, survey.id, lock=True)  # a cleanup comes before this, or after
        missing = wanted & _missing(connection, survey, layer)
        if (lease.again or named) and layer not in lease.reopened:
            if named or not missing:
                reopen(connection, survey, layer, wanted - missing)
                missing = wanted
            # also where nothing was whole: what this run makes now, its repetitions do not make again
            leases.note_reopened(connection, lease, layer)
    return shares_of(survey, layer, missing, slots=slots)


def left_of(stores: Stores, survey: Survey, layer: Layer) -> tuple[Block, ...]:
    """Return the blocks of which a layer is missing."""
    with stores.database.begin() as connection:
        return tuple(sorted(_missing(connection, survey, layer)))


def _missing(connection: Connection, survey: Survey, layer: Layer) -> frozenset[Block]:
    progress = layers.progress(connection, survey.id)
    return progress.blocks - progress.done_blocks[layer]


def _blocks(survey: Survey, named: Sequence[str]) -> frozenset[Block]:
    every = frozenset(survey.blocks())
    wanted = frozenset(parse_block(key) for key in named)
    if unknown := sorted(wanted - every):
        last = max(every)
        raise InvalidInput(
            f"'{survey.id}' has no block {', '.join(block.key for block in unknown)}: its blocks are r00c00 to "
            f"{last.key}."
        )
    return wanted or every
