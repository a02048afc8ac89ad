"""Outputs of the steps of an item's pipeline for a judged picture: computed again on request, never stored.

Published pipelines, released components and registered models do not change, so these are what the verdict was made of;
where another provider computes the models, within the tolerance that their gate allows.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from imageflow_catalog.pipelines import find_pipeline, plan_of
from imageflow_clients.containers.local import LocalContainers
from imageflow_clients.database.inspection import inspections
from imageflow_clients.step_process import StepProcesses
from imageflow_clients.stores import Stores
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import Cancelled, InvalidInput, NotFound, StepFailed, StepRefused, Timeout, Unavailable
from imageflow_domain.inference import ModelRegistry
from imageflow_inspection.kept_pictures import read_kept
from imageflow_inspection.results import get_result
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.execution import Execution
from imageflow_pipelines.plan import Plan, Source, Step
from imageflow_pipelines.reuse import Reuse
from imageflow_pipelines.value_file import file_of

_REUSE_BYTES = 128 * 2**20


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """What a step gave at one of its outputs, as a file."""

    step: str
    output: str
    kind: str
    """Such as 'image' or 'measurements'."""
    media_type: str
    """Pictures are PNG, or what the step wrote; all else is JSON."""
    data: bytes

    @property
    def sha256(self) -> str:
        """In hex, of `data`."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A step that gave nothing."""

    step: str
    why: str


class Artefacts:
    """Makes artefacts; any thread may ask, but each picture may take two gigabytes.

    Args:
        stores: Where pictures and results are.
        models: The registered ones.
        container_program: See `LocalContainers`.
        longest_s: A step that takes longer, with those before it that are not kept from before, is given up.
    """

    def __init__(
        self, stores: Stores, models: ModelRegistry, *, container_program: str | None = None, longest_s: float = 30.0
    ) -> None:
        self._stores = stores
        self._container_program = container_program
        self._models = models
        self._reuse = Reuse(max_bytes=_REUSE_BYTES)
        self._longest_s = longest_s

    def of(self, inspection: int, place: int, item: str) -> Iterator[Artefact | Failed]:
        """Yield what each step gave that the item's verdict needed, in their order; nothing for ways not taken.

        Raises:
            NotFound: Where there is no such result, or no such item was judged.
            ObjectMissing: When the picture is gone; `ObjectDamaged` when it is another one.
            Timeout: Where a step takes too long.
            Unavailable: Where something that a step needs is down.
        """
        wanted, data = self._read(inspection, place, item)
        with self._engine() as engine:
            for step in wanted.needed():
                execution = self._run(engine, wanted, step, step.outputs, data)
                match execution.error:
                    case None:
                        yield from _files(step, execution)
                    case StepRefused(step=step.name) | StepFailed(step=step.name) as error:
                        yield Failed(step=step.name, why=str(error))
                    case _:
                        continue  # it stands behind one that failed

    def one(self, inspection: int, place: int, item: str, step: str, output: str) -> Artefact:
        """Return what one step gave at one output.

        Raises as `of` does, `NotFound` also for another step or output and for a way not taken, and `InvalidInput`
        where the step, or one before it, could not be done.
        """
        wanted, data = self._read(inspection, place, item)
        found = next((each for each in wanted.needed() if each.name == step and output in each.outputs), None)
        if found is None:
            raise NotFound(f"The pipeline of item '{item}' has no output '{step}.{output}': ask for the list of them.")
        with self._engine() as engine:
            execution = self._run(engine, wanted, found, (output,), data)
        if execution.error is not None:
            raise InvalidInput(str(execution.error)) from execution.error
        for made in _files(found, execution):
            return made
        raise NotFound(f"'{step}.{output}' gave nothing for this picture: it took another way.")

    def _read(self, inspection: int, place: int, item: str) -> tuple[Plan, bytes]:
        found = get_result(self._stores, inspection, place)
        with self._stores.database.begin() as connection:
            judged_by = {by.code: by for by in inspections.get(connection, inspection).judged_by}
            if item not in judged_by:
                known = ", ".join(sorted(judged_by))
                raise NotFound(f"Inspection {inspection} judged no item '{item}', but {known}.")
            wanted = plan_of(connection, find_pipeline(connection, judged_by[item].pipeline))
        return wanted, read_kept(self._stores, found.batch, found.result.picture)

    @contextmanager
    def _engine(self) -> Iterator[Engine]:
        with (
            StepProcesses() as processes,
            LocalContainers(self._stores.scratch, program=self._container_program) as containers,
            Engine(
                models=self._models, containers=containers, isolation=processes, threads=1, reuse=self._reuse
            ) as engine,
        ):
            yield engine

    def _run(self, engine: Engine, wanted: Plan, step: Step, outputs: tuple[str, ...], data: bytes) -> Execution:
        """Do one step, and those before it that are not kept from before: only its own outputs are held.

        The execution's error is a step's own; other failures are raised as `Unavailable`.
        """
        asked = replace(wanted, outputs={output: Source(step.name, output) for output in outputs})
        stop = Cancellation()
        timer = threading.Timer(self._longest_s, stop.cancel)
        timer.daemon = True
        timer.start()
        try:
            execution = engine.run(asked, {wanted.spec.inputs[0]: data}, cancellation=stop)
        finally:
            timer.cancel()
        match execution.error:
            case Cancelled():
                raise Timeout(
                    f"Step '{step.name}' takes longer than {self._longest_s:g} s: `imageflow pipeline run` has all the "
                    "time that it needs."
                )
            case StepFailed(__cause__=Unavailable() as cause):
                raise cause
            case None | StepRefused() | StepFailed():
                return execution
            case error:
                raise error


def _files(step: Step, execution: Execution) -> Iterator[Artefact]:
    for output, value in execution.outputs.items():
        if value is not None:
            made = file_of(value)
            yield Artefact(step=step.name, output=output, kind=made.kind, media_type=made.media_type, data=made.data)
