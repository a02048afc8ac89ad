"""Runs plans: steps in topological order, branches side by side, every step timed, tried again, stopped and reused.

A run is a pure function of the plan, the sources and the models' runtime: neither the order in which parallel
steps happen to run nor how many threads there are changes a byte.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from typing_extensions import override

from imageflow_domain.cancellation import Cancellation
from imageflow_domain.containers import Containers, NoContainers
from imageflow_domain.errors import Cancelled, InvalidInput, NotFound, TooLarge
from imageflow_domain.inference import InferenceSession, ModelDescription, ModelId, ModelRegistry, ReferenceImage
from imageflow_domain.isolation import Isolation
from imageflow_domain.step_scope import Meter
from imageflow_pipelines.execution import Execution
from imageflow_pipelines.limits import MAX_ENCODED_BYTES, MAX_HELD_BYTES
from imageflow_pipelines.plan import Plan
from imageflow_pipelines.plan_run import Log, Means, PlanRun, Watch
from imageflow_pipelines.reuse import Reuse


class NoModels(ModelRegistry):
    """A registry without models."""

    @override
    def describe(self, model: ModelId) -> ModelDescription:
        return self.open(model).model

    @override
    def open(self, model: ModelId) -> InferenceSession:
        raise NotFound(f"There is no model '{model}': none is registered.")

    @override
    def reference(self, model: ModelId) -> ReferenceImage:
        raise NotFound(f"There is no model '{model}': none is registered.")


class Engine:
    """Shared by all runs of a process; any number of threads may call `run` at once. A context manager.

    Args:
        models: Where components find models.
        containers: Runs components that are container images. Without it their steps fail.
        isolation: Runs steps that may take longer than a second where they can be killed. Without one they run in
            place, and a cancelled run ends only once they have.
        threads: How many steps of one run go on at once, at least 1.
        reuse: Keeps what steps gave. Without one everything is computed anew.
        most_held_bytes: Of all values of one run that a later step still needs.
        meter: Measures what steps use of this process. Without one only steps in processes of their own say it.
    """

    def __init__(
        self,
        *,
        models: ModelRegistry | None = None,
        containers: Containers | None = None,
        isolation: Isolation | None = None,
        threads: int = 2,
        reuse: Reuse | None = None,
        most_held_bytes: int = MAX_HELD_BYTES,
        meter: Meter | None = None,
    ) -> None:
        self._means = Means(
            models=models or NoModels(),
            containers=containers or NoContainers(),
            isolation=isolation,
            threads=threads,
            reuse=reuse,
            most_held_bytes=most_held_bytes,
            # The calling thread is one of them.
            helpers=ThreadPoolExecutor(threads - 1, "imageflow-step") if threads > 1 else None,
            meter=meter,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._means.helpers is not None:
            self._means.helpers.shutdown()

    def run(
        self,
        plan: Plan,
        sources: Mapping[str, bytes],
        *,
        cancellation: Cancellation | None = None,
        watch: Watch | None = None,
        log: Log | None = None,
    ) -> Execution:
        """Run a plan on encoded pictures, by the names of the spec's inputs.

        Exceptions of steps become the execution's `error`. Raises `InvalidInput` for sources that the plan does not
        take or that are missing, `TooLarge` for one of more than 64 MiB.
        """
        _check_sources(plan, sources)
        asked = cancellation or Cancellation()
        stop = Cancellation()  # also stops the other branches when a step has failed
        run = PlanRun(self._means, plan, sources, stop, watch=watch, log=log)
        try:
            with asked.interrupting(lambda: stop.cancel(asked.reason)):
                run.work()
        except Cancelled as error:  # before it began
            run.fail(error)
        finally:
            stop.cancel("The run is over.")  # also where an interruption ends it: no helper works on
        return run.execution()


def _check_sources(plan: Plan, sources: Mapping[str, bytes]) -> None:
    wanted = plan.spec.inputs
    if set(sources) != set(wanted):
        raise InvalidInput(f"The pipeline takes {', '.join(wanted)}; given was {', '.join(sources) or 'nothing'}.")
    for name, data in sources.items():
        if len(data) > MAX_ENCODED_BYTES:
            raise TooLarge(f"'{name}' has {len(data):,} bytes, more than {MAX_ENCODED_BYTES:,}: make it smaller.")
