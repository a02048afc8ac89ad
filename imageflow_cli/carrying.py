"""The command line as a survey's carrier: it materialises layer after layer, in this process."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from dagster import ExecuteInProcessResult
from dagster._core.execution.plan.objects import ErrorSource, StepFailureData

from imageflow_assets.definitions import build_defs
from imageflow_assets.map.assets import BY_LAYER
from imageflow_assets.map.carrying import fail_dead_runs
from imageflow_assets.map.partitions import SURVEYS
from imageflow_assets.map.reports import report_untold
from imageflow_assets.map.silence import SilenceWatch
from imageflow_cli.console import errors
from imageflow_cli.session import Session
from imageflow_clients.database import jobs, layers
from imageflow_clients.database.jobs import Job
from imageflow_domain.errors import ImageFlowError
from imageflow_domain.survey import Layer, Step, Survey
from imageflow_resources.pools import POOL_OF_LAYER, is_free, set_pools
from imageflow_resources.stores import beating
from imageflow_surveys import carry
from imageflow_surveys.next_step import next_step
from imageflow_surveys.runs import Run, runs_of

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Failures are printed once, by the command line itself."""

_LOOK_S = 1.0


class SurveyFailed(ImageFlowError):
    """A layer of the survey could not be materialised."""


def carry_to_the_end(session: Session, survey: Survey) -> Survey:
    """Materialise every layer that a survey lacks, and return it completed.

    Raises:
        SurveyFailed: With the failed asset's own words; what was made is kept, and the survey can be resumed.
        KeyboardInterrupt: On SIGINT or SIGTERM; the survey says that it can be resumed.
    """
    session.instance.add_dynamic_partitions(str(SURVEYS.name), [survey.id])
    set_pools(session.instance, session.settings)
    with session.stores.database.begin() as connection:
        job = jobs.find_of_survey(connection, survey.id)
        resumed = carry.taken_up_at(connection, survey.id) is not None
    with beating(session.stores, carry.carrier_name(survey.id)), _ended_by_sigterm():
        try:
            while (step := _next(session, survey)) is not None:
                _materialise(session, survey, step, job)
        except KeyboardInterrupt:
            carry.give_up(session.stores, survey, f"Interrupted: `imageflow survey resume {survey.id}` goes on.")
            raise
    if resumed:
        report_untold(session.instance, survey)
    carry.finish(session.stores, survey)
    return carry.read(session.stores, survey.id)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the body as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's shape
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _next(session: Session, survey: Survey) -> Step | None:
    with session.stores.database.begin() as connection:
        return next_step(layers.progress(connection, survey.id))


def _materialise(session: Session, survey: Survey, step: Step, job: Job | None) -> None:
    for run in runs_of(survey, step, at_once=None):
        for layer in run.layers:
            _await_pool(session, layer)
        _run(session, survey, step, run, job)


def _await_pool(session: Session, layer: Layer) -> None:
    """Wait, in words, until others leave room: inside a run, waiting hears no signal.

    A run whose worker was killed holds its slots until somebody fails it; without a running stack that is us.
    """
    pool = POOL_OF_LAYER.get(layer)
    said = False
    watch = SilenceWatch()
    while pool is not None and not is_free(session.instance, pool):
        fail_dead_runs(session.instance, session.stores, watch)
        if not said:
            errors.print(f"Waiting for room in pool '{pool}': other surveys use all of it.")
            said = True
        time.sleep(_LOOK_S)


def _run(session: Session, survey: Survey, step: Step, run: Run, job: Job | None) -> None:
    result = (
        build_defs()
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            instance=session.instance,
            asset_selection=[BY_LAYER[layer].key for layer in run.layers],
            partition_key=None if run.blocks else survey.id,
            tags=run.tags(job.id if job else None),
            run_config=_QUIET,
            raise_on_error=False,
        )
    )
    if result.success:
        return
    if _was_interrupted(result):
        raise KeyboardInterrupt
    layer = _layer_that_failed(result) or step.layer
    reason = _why(result)
    carry.note_failure(session.stores, survey, layer, reason, result.run_id)
    carry.give_up(session.stores, survey, f"{layer}: {reason}")
    raise SurveyFailed(f"{layer} of '{survey.id}' failed: {reason}\n`imageflow survey resume {survey.id}` goes on.")


def _failures(result: ExecuteInProcessResult) -> Iterator[StepFailureData]:
    return (event.step_failure_data for event in result.all_events if event.is_step_failure)


def _layer_that_failed(result: ExecuteInProcessResult) -> Layer | None:
    """Return the layer whose step failed; `None` for a check's."""
    names = {str(event.step_key) for event in result.all_events if event.is_step_failure}
    return next((layer for layer in Layer if layer.value in names), None)


def _was_interrupted(result: ExecuteInProcessResult) -> bool:
    return any(failure.error_source is ErrorSource.INTERRUPT for failure in _failures(result))


def _why(result: ExecuteInProcessResult) -> str:
    for failure in _failures(result):
        if failure.user_failure_data is not None and failure.user_failure_data.description:
            return str(failure.user_failure_data.description)
        if failure.error is not None:
            return str(failure.error.message).strip().splitlines()[-1]
    return f"run {result.run_id} failed; Dagster's page of it says why"
