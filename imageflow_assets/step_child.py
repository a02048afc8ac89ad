"""What runs in a child process of a run's worker: it loads the definitions once and executes one step after the other.

The child writes its steps' events itself, as Dagster's own step processes do, and sends them to the worker too.
"""

import os
import pickle
import select
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableJob
from dagster._core.definitions.repository_definition import RepositoryLoadData
from dagster._core.execution.api import ExecuteRunWithPlanIterable, create_execution_plan
from dagster._core.execution.compute_logs import create_compute_log_file_key
from dagster._core.execution.context.system import PlanExecutionContext
from dagster._core.execution.context_creation_job import PlanExecutionContextManager
from dagster._core.execution.plan.execute_plan import dagster_event_sequence_for_step
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.retries import RetryMode
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.compute_log_manager import CapturedLogContext
from dagster._utils.error import serializable_error_info_from_exc_info
from dagster._utils.interrupts import capture_interrupts

from imageflow_assets.step_hosts import Ended

_NICE = 10
"""Live requests and inspections go first."""


@dataclass(frozen=True, kw_only=True)
class RunWork:
    """What all steps of a run have in common."""

    job: ReconstructableJob
    run: dg.DagsterRun
    run_config: Mapping[str, object]
    instance: InstanceRef
    repository_load_data: RepositoryLoadData | None


def serve(pipe: Connection, work: RunWork, worker: int) -> None:
    """Execute the steps that a run's worker names, until it closes the pipe or is gone.

    Args:
        pipe: Takes pickled pairs of a step's key and what is known of the run; gives events, and `Ended` after each
            step.
        work: The run.
        worker: The worker's process id.
    """
    _end_with(worker)
    # Ctrl-C reaches every process of a terminal's group; when this one stops is for the worker to say.
    os.setpgid(0, 0)
    os.nice(_NICE)
    # the worker is gone, or has all that it wants
    with suppress(EOFError, BrokenPipeError, ConnectionResetError), capture_interrupts():
        _serve(pipe, work)


def _serve(pipe: Connection, work: RunWork) -> None:
    with dg.DagsterInstance.from_ref(work.instance) as instance:
        logs = instance.compute_log_manager
        log_key = logs.build_log_key_for_run(work.run.run_id, create_compute_log_file_key())  # type: ignore[no-untyped-call]
        # Once for all steps: each capture starts four processes.
        with logs.capture_logs(log_key) as log_context:
            steps = _Steps(work, instance, log_key, log_context)
            while True:
                step_key, known_state = pickle.loads(pipe.recv_bytes())  # noqa: S301 - our own worker wrote it
                closing: list[dg.DagsterEvent] = []
                error = None
                try:
                    for event in steps.execute(step_key, known_state):
                        if closing or _is_result(event):
                            closing.append(event)
                        else:
                            pipe.send(event)
                except (Exception, KeyboardInterrupt, dg.DagsterExecutionInterruptedError):  # noqa: BLE001
                    error = serializable_error_info_from_exc_info(sys.exc_info())
                pipe.send(Ended(events=tuple(closing), error=error))


def _is_result(event: dg.DagsterEvent) -> bool:
    return event.is_step_success or event.is_step_failure or event.is_step_up_for_retry


def _end_with(worker: int) -> None:
    """End this process as soon as the worker has ended, also in the middle of a step."""
    try:
        watched = os.pidfd_open(worker)
    except ProcessLookupError:
        os._exit(1)

    def wait() -> None:
        select.select([watched], [], [])
        os._exit(1)

    threading.Thread(target=wait, name="end-with-worker", daemon=True).start()


class _Steps:
    """Steps of one run, executed by this process."""

    def __init__(
        self, work: RunWork, instance: dg.DagsterInstance, log_key: Sequence[str], log_context: CapturedLogContext
    ) -> None:
        self._work = work
        self._instance = instance
        self._log_key = log_key
        self._log_context = log_context
        # One value, so that the definitions are loaded once: Dagster caches those of the last value.
        self._job = work.job.with_repository_load_data(work.repository_load_data)

    def execute(self, step_key: str, known_state: KnownExecutionState) -> Iterator[dg.DagsterEvent]:
        plan = create_execution_plan(
            self._job,
            run_config=self._work.run_config,
            step_keys_to_execute=[step_key],
            known_state=known_state,
            repository_load_data=self._work.repository_load_data,
        )
        yield from ExecuteRunWithPlanIterable(
            execution_plan=plan,
            iterator=self._events,
            execution_context_manager=PlanExecutionContextManager(
                job=self._job,
                retry_mode=RetryMode.DEFERRED,
                execution_plan=plan,
                run_config=self._work.run_config,
                dagster_run=self._work.run,
                instance=self._instance,
            ),
        )

    def _events(self, execution_plan: ExecutionPlan, job_context: PlanExecutionContext) -> Iterator[dg.DagsterEvent]:
        (step,) = execution_plan.get_steps_to_execute_in_topo_order()
        yield dg.DagsterEvent.capture_logs(job_context, [step.key], self._log_key, self._log_context)
        yield from dagster_event_sequence_for_step(job_context.for_step(step, execution_plan.known_state))
