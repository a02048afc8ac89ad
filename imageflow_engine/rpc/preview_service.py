"""The methods of `PreviewService`, over the use case of previews."""

from collections.abc import Iterator, Sequence
from functools import partial

from anyio import CapacityLimiter

from imageflow.v1 import preview_pb2 as pb
from imageflow.v1.image_processing_pb2 import StepResult
from imageflow.v1.limits import CHUNK_BYTES
from imageflow_domain.errors import TooLarge
from imageflow_domain.texts import check_text
from imageflow_engine.rpc import status
from imageflow_engine.rpc.call import Call, Method
from imageflow_engine.rpc.newest import Newest
from imageflow_engine.rpc.requests import parsed_spec
from imageflow_engine.rpc.stoppable import on_thread
from imageflow_executions.preview import SIDE_PX, PreviewOutput, PreviewRequest, Previews, SamplePreview
from imageflow_executions.samples import MOST_SAMPLE_BYTES

_AT_ONCE = 2
_SESSIONS = 32
_LONGEST_S = 20.0
_ARRIVING = 8
"""Samples that are received at once; each is in memory."""

_SESSION_CHARS = 200


class PreviewService:
    """The service of one engine. Belongs to one event loop."""

    def __init__(self, previews: Previews) -> None:
        self._previews = previews
        self._newest = Newest(at_once=_AT_ONCE, most=_SESSIONS, longest_s=_LONGEST_S)
        self._arriving = CapacityLimiter(_ARRIVING)

    def methods(self) -> tuple[Method, ...]:
        """Return every method of the service."""
        method = partial(Method, is_write=True)
        return method(name="KeepSample", answer=self.keep_sample), method(name="Preview", answer=self.preview)

    async def keep_sample(self, call: Call) -> None:
        """Keep an image, and send its digest."""
        async with self._arriving:
            data = bytearray()
            while (chunk := await call.receive(pb.SampleChunk)) is not None:
                if len(data) + len(chunk.data) > MOST_SAMPLE_BYTES:
                    raise TooLarge(f"A sample has more than {MOST_SAMPLE_BYTES:,} bytes: make it smaller.")
                data += chunk.data
            digest = self._previews.samples.keep(bytes(data))
        await call.send(pb.KeptSample(sha256=digest))

    async def preview(self, call: Call) -> None:
        """Send what a step gives, unless a newer request of the session comes before it is computed."""
        message = await call.only(pb.PreviewRequest)
        session = check_text(message.session, "The session", least=1, most=_SESSION_CHARS)
        request = PreviewRequest(
            spec=parsed_spec(message.spec_json),
            step=message.step,
            samples=[dict(sample.images) for sample in message.samples],
            longest_side_px=message.longest_side_px if message.HasField("longest_side_px") else SIDE_PX,
        )
        async with self._newest.turn(session) as turn:
            found = await on_thread(lambda: self._previews.compute(request, turn.stop), turn.stop)
        results = pb.SampleResults(samples=[_result(sample) for sample in found])
        await call.send(pb.PreviewPart(results=results))
        for output in _outputs(found):
            for begin in range(0, len(output.file.data), CHUNK_BYTES):
                await call.send(pb.PreviewPart(data=output.file.data[begin : begin + CHUNK_BYTES]))


def _outputs(found: Sequence[SamplePreview]) -> Iterator[PreviewOutput]:
    return (output for sample in found for output in sample.outputs.values() if output is not None)


def _result(sample: SamplePreview) -> pb.SampleResult:
    made = pb.SampleResult(
        outputs=[_output(name, each) for name, each in sample.outputs.items() if each is not None],
        absent_outputs=[name for name, each in sample.outputs.items() if each is None],
        steps=[
            StepResult(
                step=step.step,
                status=step.status,
                seconds=step.seconds,
                tries=len(step.attempts),
                error=next((each.error for each in reversed(step.attempts) if each.error), ""),
            )
            for step in sample.steps
        ],
        seconds=sample.seconds,
    )
    if sample.error is not None:
        made.error.CopyFrom(status.failure(sample.error, {}))
    return made


def _output(name: str, output: PreviewOutput) -> pb.PreviewOutput:
    return pb.PreviewOutput(
        name=name,
        kind=output.file.kind,
        media_type=output.file.media_type,
        size=len(output.file.data),
        sha256=output.file.sha256,
        width_px=output.width_px,
        height_px=output.height_px,
    )
