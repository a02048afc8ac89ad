"""Dagster's in-process executor, but for how a run waits for a slot of its pool.

Dagster's own asks in a loop whether its time to look has come: each waiting run keeps a core busy, looks only every
fifteen seconds after a while, and hears no cancellation (1.13; its `interval_to_next_pending_claim_check` is never
above zero).
"""

import os
import time
from collections.abc import Iterator

import dagster as dg
from dagster._core.errors import raise_execution_interrupts
from dagster._core.events import EngineEventData
from dagster._core.execution.api import ExecuteRunWithPlanIterable
from dagster._core.execution.context.system import PlanExecutionContext, PlanOrchestrationContext
from dagster._core.execution.context_creation_job import PlanExecutionContextManager
from dagster._core.execution.plan.execute_plan import inner_plan_execution_iterator
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode

_LOOK_S = 0.5
_LEAST_S = 0.02
"""A look that comes a little too early is not followed by a thousand others."""


class _Claims(InstanceConcurrencyContext):
    """Claims of slots, with a moment of rest between two looks whether one is free."""

    def claim(self, concurrency_key: str, step_key: str, step_priority: int = 0) -> bool:
        """Return whether the step has a slot; where it has none, the next look comes soon, however long it waited."""
        claimed = super().claim(concurrency_key, step_key, step_priority)
        if not claimed:
            self._pending_timeouts[step_key] = min(self._pending_timeouts[step_key], time.time() + _LOOK_S)
        return claimed

    def interval_to_next_pending_claim_check(self) -> float:
        """Return the seconds until the next look, for which the executor sleeps; end a run that was cancelled."""
        with raise_execution_interrupts():
            pass  # what a sleep caught is raised here
        next_look: float = min(self._pending_timeouts[step] for step in self.pending_claim_steps())
        return max(_LEAST_S, next_look - time.time())


class _InProcess(dg.Executor):
    @property
    def retries(self) -> RetryMode:
        return RetryMode.ENABLED

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        pid = os.getpid()
        what = EngineEventData.in_process(pid, execution_plan.step_keys_to_execute)
        yield dg.DagsterEvent.engine_event(plan_context, f"Executing steps in process (pid: {pid})", what)
        yield from ExecuteRunWithPlanIterable(
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
                step_dependency_config=self.step_dependency_config,
            ),
        )
        yield dg.DagsterEvent.engine_event(plan_context, f"Finished steps in process (pid: {pid})", what)


def _steps(job_context: PlanExecutionContext, execution_plan: ExecutionPlan) -> Iterator[dg.DagsterEvent]:
    with _Claims(job_context.instance, job_context.dagster_run) as claims:
        yield from inner_plan_execution_iterator(job_context, execution_plan, claims)


@dg.executor(name="in_process", config_schema={})
def patient_in_process_executor(_: dg.InitExecutorContext) -> dg.Executor:
    """Execute all steps of a run in its worker, one after another."""
    return _InProcess()
