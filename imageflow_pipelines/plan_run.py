"""One run of a plan: which steps are ready, the threads that do them, what they gave, and how the run ended."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

from imageflow_domain.cancellation import Cancellation
from imageflow_domain.containers import Containers
from imageflow_domain.errors import Cancelled, ImageFlowError, InvalidInput, NotFound, StepFailed, StepRefused
from imageflow_domain.inference import ModelRegistry
from imageflow_domain.isolation import Isolation
from imageflow_domain.step_scope import LogLine, Meter, StepScope, entered
from imageflow_pipelines.component import Context, megapixels, ports_of
from imageflow_pipelines.execution import Execution, StepAttempt, StepRecord, StepStatus
from imageflow_pipelines.limits import ISOLATE_FROM_S
from imageflow_pipelines.plan import Plan, Source, Step
from imageflow_pipelines.reuse import Outputs, Reuse
from imageflow_pipelines.spec import INPUTS
from imageflow_pipelines.step_keys import step_keys
from imageflow_pipelines.values import Encoded, Value, size_bytes

Watch = Callable[[StepRecord], None]
"""Called when a step begins and when it ends, from the thread that runs it; must return at once."""

Log = Callable[[str, LogLine], None]
"""Called with a step's name and each line that it logs, from the thread that runs it."""

Inputs = dict[str, Value | tuple[Value, ...]]


@dataclass(frozen=True, kw_only=True)
class Means:
    """What all runs of an engine share."""

    models: ModelRegistry
    containers: Containers
    isolation: Isolation | None
    threads: int
    reuse: Reuse | None
    most_held_bytes: int
    """Of all values of one run that a later step still needs."""
    helpers: ThreadPoolExecutor | None
    """Threads beside the calling one; `None` where that one is alone."""
    meter: Meter | None


class PlanRun:
    """One run. Threads take steps from `_ready` until none is left; `_changed` guards all but the steps' own work."""

    def __init__(
        self,
        means: Means,
        plan: Plan,
        sources: Mapping[str, bytes],
        stop: Cancellation,
        *,
        watch: Watch | None = None,
        log: Log | None = None,
    ) -> None:
        self._means = means
        self._plan = plan
        self._stop = stop
        self._watch = watch
        self._log = log
        self._begun_s = time.perf_counter()
        self._changed = threading.Condition()
        self._active = 0
        self._ready: deque[str] = deque()
        self._error: ImageFlowError | None = None
        self._crash: BaseException | None = None
        self._records: dict[str, StepRecord] = {}
        self._values: dict[Source, Value | None] = {
            Source(INPUTS, name): Encoded(data) for name, data in sources.items()
        }
        self._held_bytes = 0
        self._keys = step_keys(plan, sources, self._context(stop)) if means.reuse else {}
        self._missing: dict[str, int] = {}
        self._children: dict[str, list[str]] = {name: [] for name in plan.steps}
        self._readers: dict[Source, int] = {}
        self._prepare()

    # What is to be done

    def _prepare(self) -> None:
        """Find out which steps the outputs need, from the end, and which of them are there already."""
        needed = {source.step for source in self._plan.outputs.values()}
        for source in self._plan.outputs.values():
            self._reads(source)
        for step in reversed(tuple(self._plan.steps.values())):
            if step.name not in needed:
                self._records[step.name] = StepRecord(step=step.name, status=StepStatus.UNNEEDED)
                continue
            kept = self._kept(step)
            if kept is not None:
                self._records[step.name] = StepRecord(step=step.name, status=StepStatus.REUSED)
                self._hold(step, kept)
                continue
            needed.update(step.parents)
            for source in (source for sources in step.sources.values() for source in sources):
                self._reads(source)
            self._missing[step.name] = 0
        for name in reversed(self._missing):  # it was filled from the end
            for parent in self._plan.steps[name].parents:
                if parent in self._missing:
                    self._children[parent].append(name)
                    self._missing[name] += 1
        self._ready.extend(name for name in reversed(self._missing) if self._missing[name] == 0)

    def _reads(self, source: Source) -> None:
        self._readers[source] = self._readers.get(source, 0) + 1

    def _kept(self, step: Step) -> Outputs | None:
        key = self._keys.get(step.name)
        return self._means.reuse.get(key) if key is not None and self._means.reuse is not None else None

    # Who does it

    def work(self) -> None:
        """Do the run's steps, with the engine's helpers, until it is over."""
        while (step := self._take(wait=True)) is not None:
            self._do(step)
        if self._crash is not None:
            raise self._crash

    def _help(self) -> None:
        while (step := self._take(wait=False)) is not None:
            self._do(step)

    def _take(self, *, wait: bool) -> Step | None:
        """Return a step that is ready; with `wait`, `None` only once the run is over."""
        with self._changed:
            while wait and not self._ready and self._active:
                self._changed.wait()
            if not self._ready:
                return None
            name = self._ready.popleft()
            self._active += 1
            if self._means.helpers is not None:
                for _ in range(min(self._means.threads - self._active, len(self._ready))):
                    self._means.helpers.submit(self._help)
            return self._plan.steps[name]

    def _do(self, step: Step) -> None:
        try:
            self._advance(step)
        except BaseException as error:  # a watcher's, ours or an interruption: nothing that a step raised
            with self._changed:
                self._crash = error
                self._ready.clear()
            self._stop.cancel("The run broke down.")
            raise
        finally:
            with self._changed:
                self._active -= 1
                self._changed.notify_all()

    # One step

    def _advance(self, step: Step) -> None:
        inputs = self._inputs(step)
        if inputs is None:
            self._over(step, StepRecord(step=step.name, status=StepStatus.SKIPPED), dict.fromkeys(step.outputs))
            return
        started_s = time.perf_counter()
        attempts: list[StepAttempt] = []
        if self._watch is not None:
            self._watch(self._record(step, StepStatus.RUNNING, started_s, attempts))
        try:
            outputs = self._outputs(step, inputs, attempts)
        except Cancelled as error:
            self.fail(error, self._record(step, StepStatus.CANCELLED, started_s, attempts))
        except (StepRefused, StepFailed) as error:
            self.fail(error, self._record(step, StepStatus.FAILED, started_s, attempts))
        else:
            if self._means.reuse is not None and step.name in self._keys:
                self._means.reuse.put(self._keys[step.name], outputs)
            self._over(step, self._record(step, StepStatus.DONE, started_s, attempts), outputs)

    def _inputs(self, step: Step) -> Inputs | None:
        """Return a step's inputs by port; `None` if one that it needs, or all, lie on ways not taken."""
        inputs: Inputs = {}
        with self._changed:
            for port, sources in step.sources.items():
                values = [value for source in sources if (value := self._values[source]) is not None]
                if values:
                    inputs[port] = tuple(values) if port in step.many else values[0]
                elif port in step.required:
                    return None
        return inputs if inputs or not step.sources else None

    def _outputs(self, step: Step, inputs: Inputs, attempts: list[StepAttempt]) -> Outputs:
        """Try a step as often as it may be; keep every attempt."""
        while True:
            scope, started_s = self._scope(step), time.perf_counter()
            try:
                outputs = self._once(step, inputs, scope)
            except Cancelled as error:
                attempts.append(_attempt(scope, started_s, error))
                if self._stop.is_cancelled:
                    raise
                last: Exception = error  # only this step ran out of time
            except (InvalidInput, NotFound) as error:
                attempts.append(_attempt(scope, started_s, error))
                raise StepRefused(step.name, why=str(error)) from error
            except Exception as error:  # a step may run any code; the run reports it
                attempts.append(_attempt(scope, started_s, error))
                if self._stop.is_cancelled:  # which also took away what the step used
                    raise Cancelled(self._stop.reason) from error
                last = error
            else:
                attempts.append(_attempt(scope, started_s))
                return outputs
            if len(attempts) >= step.retry.attempts:
                raise StepFailed(step.name, why=_why(last)) from last
            self._stop.wait(step.retry.delay_s * 2 ** (len(attempts) - 1))

    def _scope(self, step: Step) -> StepScope:
        log = self._log
        return StepScope(None if log is None else lambda line: log(step.name, line))

    def _once(self, step: Step, inputs: Inputs, scope: StepScope) -> Outputs:
        with self._stop_of(step) as stop, entered(scope):
            stop.check()
            isolation = self._means.isolation
            if isolation is not None and self._is_long(step, inputs):
                outputs = isolation.call(step.component.compute, inputs, cancellation=stop)
            else:
                with self._measuring(step, scope):
                    outputs = step.component.compute(inputs, self._context(stop))
            stop.check()
            return outputs

    def _measuring(self, step: Step, scope: StepScope) -> AbstractContextManager[None]:
        if self._means.meter is None or step.component.container is not None:  # this process only waits for it
            return nullcontext()
        return self._means.meter.measuring(scope)

    @contextmanager
    def _stop_of(self, step: Step) -> Iterator[Cancellation]:
        """Give the switch that stops a step: the run's own, or one that its deadline throws as well."""
        if step.timeout_s is None:
            yield self._stop
            return
        own = Cancellation()
        timer = threading.Timer(step.timeout_s, own.cancel, (f"It took longer than {step.timeout_s:g} s.",))
        timer.daemon = True
        with ExitStack() as stack:
            stack.enter_context(self._stop.interrupting(lambda: own.cancel(self._stop.reason)))
            timer.start()
            stack.callback(timer.cancel)
            yield own

    def _is_long(self, step: Step, inputs: Inputs) -> bool:
        if ports_of(type(step.component)).context is not None:
            return False  # a model's session cannot travel, and stops by itself
        least_s = ISOLATE_FROM_S if step.timeout_s is None else min(ISOLATE_FROM_S, step.timeout_s / 2)
        return step.component.cpu_s(megapixels(inputs)) > least_s

    def _context(self, stop: Cancellation) -> Context:
        return Context(models=self._means.models, cancellation=stop, containers=self._means.containers)

    # The result

    def _over(self, step: Step, record: StepRecord, outputs: Outputs) -> None:
        too_much = False
        with self._changed:
            self._records[step.name] = record
            if self._error is None and self._crash is None:
                self._hold(step, outputs)
                self._release(step)
                too_much = self._held_bytes > self._means.most_held_bytes
                for child in self._children[step.name]:
                    self._missing[child] -= 1
                    if self._missing[child] == 0:
                        self._ready.append(child)
        if self._watch is not None:
            self._watch(record)
        if too_much:
            most = self._means.most_held_bytes
            why = f"the run now holds more than {most:,} bytes: use smaller pictures or fewer branches."
            self.fail(StepRefused(step.name, why=why))

    def fail(self, error: ImageFlowError, record: StepRecord | None = None) -> None:
        """End the run. The first error counts; steps that are under way are stopped."""
        with self._changed:
            if record is not None:
                self._records[record.step] = record
            if self._error is None:
                self._error = error
            self._ready.clear()
            self._changed.notify_all()
        self._stop.cancel("Another step of the run failed.")
        if self._watch is not None and record is not None:
            self._watch(record)

    def _hold(self, step: Step, outputs: Outputs) -> None:
        """Keep the outputs that later steps still read."""
        for port, value in outputs.items():
            source = Source(step.name, port)
            if source in self._readers:
                self._values[source] = value
                self._held_bytes += size_bytes(value) if value is not None else 0

    def _release(self, step: Step) -> None:
        """Forget what this step was the last to read."""
        for sources in step.sources.values():
            for source in sources:
                self._readers[source] -= 1
                if self._readers[source] == 0:
                    value = self._values.pop(source)
                    if source.step != INPUTS and value is not None:
                        self._held_bytes -= size_bytes(value)

    def _record(self, step: Step, status: StepStatus, started_s: float, attempts: list[StepAttempt]) -> StepRecord:
        return StepRecord(
            step=step.name,
            status=status,
            started_s=started_s - self._begun_s,
            seconds=time.perf_counter() - started_s,
            attempts=tuple(attempts),
        )

    def execution(self) -> Execution:
        """Return the outcome of the run, once `work` has returned."""
        never = {
            name: StepRecord(step=name, status=StepStatus.CANCELLED)
            for name in self._plan.steps
            if name not in self._records
        }
        records = self._records | never
        failed = self._error is not None
        return Execution(
            outputs={} if failed else {name: self._values[source] for name, source in self._plan.outputs.items()},
            steps={name: records[name] for name in self._plan.steps},
            seconds=time.perf_counter() - self._begun_s,
            error=self._error,
        )


def _attempt(scope: StepScope, started_s: float, error: Exception | None = None) -> StepAttempt:
    seconds = time.perf_counter() - started_s
    return StepAttempt(seconds=seconds, error="" if error is None else _why(error), resources=scope.used)


def _why(error: Exception) -> str:
    said = str(error).strip() or "no reason was given"
    return said if isinstance(error, ImageFlowError) else f"{type(error).__name__}: {said}"
