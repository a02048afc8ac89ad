"""Camera streams: the frames of one execution, each of which is processed in memory and not kept."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from imageflow_clients.database.executions import streams
from imageflow_clients.database.executions.attempts import StepChange
from imageflow_clients.database.executions.queue import LEASE
from imageflow_clients.stores import Stores
from imageflow_domain.access import Principal
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import Cancelled, ImageFlowError, InvalidInput, Unavailable
from imageflow_domain.executions import (
    ExecutionError,
    ExecutionRecord,
    ExecutionState,
    FrameCounts,
    Runner,
    StepFacts,
    new_id,
)
from imageflow_executions.failure import execution_error
from imageflow_executions.parameters import refuse_containers
from imageflow_executions.start import StartRequest, prepare_request
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.execution import Execution, StepStatus
from imageflow_pipelines.plan import Plan
from imageflow_pipelines.value_file import ValueFile, file_of

_RAN = frozenset({StepStatus.DONE, StepStatus.FAILED})


@dataclass(frozen=True, kw_only=True)
class FrameResult:
    """What the pipeline gave for one frame."""

    outputs: Mapping[str, ValueFile | None]
    """`None` where a branch went another way; empty where there is an error."""
    seconds: float
    error: ExecutionError | None


class Streams:
    """The camera streams of one engine.

    Args:
        stores: Where rows are.
        engine: Runs plans.
        name: Of this engine, as leases have it.
    """

    def __init__(self, stores: Stores, engine: Engine, name: str) -> None:
        self._stores = stores
        self._engine = engine
        self._name = name

    def begin(self, start_request: StartRequest, principal: Principal) -> "Stream":
        """Begin a stream: an execution that is running from its beginning.

        Raises:
            InvalidPipeline: For a spec or parameters that cannot run, with the path of each fault.
            InvalidInput: For wrong texts, or a pipeline with several inputs or with container components.
            NotFound: For a pipeline that is not published.
        """
        wanted, request = prepare_request(self._stores, start_request, principal)
        refuse_containers(wanted)
        if len(wanted.spec.inputs) != 1:
            raise InvalidInput(
                f"The pipeline takes the images {', '.join(wanted.spec.inputs)}: a stream has frames for one input."
            )
        with self._stores.database.begin() as connection:
            record = streams.begin(connection, new_id(), replace(request, runner=Runner.ENGINE), self._name)
        return Stream(self._stores, self._engine, self._name, record, wanted)


class Stream:
    """One camera stream. `process` is called from one thread at a time."""

    def __init__(self, stores: Stores, engine: Engine, name: str, record: ExecutionRecord, plan: Plan) -> None:
        self._stores = stores
        self._engine = engine
        self._name = name
        self._record = record
        self._plan = plan
        self._totals = {
            step: StepFacts(step=step, place=place, status=StepStatus.UNNEEDED, started_s=0.0, seconds=0.0)
            for place, step in enumerate(plan.steps)
        }
        self.counts = FrameCounts()
        """What became of its frames so far; belongs to its owner's thread."""
        self.stop = Cancellation()
        """Stops the frame that is processed."""

    @property
    def id(self) -> str:
        """Of the execution."""
        return str(self._record.id)

    def process(self, data: bytes) -> FrameResult:
        """Return what the pipeline gives for a frame; an error of a step is in it.

        Raises `Cancelled` once `stop` is thrown, and `Unavailable` where something that a step needs is down.
        """
        done = self._engine.run(self._plan, {self._plan.spec.inputs[0]: data}, cancellation=self.stop)
        self._add(done)
        match done.error:
            case None:
                outputs = {name: None if value is None else file_of(value) for name, value in done.outputs.items()}
                return FrameResult(outputs=outputs, seconds=done.seconds, error=None)
            case Cancelled():
                raise done.error
            case error if isinstance(error.__cause__, Unavailable):
                raise error.__cause__
            case error:
                return FrameResult(outputs={}, seconds=done.seconds, error=execution_error(error))

    def beat(self, counts: FrameCounts) -> None:
        """Tell the database that the stream goes on, and its frames so far.

        Raises `Cancelled` where it is to be cancelled, `Unavailable` where another engine has ended it.
        """
        with self._stores.database.begin() as connection:
            state = streams.beat(connection, self._name, self._record.id, counts, lease=LEASE)
        if state is None:
            raise Unavailable("The engine was silent for too long and has lost the stream: start another one.")
        if state is ExecutionState.CANCELLED:
            raise Cancelled("The stream was cancelled.")

    def end(self, state: ExecutionState, counts: FrameCounts, error: ImageFlowError | None = None) -> None:
        """End the execution in one of the last states, with what all frames took of each step."""
        changes = [
            StepChange(execution=self._record.id, attempt=self._record.attempt, facts=facts, is_end=True)
            for facts in self._totals.values()
        ]
        failure = None if error is None else execution_error(error)
        with self._stores.database.begin() as connection:
            streams.end(connection, self._name, self._record, state, counts, changes, lease=LEASE, error=failure)

    def _add(self, done: Execution) -> None:
        for name, step in done.steps.items():
            total = self._totals[name]
            if step.status in _RAN:
                status = step.status if total.status is not StepStatus.FAILED else StepStatus.FAILED
                self._totals[name] = replace(total, status=status, seconds=total.seconds + step.seconds)
