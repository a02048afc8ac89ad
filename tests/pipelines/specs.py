"""Specs for tests, and ways to write them short."""

from typing import Any

from imageflow_pipelines.spec import PipelineSpec
from imageflow_pipelines.spec_text import parse_spec

JUDGED = """\
pipeline: judged
version: 3
description: Marks blobs where there are any.
steps:
  decode:
    use: decode@1
    from: {picture: inputs.picture}
  mask:
    use: threshold@1
    with: {level: 128}
    from: {image: decode.image}
  blobs:
    use: blobs@1
    with: {mm_per_px: 0.5}
    from: {mask: mask.mask}
  any:
    use: branch@1
    with: {measurement: count, condition: '>', limit: 0}
    from: {value: decode.image, measurements: blobs.measurements}
  drawn:
    use: overlay@1
    from: {image: any.yes, detections: [blobs.detections]}
  either:
    use: merge@1
    from: {values: [drawn.image, any.no]}
  out:
    use: encode@1
    with: {format: png}
    from: {image: either.value}
outputs:
  picture: out.encoded
  counted: blobs.measurements
"""


def step(use: str, parameters: dict[str, Any] | None = None, /, **sources: str | list[str]) -> dict[str, Any]:
    return {"use": use, "with": parameters or {}, "from": sources}


def spec(steps: dict[str, Any], **outputs: str) -> PipelineSpec:
    return parse_spec({"pipeline": "test", "steps": steps, "outputs": outputs})


def decoded(steps: dict[str, Any], **outputs: str) -> PipelineSpec:
    """The same, after a step that decodes the picture."""
    return spec({"decode": step("decode@1", picture="inputs.picture"), **steps}, **outputs)
