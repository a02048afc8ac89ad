"""How a run waits for slots of pools and for retries: at rest, and awake to a cancellation.

Dagster's own classes ask in a loop whether their time to look has come: a waiting run keeps a core busy, looks only
every fifteen seconds after a while, asks the database once for every waiting step, and sleeps through a cancellation
(1.13).
"""

import time
from types import TracebackType
from typing import Any

import dagster as dg
from dagster._core.errors import raise_execution_interrupts
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from typing_extensions import override

LOOK_S = 0.5
"""Seconds between two looks at what a run waits for."""

_LEAST_S = 0.02
"""A look that comes a little too early is not followed by a thousand others."""


class Claims(InstanceConcurrencyContext):
    """Claims of a run's steps on slots of pools. One step waits for each pool, and those behind it cost nothing.

    On exit all slots of the run are freed: its steps have ended by then.
    """

    def __init__(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
        super().__init__(instance, run)
        self._first: dict[str, str] = {}

    def claim(self, concurrency_key: str, step_key: str, step_priority: int = 0) -> bool:
        """Return whether the step has a slot; where it has none, the next look comes soon, however long it waited."""
        if self._first.get(concurrency_key, step_key) != step_key:
            return False
        claimed = super().claim(concurrency_key, step_key, step_priority)
        if claimed:
            self._first.pop(concurrency_key, None)
        else:
            self._first[concurrency_key] = step_key
            self._pending_timeouts[step_key] = min(self._pending_timeouts[step_key], time.time() + LOOK_S)
        return claimed

    def free_step(self, step_key: str) -> None:
        """Return a step's slot, and let the waiting steps check at once."""
        super().free_step(step_key)
        for waiting in self._pending_claims:
            self._pending_timeouts[waiting] = 0

    def interval_to_next_pending_claim_check(self) -> float:
        """Return the seconds until the next look; Dagster's is never above zero."""
        return float(min(self._pending_timeouts[step] for step in self.pending_claim_steps()) - time.time())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, traceback)
        if self._claims:
            self._instance.event_log_storage.free_concurrency_slots_for_run(self._run_id)


class PatientExecution(ActiveExecution):
    """Progress of a plan. Waiting ends with `DagsterExecutionInterruptedError` when the run is cancelled."""

    def is_working(self, step_key: str) -> bool:
        """Whether a step was begun and its end has not been reported."""
        return step_key in self._in_flight

    @override
    def sleep_til_ready(self) -> None:
        """Sleep until a step may be due, `LOOK_S` at most.

        Raises `DagsterExecutionInterruptedError` where the run is cancelled meanwhile.
        """
        time.sleep(min(LOOK_S, max(_LEAST_S, self.sleep_interval())))  # type: ignore[no-untyped-call]
        with raise_execution_interrupts():
            pass  # what the sleep caught is raised here


class PatientPlan(ExecutionPlan):
    """A plan that is executed by a `PatientExecution`: `PatientPlan.of(plan)`."""

    @classmethod
    def of(cls, plan: ExecutionPlan) -> "PatientPlan":
        """Return a copy of Dagster's plan."""
        return cls._make(plan)

    @override
    def start(self, retry_mode: RetryMode, *arguments: Any, **named: Any) -> PatientExecution:
        return PatientExecution(self, retry_mode, *arguments, **named)
