"""The lease: at most one run works on a survey at a time, and what it sets out to do is decided once."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from imageflow_clients.database.maps import layers, leases
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.database.maps.leases import Lease
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Conflict
from imageflow_domain.survey import BLOCK_LAYERS, Carrier, Layer, Progress, Survey, SurveyState


class RunRefused(Conflict):
    """A run may not work on its survey: another one does, or the survey was cancelled before the run began."""


@dataclass(frozen=True, kw_only=True)
class LeasingRun:
    """A run of Dagster that is about to work on a survey."""

    id: str
    root_id: str
    """The first run of a chain of retries and re-executions; its own id where it is no repetition."""
    layers: Collection[Layer]
    """What it was asked to make."""
    only_missing: bool
    """Whether it leaves alone what is whole even where all of its layers are."""
    created_at: Callable[[], datetime]
    has_ended: Callable[[str], bool]
    """Whether another run has ended, by its id; so has one that Dagster does not know."""


@dataclass(frozen=True, kw_only=True)
class HeldSurvey:
    """A survey, and the lease by which a run works on it."""

    survey: Survey
    lease: Lease
    whole: frozenset[Layer]
    """Layers of which nothing is missing."""
    is_new: bool
    """Whether the run took the lease with this very call."""

    def keeps(self, layer: Layer) -> bool:
        """Whether the run leaves a layer alone: it is whole, and not made again."""
        return layer in self.whole and not self.lease.again


def hold(stores: Stores, survey_id: str, run: LeasingRun) -> HeldSurvey:
    """Take the survey's lease for a run, or confirm that the run has it; the survey is running from then on.

    A run that a person began makes the survey theirs: the sensor then requests no more runs for it.

    Raises:
        NotFound: There is no such survey.
        RunRefused: Another run is at work on it, or it was cancelled after the run was created.
    """
    with stores.database.begin() as connection:
        before = leases.find(connection, survey_id)
        survey = rows.get(connection, survey_id)
        progress = layers.progress(connection, survey_id)
    if before is not None and before.run_id == run.id and survey.state is SurveyState.RUNNING:
        return HeldSurvey(survey=survey, lease=before, whole=_whole(progress), is_new=False)
    if before is not None and before.run_id != run.id and not run.has_ended(before.run_id):
        raise _taken(survey_id, before.run_id)
    created_at = run.created_at()
    with stores.database.begin() as connection:
        survey = rows.get(connection, survey_id, lock=True)
        now = leases.find(connection, survey_id)
        if now is not None and now != before and now.run_id != run.id:
            raise _taken(survey_id, now.run_id)
        if survey.state is SurveyState.CANCELLED and survey.finished_at and created_at <= survey.finished_at:
            raise RunRefused(f"'{survey_id}' was cancelled: materialise it again to go on with it.")
        progress = layers.progress(connection, survey_id)
        lease = _lease(survey_id, run, now, progress, layers.shots(connection, survey_id).visited)
        leases.take(connection, lease)
        if not run.only_missing and survey.carrier is Carrier.SENSOR:
            rows.set_carrier(connection, survey_id, Carrier.OPERATOR)
        rows.set_state(connection, survey_id, SurveyState.RUNNING)
        return HeldSurvey(survey=rows.get(connection, survey_id), lease=lease, whole=_whole(progress), is_new=True)


def makes_again(progress: Progress, run: LeasingRun) -> bool:
    """Whether a run makes its layers anew: a person asked for layers of which nothing is missing. Pure."""
    return not run.only_missing and _whole(progress).issuperset(run.layers)


def _whole(progress: Progress) -> frozenset[Layer]:
    blocks = {layer for layer in BLOCK_LAYERS if progress.done_blocks[layer] >= progress.blocks}
    return frozenset(blocks | progress.done_layers)


def _lease(survey_id: str, run: LeasingRun, before: Lease | None, progress: Progress, taken: int) -> Lease:
    """Return the lease of a run; a repetition goes on with what the run before it set out to do."""
    goes_on = before is not None and before.root_run_id == run.root_id
    return Lease(
        survey_id=survey_id,
        run_id=run.id,
        root_run_id=run.root_id,
        again=before.again if before is not None and goes_on else makes_again(progress, run),
        reopened=before.reopened if before is not None and goes_on else (),
        done_before=done(progress, taken),
    )


def done(progress: Progress, taken: int) -> int:
    """Count what is done of a survey, as fine as a run may make progress: tasks, and screenshots.

    Args:
        taken: Areas that were visited.
    """
    return progress.tasks_done + taken


def _taken(survey_id: str, run_id: str) -> RunRefused:
    return RunRefused(f"Run {run_id} is at work on '{survey_id}': wait for its end, or cancel it, and try again.")
