"""How a survey stands, stage by stage and block by block, by its rows alone: Dagster is not asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from imageflow_clients.database import Connection
from imageflow_clients.database.core import heartbeats
from imageflow_clients.database.maps import attempts, leases
from imageflow_clients.database.maps import layers as rows
from imageflow_clients.database.maps import surveys as survey_rows
from imageflow_clients.database.maps.attempts import Attempt
from imageflow_clients.database.maps.layers import BlockMarks
from imageflow_clients.stores import Stores
from imageflow_domain.grid import Block
from imageflow_domain.survey import BLOCK_LAYERS, Layer, Survey, SurveyState
from imageflow_surveys.states import SILENCE_S


class Stand(StrEnum):
    """How a layer of a block or of a survey stands; what is `missing` or `failed`, the survey's next run makes."""

    MISSING = "missing"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class LayerStanding:
    """How one layer stands, of one block or of the whole survey."""

    state: Stand
    at: datetime | None
    """Since when it is done."""
    reason: str | None
    """Why it failed, in words for people."""
    run_id: str | None
    """Of the run that made it, is making it, or failed at it; `None` where none is known."""


@dataclass(frozen=True, kw_only=True)
class BlockStanding:
    """How one block stands."""

    block: Block
    layers: Mapping[Layer, LayerStanding]
    """Of `BLOCK_LAYERS`."""
    tiles_cut: int


@dataclass(frozen=True, kw_only=True)
class StageStanding:
    """How one layer stands as a whole."""

    layer: Layer
    state: Stand
    done: int
    total: int
    reason: str | None
    run_id: str | None
    """Of the run that is making it, or failed at it; `None` where neither is so."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a survey stands."""

    survey: Survey
    stages: tuple[StageStanding, ...]
    blocks: tuple[BlockStanding, ...]

    @property
    def tasks_done(self) -> int:
        """Of `tasks`, those that are done."""
        return sum(stage.done for stage in self.stages)

    @property
    def tasks(self) -> int:
        """One for each block of a layer that has blocks, and one for each other layer."""
        return sum(stage.total for stage in self.stages)

    @property
    def tiles_cut(self) -> int:
        """Tiles of all blocks, without those of the overviews."""
        return sum(block.tiles_cut for block in self.blocks)


def standing_of(stores: Stores, survey_id: str) -> Standing:
    """Return how a survey stands; raise `NotFound`."""
    with stores.database.begin() as connection:
        survey = survey_rows.get(connection, survey_id)
        return progress_of(
            survey,
            rows.block_marks(connection, survey_id),
            rows.survey_marks(connection, survey_id),
            attempts.of_survey(connection, survey_id),
            at_work(connection, survey),
        )


def at_work(connection: Connection, survey: Survey) -> str | None:
    """Return the id of the run that is working on a survey now; `None` where none is, or its worker is silent."""
    lease = leases.find(connection, survey.id) if survey.state is SurveyState.RUNNING else None
    if lease is None:
        return None
    silent_s = heartbeats.silent_for_s(connection, lease.run_id)
    return lease.run_id if silent_s is not None and silent_s < SILENCE_S else None


def progress_of(
    survey: Survey,
    marks: Sequence[BlockMarks],
    whole: Mapping[Layer, datetime],
    tried: Mapping[tuple[Layer, Block | None], Attempt],
    at_work: str | None,
) -> Standing:
    """Put together what rows say; pure.

    Args:
        whole: Since when the layers are done that have no blocks.
        tried: The newest attempt at everything that was begun; surveys of older versions have none.
        at_work: The run that is working on the survey now.
    """

    def one(layer: Layer, block: Block | None, at: datetime | None) -> LayerStanding:
        attempt = tried.get((layer, block))
        if at is not None:
            run_id = None if attempt is None else attempt.run_id
            return LayerStanding(state=Stand.DONE, at=at, reason=None, run_id=run_id)
        begun = None if attempt is None else _begun(survey, attempt, at_work)
        return begun or LayerStanding(state=Stand.MISSING, at=None, reason=None, run_id=None)

    blocks = tuple(
        BlockStanding(
            block=mark.block,
            layers={layer: one(layer, mark.block, mark.done_at.get(layer)) for layer in BLOCK_LAYERS},
            tiles_cut=mark.tiles_cut,
        )
        for mark in marks
    )
    stages = tuple(
        _stage(
            layer, [b.layers[layer] for b in blocks] if layer in BLOCK_LAYERS else [one(layer, None, whole.get(layer))]
        )
        for layer in Layer
    )
    return Standing(survey=survey, stages=stages, blocks=blocks)


def _begun(survey: Survey, attempt: Attempt, at_work: str | None) -> LayerStanding | None:
    """Return how something stands that was begun and is not whole; `None` where it is to be begun again."""
    if at_work is not None and at_work != attempt.run_id:
        return None  # what an earlier run left undone, the one at work makes
    if attempt.reason is not None:
        return LayerStanding(state=Stand.FAILED, at=None, reason=attempt.reason, run_id=attempt.run_id)
    if at_work is not None:
        return LayerStanding(state=Stand.RUNNING, at=None, reason=None, run_id=at_work)
    if survey.state is SurveyState.FAILED:
        # a worker that was killed noted no reason
        return LayerStanding(state=Stand.FAILED, at=None, reason=survey.reason, run_id=attempt.run_id)
    return None


def _stage(layer: Layer, parts: Sequence[LayerStanding]) -> StageStanding:
    shown = next(
        (part for state in (Stand.RUNNING, Stand.FAILED, Stand.MISSING) for part in parts if part.state is state), None
    )
    return StageStanding(
        layer=layer,
        state=shown.state if shown else Stand.DONE,
        done=sum(part.state is Stand.DONE for part in parts),
        total=len(parts),
        reason=next((part.reason for part in parts if part.reason is not None), None),
        run_id=shown.run_id if shown else None,
    )
