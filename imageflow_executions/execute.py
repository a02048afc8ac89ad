"""Execute what was claimed: read the inputs, run the plan, store the outputs, note every step and the end."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any

from imageflow_catalog.components import registry_of
from imageflow_catalog.pipelines import find_pipeline, plan_of
from imageflow_clients.database.executions import queue
from imageflow_clients.database.executions.attempts import Ending, StepChange
from imageflow_clients.stores import Stores
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import Cancelled, ImageFlowError, Unavailable
from imageflow_domain.executions import (
    ExecutionError,
    ExecutionRecord,
    ExecutionRequest,
    ExecutionState,
    ImageObject,
    Runner,
    StepFacts,
)
from imageflow_domain.texts import storable
from imageflow_executions.failure import execution_error
from imageflow_executions.image_objects import put_output, read_inputs
from imageflow_executions.journal import Journal
from imageflow_executions.log_book import LINES_IN_DATABASE, LogBook
from imageflow_executions.parameters import plan_with
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.execution import Execution, StepAttempt, StepRecord, StepStatus
from imageflow_pipelines.plan import Plan
from imageflow_pipelines.spec_text import parse_spec
from imageflow_pipelines.value_file import file_of

_LOG = logging.getLogger(__name__)

MOST_FAILURES = 3
"""Lost engines and dependencies that were down, until an execution fails for good."""

PAUSE = timedelta(seconds=10)
"""An execution is not begun again sooner after such a failure."""

_KEPT_PLANS = 256

_BROKE_DOWN = ExecutionError(
    code="INTERNAL_ERROR",
    message="Something unexpected went wrong: the engine's log has the reason under the execution's id.",
)


@dataclass(frozen=True, kw_only=True)
class Executed:
    """An execution as an attempt ended it."""

    record: ExecutionRecord
    steps: Sequence[StepFacts]
    """In the plan's order."""
    outputs: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The bytes of its outputs, as they were stored: who waits for them need not read them."""


@dataclass(frozen=True)
class _Made:
    """What an attempt has made so far."""

    steps: dict[str, StepFacts] = field(default_factory=dict)
    outputs: dict[str, bytes] = field(default_factory=dict)


class Executor:
    """Executes on one engine. Any number of threads may call `execute` at once.

    Args:
        stores: Where rows and objects are.
        engine: Runs plans.
        journal: Where changes are noted.
        name: Of this engine, as leases have it.
        log_lines: Of an attempt, in the database; further ones go into the object store.
    """

    def __init__(
        self, stores: Stores, engine: Engine, journal: Journal, name: str, *, log_lines: int = LINES_IN_DATABASE
    ) -> None:
        self._stores = stores
        self._engine = engine
        self._journal = journal
        self._name = name
        self._log_lines = log_lines
        self._plan_of = lru_cache(maxsize=_KEPT_PLANS)(self._published_plan)

    def execute(
        self, record: ExecutionRecord, cancellation: Cancellation, sources: Mapping[str, bytes] | None = None
    ) -> Executed | None:
        """Bring a claimed execution to its end, which is committed when this returns; return it as it ended.

        Where something that it needs is down it is returned to the queue, and fails at the third such failure. A
        cancellation whose reason is that the lease was lost writes nothing any more. `None` in both cases.

        Args:
            record: The execution, in the attempt that begins.
            cancellation: Stops it.
            sources: Its inputs; read from the object store where they are not given.
        """
        made = _Made()
        try:
            ending = self._ending(record, cancellation, sources, made)
        except Unavailable as error:
            if record.failures + 1 < MOST_FAILURES:
                self._give_back(record, str(error))
                return None
            ending = _failed(record, execution_error(error))
        except ImageFlowError as error:
            ending = _failed(record, execution_error(error))
        except Exception:  # noqa: BLE001 - logged in full, and the execution fails with it
            _LOG.exception("execution %s broke down", record.id)
            ending = _failed(record, _BROKE_DOWN)
        ended = self._journal.end(ending).result()
        if ended is None:
            _LOG.warning("execution %s was taken over: what attempt %d made is not used", record.id, record.attempt)
            return None
        steps = sorted(made.steps.values(), key=lambda each: each.place)
        return Executed(record=ended, steps=steps, outputs=made.outputs)

    def give_up(self) -> None:
        """Wait no longer for a database that is away: executions end with their leases."""
        self._journal.give_up()

    def _give_back(self, record: ExecutionRecord, reason: str) -> None:
        self._journal.drain()
        with self._stores.database.begin() as connection:
            queue.give_back(connection, self._name, record.id, reason=reason, pause=PAUSE)

    def _ending(
        self,
        record: ExecutionRecord,
        cancellation: Cancellation,
        given: Mapping[str, bytes] | None,
        made: _Made,
    ) -> Ending:
        wanted = self._plan(record)
        places = {name: place for place, name in enumerate(wanted.steps)}

        def note(step: StepRecord) -> None:
            change = _change(record, step, places[step.step])
            made.steps[step.step] = change.facts
            self._journal.step(change)

        sources = read_inputs(self._stores, record) if given is None else given
        with LogBook(self._stores, record, self._journal.log, lines_in_database=self._log_lines) as book:
            done = self._engine.run(wanted, sources, cancellation=cancellation, watch=note, log=book.write)
        for step in done.steps.values():
            if step.step not in made.steps:  # skipped, reused or never begun
                note(step)
        match done.error:
            case None:
                outputs = self._stored(record, done, made.outputs)
                return Ending(record=record, state=ExecutionState.COMPLETED, outputs=outputs)
            case Cancelled():
                return Ending(record=record, state=ExecutionState.CANCELLED)
            case error if isinstance(error.__cause__, Unavailable):
                raise error.__cause__
            case error:
                return _failed(record, execution_error(error))

    def _stored(
        self, record: ExecutionRecord, done: Execution, made: dict[str, bytes]
    ) -> dict[str, ImageObject | None]:
        stored: dict[str, ImageObject | None] = dict.fromkeys(done.outputs)
        for name, value in done.outputs.items():
            if value is not None:
                file = file_of(value)
                stored[name], made[name] = put_output(self._stores, record, name, file), file.data
        return stored

    def _plan(self, record: ExecutionRecord) -> Plan:
        request = record.request
        if request.runner is Runner.DAGSTER:
            return self._plan_with_containers(request)
        if request.spec is not None:
            return plan_with(parse_spec(dict(request.spec)), request.parameters)
        return self._plan_of(request.pipeline, _Frozen(request.parameters))

    def _published_plan(self, reference: str, parameters: "_Frozen") -> Plan:
        with self._stores.database.begin() as connection:
            published = find_pipeline(connection, reference)
        return plan_with(parse_spec(dict(published.spec)), parameters.value)

    def _plan_with_containers(self, request: ExecutionRequest) -> Plan:
        with self._stores.database.begin() as connection:
            registry = registry_of(connection)
            spec = request.spec
            if spec is None:
                published = find_pipeline(connection, request.pipeline)
                plan_of(connection, published)  # with the images of its publication
                spec = published.spec
        return plan_with(parse_spec(dict(spec)), request.parameters, registry)


class _Frozen:
    """Parameters as a key: equal where their JSON is."""

    def __init__(self, value: Mapping[str, Mapping[str, Any]]) -> None:
        self.value = value
        self._text = repr(sorted((step, sorted(given.items())) for step, given in value.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def _failed(record: ExecutionRecord, error: ExecutionError) -> Ending:
    return Ending(record=record, state=ExecutionState.FAILED, error=error)


def _change(record: ExecutionRecord, step: StepRecord, place: int) -> StepChange:
    facts = StepFacts(
        step=step.step,
        place=place,
        status=step.status,
        started_s=step.started_s,
        seconds=step.seconds,
        tries=tuple(_tried(each) for each in step.attempts),
    )
    is_end = step.status is not StepStatus.RUNNING
    return StepChange(execution=record.id, attempt=record.attempt, facts=facts, is_end=is_end)


def _tried(attempt: StepAttempt) -> Mapping[str, Any]:
    return {"seconds": attempt.seconds, "error": storable(attempt.error), "resources": attempt.resources.to_data()}
