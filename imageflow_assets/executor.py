"""The executor of all runs: in the run's own process, or, for a large survey, in processes or pods of their own.

These make up for what they cost where a survey has several shares a layer: they use the slots of its pools side by
side.
"""

import os
from collections.abc import Iterator, Sequence

import dagster as dg
from dagster._core.events import EngineEventData
from dagster._core.execution.api import ExecuteRunWithPlanIterable
from dagster._core.execution.context.system import PlanExecutionContext, PlanOrchestrationContext
from dagster._core.execution.context_creation_job import PlanExecutionContextManager
from dagster._core.execution.plan.execute_plan import inner_plan_execution_iterator
from dagster._core.execution.plan.objects import StepFailureData, StepRetryData, UserFailureData
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster_shared.error import SerializableErrorInfo

from imageflow_assets.patience import LOOK_S, Claims, PatientExecution, PatientPlan
from imageflow_assets.sizes import is_large
from imageflow_assets.step_child import RunWork
from imageflow_assets.step_children import StepChildren
from imageflow_assets.step_hosts import Ended, HostsSteps, News, StepHost
from imageflow_clients.settings import Settings
from imageflow_resources.stores import beating, shared_stores

_MOST_CHILDREN = 16
"""Of one run. Its pools let fewer work at once, as a rule."""

_PATIENCE_S = 1.0
"""What steps have to end when the run is cancelled; then they are killed."""


class _BySize(dg.Executor):
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def retries(self) -> RetryMode:
        return RetryMode.ENABLED

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        pid = os.getpid()
        what = EngineEventData.in_process(pid, execution_plan.step_keys_to_execute)
        large = is_large(plan_context.dagster_run, self._settings)
        how = "side by side" if large else "in process"
        yield dg.DagsterEvent.engine_event(plan_context, f"Executing steps {how} (pid: {pid})", what)
        try:
            if large:
                yield from _side_by_side(plan_context, execution_plan, self._settings)
            else:
                yield from _in_process(plan_context, execution_plan)
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            if plan_context.dagster_run.remote_job_origin is None:
                # Executed by the caller's process, as by the command line: the signal is the cancellation.
                plan_context.instance.report_run_canceling(plan_context.dagster_run)
            raise
        yield dg.DagsterEvent.engine_event(plan_context, f"Finished steps {how} (pid: {pid})", what)


def by_size_executor(settings: Settings) -> dg.ExecutorDefinition:
    """Return the executor of a process with these settings."""

    @dg.executor(name="by_size", config_schema={})
    def by_size(_: dg.InitExecutorContext) -> dg.Executor:
        """Execute the steps of a run in its worker, one after another; those of a large survey side by side."""
        return _BySize(settings)

    return by_size


def _in_process(plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[dg.DagsterEvent]:
    return iter(
        ExecuteRunWithPlanIterable(
            execution_plan=execution_plan,
            iterator=_steps,
            execution_context_manager=PlanExecutionContextManager(
                job=plan_context.job,
                retry_mode=plan_context.retry_mode,
                execution_plan=execution_plan,
                run_config=plan_context.run_config,
                dagster_run=plan_context.dagster_run,
                instance=plan_context.instance,
                raise_on_error=plan_context.raise_on_error,
                output_capture=plan_context.output_capture,
            ),
        )
    )


def _steps(job_context: PlanExecutionContext, execution_plan: ExecutionPlan) -> Iterator[dg.DagsterEvent]:
    with Claims(job_context.instance, job_context.dagster_run) as claims:
        yield from inner_plan_execution_iterator(job_context, PatientPlan.of(execution_plan), claims)


def _side_by_side(
    plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan, settings: Settings
) -> Iterator[dg.DagsterEvent]:
    run = plan_context.dagster_run
    host, most = _host(plan_context, execution_plan)
    with (
        beating(shared_stores(settings), run.run_id),
        Claims(plan_context.instance, run) as claims,
        host as steps,
        PatientExecution(
            execution_plan,
            retry_mode=plan_context.retry_mode,
            max_concurrent=most,
            instance_concurrency_context=claims,
        ) as active,
    ):
        while not active.is_complete:
            if active.check_for_interrupts():
                active.mark_interrupted()
                yield from steps.interrupt(_PATIENCE_S)
                raise dg.DagsterExecutionInterruptedError
            for step in active.get_steps_to_execute():
                steps.begin(step, active.get_known_state())
            yield from active.concurrency_event_iterator(plan_context)
            for step_key, news in steps.news(LOOK_S):
                event = _event_of(plan_context, active, step_key, news, settings.retry_waits)
                if event is not None:
                    yield event
                    active.handle_event(event)
            yield from active.plan_events_iterator(plan_context)


def _host(plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> tuple[StepHost, int | None]:
    """Return what executes the steps, and how many of them at once where anything but the pools bounds them."""
    run, instance = plan_context.dagster_run, plan_context.instance
    children = StepChildren(
        RunWork(
            job=plan_context.reconstructable_job,
            run=run,
            run_config=plan_context.run_config,
            instance=instance.get_ref(),
            repository_load_data=execution_plan.repository_load_data,
        )
    )
    # a run without an origin was not launched: the process that asked for it executes it
    launcher = None if run.remote_job_origin is None else instance.run_launcher
    if isinstance(launcher, HostsSteps):
        return launcher.step_host(plan_context, children), None
    return children, _MOST_CHILDREN


def _event_of(
    plan_context: PlanOrchestrationContext,
    active: PatientExecution,
    step_key: str,
    news: News,
    waits_s: Sequence[float],
) -> dg.DagsterEvent | None:
    """Return what is to be handled; `None` where a step that ended said so itself."""
    if isinstance(news, dg.DagsterEvent):
        return news
    if not active.is_working(step_key):
        return None
    error = (news.error or _error("The step ended without a result.")) if isinstance(news, Ended) else _error(news.why)
    return _again_or_failed(plan_context, active, step_key, error, waits_s)


def _error(message: str) -> SerializableErrorInfo:
    return SerializableErrorInfo(message=message, stack=[], cls_name="StepDied")


def _again_or_failed(
    plan_context: PlanOrchestrationContext,
    active: PatientExecution,
    step_key: str,
    error: SerializableErrorInfo,
    waits_s: Sequence[float],
) -> dg.DagsterEvent:
    """A step whose process or pod was lost is retried as after any transient failure."""
    step_context = plan_context.for_step(active.get_step_by_key(step_key))
    attempt = active.retry_state.get_attempt_count(step_key)
    if attempt < len(waits_s):
        again = StepRetryData(error, waits_s[attempt])  # type: ignore[no-untyped-call]
        return dg.DagsterEvent.step_retry_event(step_context, again)
    said = UserFailureData("intentional-failure", error.message)  # type: ignore[no-untyped-call]
    failure = StepFailureData(error, said)  # type: ignore[no-untyped-call]
    return dg.DagsterEvent.step_failure_event(step_context, failure)
