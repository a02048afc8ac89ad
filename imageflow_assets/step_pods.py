"""The pods of a run's worker on Kubernetes: each share of a large survey is a Job of its own.

Pods write their steps' events into Dagster's event log, where the worker reads them. Steps without a pool take a moment
(planning, collecting) or follow all shares (placing, overviews): child processes of the worker execute them.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import dagster as dg
from dagster._core.event_api import EventLogCursor
from dagster._core.events import EngineEventData
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.plan.step import ExecutionStep
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.step_delegating import StepHandlerContext
from dagster._grpc.types import ExecuteStepArgs
from dagster_k8s.client import DagsterK8sAPIRetryLimitExceeded, DagsterK8sUnrecoverableAPIError
from dagster_k8s.executor import K8sStepHandler
from dagster_shared.error import SerializableErrorInfo

from imageflow_assets.k8s_jobs import Jobs, JobState
from imageflow_assets.step_hosts import Ended, Lost, News, StepHost
from imageflow_domain.errors import Unavailable

_LOOK_AT_JOBS_S = 2.0
"""Between two looks at the Jobs: two requests to the API server, however many there are."""

_OVERLAP = 500
"""Events that are read again: one that was written before another may become visible after it."""

_LOOK_S = 0.2
"""Between two looks at pods that are about to end."""

_JOB_NAME = "Kubernetes Job name"
"""Where Dagster's event of a pod's start has the name."""


@dataclass(kw_only=True)
class _Pod:
    """A step at work."""

    job: str
    begun: float
    why: str | None = None
    """What was seen of its end."""
    error: SerializableErrorInfo | None = None
    """What ended it from outside the step, as it says itself."""


class StepPods:
    """Executes steps of one run in pods. A context manager: at its end no Job of theirs is at work."""

    def __init__(
        self,
        plan_context: PlanOrchestrationContext,
        rest: StepHost,
        *,
        handler_of: Callable[[str], K8sStepHandler],
        jobs: Jobs,
    ) -> None:
        """Prepare for the steps of a run.

        Args:
            plan_context: The run's.
            rest: Executes the steps that have no pool.
            handler_of: Returns what makes the Jobs of a pool's steps.
            jobs: Those of the run's steps.
        """
        self._plan_context = plan_context
        self._rest = rest
        self._handler_of = handler_of
        self._jobs = jobs
        self._log = _EventLog(plan_context.instance, plan_context.run_id)
        self._pods: dict[str, _Pod] = {}
        self._held: list[tuple[str, News]] = []
        """What is to be said at the next look."""
        self._next_look = 0.0
        self._start_timeout_s = plan_context.instance.run_monitoring_start_timeout_seconds

    def begin(self, step: ExecutionStep, known_state: KnownExecutionState) -> None:
        """Have a step executed, by a pod where it has a pool."""
        if step.pool is None:
            self._rest.begin(step, known_state)
            return
        # what is said of this step until now belongs to an attempt before this one
        self._held += self._read()
        try:
            started = [*self._handler_of(step.pool).launch_step(self._context(step, known_state))]
        except (DagsterK8sAPIRetryLimitExceeded, DagsterK8sUnrecoverableAPIError) as error:
            reason = " ".join(str(error.__cause__ or error).split())
            self._held.append((step.key, Lost(why=f"Kubernetes did not take the step's Job: {reason}")))
            return
        self._pods[step.key] = _Pod(job=_job_of(started[-1]), begun=time.monotonic())

    def news(self, timeout_s: float) -> Iterator[tuple[str, News]]:
        """Yield the events of the steps, or nothing after a while. `Ended` and `Lost` are the last of a step."""
        yield from self._rest.news(timeout_s)
        held, self._held = self._held, []
        yield from held
        over = self._over()  # before the log is read: a pod that is over has written all of it
        if self._pods:
            yield from self._read()
        for step_key in over:
            if step_key in self._pods:
                yield step_key, self._forget(step_key)

    def interrupt(self, patience_s: float) -> Iterator[dg.DagsterEvent]:
        """End all steps: their Jobs are deleted, and their pods have a moment to end."""
        deadline = time.monotonic() + patience_s
        names = self._delete_all()
        yield from self._rest.interrupt(patience_s)
        while names and time.monotonic() < deadline and self._has_pods(names):
            time.sleep(_LOOK_S)

    def __enter__(self) -> Self:
        self._rest.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._delete_all()
        finally:
            self._rest.__exit__(kind, error, traceback)

    def _context(self, step: ExecutionStep, known_state: KnownExecutionState) -> StepHandlerContext:
        plan = self._plan_context
        return StepHandlerContext(
            instance=plan.instance,
            plan_context=plan,
            steps=[step],
            execute_step_args=ExecuteStepArgs(
                job_origin=plan.reconstructable_job.get_python_origin(),
                run_id=plan.run_id,
                step_keys_to_execute=[step.key],
                instance_ref=plan.instance.get_ref(),
                retry_mode=RetryMode.DEFERRED,
                known_state=known_state,
            ),
            dagster_run=plan.dagster_run,
        )

    def _read(self) -> Iterator[tuple[str, dg.DagsterEvent]]:
        for event in self._log.read():
            pod = self._pods.get(event.step_key or "")
            if pod is None or event.step_key is None:
                continue
            if isinstance(event.event_specific_data, EngineEventData):
                pod.error = event.event_specific_data.error or pod.error
            yield event.step_key, event
            if event.is_step_success or event.is_step_failure or event.is_step_up_for_retry:
                del self._pods[event.step_key]

    def _over(self) -> list[str]:
        """Return the steps whose pods have ended, or do not start."""
        if not self._pods or time.monotonic() < self._next_look:
            return []
        self._next_look = time.monotonic() + _LOOK_AT_JOBS_S
        try:
            states = self._jobs.states()
        except Unavailable as error:
            dg.get_dagster_logger().warning("Steps are not looked at for now. %s", error)
            return []
        return [step_key for step_key, pod in self._pods.items() if self._is_over(pod, states)]

    def _is_over(self, pod: _Pod, states: Mapping[str, JobState]) -> bool:
        state = states.get(pod.job)
        if state is None:
            pod.why = pod.why or f"The step's Job '{pod.job}' was deleted."
            return True
        pod.why = state.why_ended or pod.why
        if state.is_over:
            return True
        if state.why_waiting is None:
            pod.begun = time.monotonic()
            return False
        waits = time.monotonic() - pod.begun > self._start_timeout_s
        if waits:
            pod.why = f"The step's pod did not start within {self._start_timeout_s} s. {state.why_waiting}"
        return waits

    def _forget(self, step_key: str) -> Ended | Lost:
        """Delete the Job of a step that gave no result, and return why it did not."""
        pod = self._pods.pop(step_key)
        try:
            self._jobs.delete(pod.job)
        except Unavailable as error:
            dg.get_dagster_logger().warning("%s", error)
        if pod.error is not None:
            return Ended(error=pod.error)
        return Lost(why=pod.why or f"The step's Job '{pod.job}' ended without a result: the run's logs say why.")

    def _has_pods(self, names: list[str]) -> bool:
        try:
            return self._jobs.has_pods(names)
        except Unavailable as error:
            dg.get_dagster_logger().warning("%s", error)
            return False

    def _delete_all(self) -> list[str]:
        pods, self._pods = self._pods, {}
        for pod in pods.values():
            try:
                self._jobs.delete(pod.job)
            except Unavailable as error:
                # it is the run's pod's, and goes with it
                dg.get_dagster_logger().warning("%s", error)
        return [pod.job for pod in pods.values()]


class _EventLog:
    """The events of a run, as all its processes write them."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str) -> None:
        self._instance = instance
        self._run_id = run_id
        self._newest = 0
        self._seen: set[int] = set()

    def read(self) -> list[dg.DagsterEvent]:
        """Return those that have come since the last time."""
        cursor = EventLogCursor.from_storage_id(max(0, self._newest - _OVERLAP)).to_string()
        records = self._instance.get_records_for_run(self._run_id, cursor, set(dg.DagsterEventType)).records
        unread = [record for record in records if record.storage_id not in self._seen]
        self._seen = {record.storage_id for record in records}
        self._newest = max([self._newest, *self._seen])
        events = [record.event_log_entry.dagster_event for record in unread]
        return [event for event in events if event is not None]


def _job_of(started: dg.DagsterEvent) -> str:
    """Return the name of a step's Job, as Dagster's event of its start has it."""
    return str(started.engine_event_data.metadata[_JOB_NAME].value)
