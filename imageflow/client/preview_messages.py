"""Previews as messages of gRPC."""

import json
from collections.abc import Iterator, Sequence

from imageflow.client.execution_messages import problem_of
from imageflow.client.preview_request import PreviewRequest
from imageflow.client.values import PreviewOutput, SamplePreview, Step
from imageflow.v1 import preview_pb2 as pb
from imageflow.v1.limits import CHUNK_BYTES


def message(request: PreviewRequest) -> pb.PreviewRequest:
    """Return a request, whose images are named by their digests."""
    return pb.PreviewRequest(
        session=request.session,
        spec_json=json.dumps(request.spec),
        step=request.step,
        samples=[
            pb.PreviewSample(images={name: image.sha256 for name, image in sample.items()})
            for sample in request.samples
        ],
        longest_side_px=request.longest_side_px,
    )


def chunks(image: bytes) -> Iterator[pb.SampleChunk]:
    """Yield the parts of an image."""
    for begin in range(0, len(image), CHUNK_BYTES):
        yield pb.SampleChunk(data=image[begin : begin + CHUNK_BYTES])


def previews(results: pb.SampleResults, data: bytes) -> Sequence[SamplePreview]:
    """Return what a step gave; `data` has the bytes of all outputs, one after another."""
    found, begin = [], 0
    for sample in results.samples:
        outputs: dict[str, PreviewOutput | None] = dict.fromkeys(sample.absent_outputs)
        for output in sample.outputs:
            outputs[output.name] = _output(output, data[begin : begin + output.size])
            begin += output.size
        found.append(_preview(sample, outputs))
    return found


def _preview(sample: pb.SampleResult, outputs: dict[str, PreviewOutput | None]) -> SamplePreview:
    error = problem_of(sample.error) if sample.HasField("error") else None
    steps = [
        Step(step=each.step, status=each.status, seconds=each.seconds, tries=each.tries, error=each.error)
        for each in sample.steps
    ]
    return SamplePreview(outputs=outputs, steps=steps, seconds=sample.seconds, error=error)


def _output(output: pb.PreviewOutput, data: bytes) -> PreviewOutput:
    return PreviewOutput(
        name=output.name,
        kind=output.kind,
        media_type=output.media_type,
        sha256=output.sha256,
        data=data,
        width_px=output.width_px,
        height_px=output.height_px,
    )
