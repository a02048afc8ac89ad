"""Previews: what one step of a pipeline gives for samples, computed in memory while the pipeline is being edited.

Nothing is stored. The engine that computes them keeps results of steps, so that only a step that changed, and those
after it, are computed again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from imageflow_catalog.components import registry_of
from imageflow_clients.stores import Stores
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import Cancelled, Fault, InvalidInput, InvalidPipeline, TooLarge, Unavailable
from imageflow_domain.executions import ExecutionError
from imageflow_executions.failure import execution_error
from imageflow_executions.parameters import refuse_containers
from imageflow_executions.samples import Samples, claimed_px
from imageflow_pipelines.components.resize import Resize
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.execution import StepRecord
from imageflow_pipelines.plan import Plan, Source, plan
from imageflow_pipelines.spec_text import parse_spec
from imageflow_pipelines.value_file import ValueFile, file_of
from imageflow_pipelines.values import Image, Mask, Value

MOST_SAMPLES = 8
MOST_PX = 80_000_000
"""Of all samples of one preview together."""

MOST_OUTPUT_BYTES = 16 * 2**20
"""Of one output as a file."""

REUSED_BYTES = 256 * 2**20
"""Results of steps that an engine keeps for previews."""

HELD_BYTES = 2**30
"""Values that one preview may hold."""

SIDE_PX = 1024
"""Longer side of pixels in an answer, where the request states none."""

LEAST_SIDE_PX, MOST_SIDE_PX = 16, 4096


@dataclass(frozen=True, kw_only=True)
class PreviewRequest:
    """What a client wants to see."""

    spec: Mapping[str, Any]
    """Of the pipeline."""
    step: str
    samples: Sequence[Mapping[str, str]]
    """Digests of kept images by input, of each sample; under any name for a pipeline with one input."""
    longest_side_px: int = SIDE_PX
    """Pixels that are larger are reduced to it."""


@dataclass(frozen=True, kw_only=True)
class PreviewOutput:
    """One output of the step."""

    file: ValueFile
    width_px: int = 0
    """Of the value, which the file shows reduced where that is smaller; 0 for anything but pixels."""
    height_px: int = 0


@dataclass(frozen=True, kw_only=True)
class SamplePreview:
    """What the step gave for one sample."""

    outputs: Mapping[str, PreviewOutput | None]
    """`None` where a branch went another way; empty where there is an error."""
    steps: Sequence[StepRecord]
    """The step and those that it depends on, in the pipeline's order."""
    seconds: float
    error: ExecutionError | None


def plan_preview(stores: Stores, request: PreviewRequest) -> Plan:
    """Return the plan that gives the outputs of the step.

    Raises:
        InvalidPipeline: For a spec that cannot run, or has no such step, with the path of each fault.
        InvalidInput: For wrong samples, or sizes.
    """
    if not LEAST_SIDE_PX <= request.longest_side_px <= MOST_SIDE_PX:
        raise InvalidInput(f"'longest_side_px' is {LEAST_SIDE_PX} to {MOST_SIDE_PX}.")
    if not 1 <= len(request.samples) <= MOST_SAMPLES:
        raise InvalidInput(f"A preview has 1 to {MOST_SAMPLES} samples, not {len(request.samples)}.")
    with stores.database.begin() as connection:
        registry = registry_of(connection)
    wanted = plan(parse_spec(dict(request.spec)), registry)
    refuse_containers(wanted)
    found = wanted.steps.get(request.step)
    if found is None:
        reason = f"there is no step '{request.step[:80]}': there is {', '.join(wanted.steps)}"
        raise InvalidPipeline([Fault(path="step", reason=reason)])
    return replace(wanted, outputs={output: Source(found.name, output) for output in found.outputs})


class Previews:
    """Computes previews on one engine, for any number of threads.

    Args:
        stores: Where registered components are.
        engine: Runs plans; what it reuses makes previews fast.
        samples: Images that requests name.
    """

    def __init__(self, stores: Stores, engine: Engine, samples: Samples) -> None:
        self._stores = stores
        self._engine = engine
        self.samples = samples

    def compute(self, request: PreviewRequest, stop: Cancellation) -> Sequence[SamplePreview]:
        """Return one result for each sample. A step's error is in the result of its sample.

        Raises as `plan_preview` does, and:
            SampleForgotten: For an image that is not kept.
            TooLarge: For samples of too many pixels together.
            Cancelled: Once `stop` is thrown.
            Unavailable: Where something that a step needs is down.
        """
        wanted = plan_preview(self._stores, request)
        images = [self._images(wanted, sample) for sample in request.samples]
        size_px = sum(claimed_px(data) for sample in images for data in sample.values())
        if size_px > MOST_PX:
            raise TooLarge(f"The samples have {size_px:,} pixels together, more than {MOST_PX:,}: send fewer of them.")
        return [self._of_sample(wanted, sample, request.longest_side_px, stop) for sample in images]

    def _images(self, wanted: Plan, sample: Mapping[str, str]) -> Mapping[str, bytes]:
        inputs = wanted.spec.inputs
        if len(inputs) == 1 and len(sample) == 1:
            sample = {inputs[0]: next(iter(sample.values()))}
        if set(sample) != set(inputs):
            given = ", ".join(each[:80] for each in sample) or "none"
            raise InvalidInput(f"The pipeline takes the images {', '.join(inputs)}; a sample has {given}.")
        return {name: self.samples.get(digest) for name, digest in sample.items()}

    def _of_sample(self, wanted: Plan, images: Mapping[str, bytes], side_px: int, stop: Cancellation) -> SamplePreview:
        done = self._engine.run(wanted, images, cancellation=stop)
        outputs: Mapping[str, PreviewOutput | None] = {}
        error = done.error
        match error:
            case None:
                try:
                    outputs = {
                        name: None if value is None else _output(name, value, side_px, stop)
                        for name, value in done.outputs.items()
                    }
                except TooLarge as too_large:
                    error = too_large
            case Cancelled():
                raise error
            case _ if isinstance(error.__cause__, Unavailable):
                raise error.__cause__
        return SamplePreview(
            outputs=outputs,
            steps=[done.steps[step.name] for step in wanted.needed()],
            seconds=done.seconds,
            error=None if error is None else execution_error(error),
        )


def _output(name: str, value: Value, side_px: int, stop: Cancellation) -> PreviewOutput:
    stop.check()
    width_px, height_px = (value.width_px, value.height_px) if isinstance(value, Image | Mask) else (0, 0)
    file = file_of(_reduced(value, side_px))
    if len(file.data) > MOST_OUTPUT_BYTES:
        raise TooLarge(
            f"'{name}' has {len(file.data):,} bytes, more than the {MOST_OUTPUT_BYTES:,} of a preview: select the step "
            "before it, or use smaller images."
        )
    return PreviewOutput(file=file, width_px=width_px, height_px=height_px)


def _reduced(value: Value, side_px: int) -> Value:
    match value:
        case Image() if max(value.width_px, value.height_px) > side_px:
            return _fit(value, side_px, "area")
        case Mask() if max(value.width_px, value.height_px) > side_px:
            return Mask(_fit(Image(value.pixels), side_px, "nearest").pixels)
        case _:
            return value


def _fit(image: Image, side_px: int, interpolation: Literal["area", "nearest"]) -> Image:
    return Resize(width_px=side_px, height_px=side_px, mode="fit", interpolation=interpolation)(image)
