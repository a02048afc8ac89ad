"""Progress of a survey, by stage and by block, from its rows alone: Dagster is not asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from imageflow_clients.database import Connection
from imageflow_clients.database.core import heartbeats
from imageflow_clients.database.maps import attempts, leases
from imageflow_clients.database.maps import layers as rows
from imageflow_clients.database.maps import surveys as survey_rows
from imageflow_clients.database.maps.attempts import LayerAttempt
from imageflow_clients.database.maps.layers import BlockMarks
from imageflow_clients.stores import Stores
from imageflow_domain.grid import Block
from imageflow_domain.survey import BLOCK_LAYERS, Layer, Survey, SurveyState
from imageflow_surveys.states import SILENCE_S


class LayerState(StrEnum):
    """State of a layer, of a block or of a survey; the survey's next run makes what is `missing` or `failed`."""

    MISSING = "missing"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class LayerProgress:
    """Progress of one layer, of one block or of the whole survey."""

    state: LayerState
    at: datetime | None
    """Since when it is done."""
    reason: str | None
    """Why it failed, in words for people."""
    run_id: str | None
    """Of the run that made it, is making it, or failed at it; `None` where none is known."""


@dataclass(frozen=True, kw_only=True)
class BlockProgress:
    """Progress of one block."""

    block: Block
    layers: Mapping[Layer, LayerProgress]
    """Of `BLOCK_LAYERS`."""
    tiles_cut: int


@dataclass(frozen=True, kw_only=True)
class StageProgress:
    """Progress of one layer over all blocks."""

    layer: Layer
    state: LayerState
    done: int
    total: int
    reason: str | None
    run_id: str | None
    """Of the run that is making it, or failed at it; `None` where neither is so."""


@dataclass(frozen=True, kw_only=True)
class SurveyProgress:
    """Progress of a survey."""

    survey: Survey
    stages: tuple[StageProgress, ...]
    blocks: tuple[BlockProgress, ...]

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


def read_progress(stores: Stores, survey_id: str) -> SurveyProgress:
    """Return the progress of a survey; raise `NotFound`."""
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
    tried: Mapping[tuple[Layer, Block | None], LayerAttempt],
    at_work: str | None,
) -> SurveyProgress:
    """Return the progress that rows state; pure.

    Args:
        whole: Since when the layers are done that have no blocks.
        tried: The newest attempt at everything that was begun; surveys of older versions have none.
        at_work: The run that is working on the survey now.
    """

    def one(layer: Layer, block: Block | None, at: datetime | None) -> LayerProgress:
        attempt = tried.get((layer, block))
        if at is not None:
            run_id = None if attempt is None else attempt.run_id
            return LayerProgress(state=LayerState.DONE, at=at, reason=None, run_id=run_id)
        begun = None if attempt is None else _begun(survey, attempt, at_work)
        return begun or LayerProgress(state=LayerState.MISSING, at=None, reason=None, run_id=None)

    blocks = tuple(
        BlockProgress(
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
    return SurveyProgress(survey=survey, stages=stages, blocks=blocks)


def _begun(survey: Survey, attempt: LayerAttempt, at_work: str | None) -> LayerProgress | None:
    """Return the progress of something that was begun and is not whole; `None` where it is to be begun again."""
    if at_work is not None and at_work != attempt.run_id:
        return None  # what an earlier run left undone, the one at work makes
    if attempt.reason is not None:
        return LayerProgress(state=LayerState.FAILED, at=None, reason=attempt.reason, run_id=attempt.run_id)
    if at_work is not None:
        return LayerProgress(state=LayerState.RUNNING, at=None, reason=None, run_id=at_work)
    if survey.state is SurveyState.FAILED:
        # a worker that was killed noted no reason
        return LayerProgress(state=LayerState.FAILED, at=None, reason=survey.reason, run_id=attempt.run_id)
    return None


def _stage(layer: Layer, parts: Sequence[LayerProgress]) -> StageProgress:
    shown = next(
        (
            part
            for state in (LayerState.RUNNING, LayerState.FAILED, LayerState.MISSING)
            for part in parts
            if part.state is state
        ),
        None,
    )
    return StageProgress(
        layer=layer,
        state=shown.state if shown else LayerState.DONE,
        done=sum(part.state is LayerState.DONE for part in parts),
        total=len(parts),
        reason=next((part.reason for part in parts if part.reason is not None), None),
        run_id=shown.run_id if shown else None,
    )
