"""What previews answer, by REST and over a WebSocket."""

import base64
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, Field

from imageflow.client.preview_request import SampleImage
from imageflow.client.values import PreviewOutput, Problem, SamplePreview, Step


class PreviewedOutput(BaseModel):
    """What the step gave at one of its outputs."""

    kind: str = Field(examples=["image"])
    """Of the value: encoded images are files as the step wrote them, pixels are PNG, everything else is JSON."""
    media_type: str = Field(examples=["image/png"])
    sha256: str
    """Of the bytes."""
    width_px: int | None
    """Of the pixels in the pipeline, which `data` has reduced where they are larger than asked for."""
    height_px: int | None
    data: str
    """The bytes in base64."""

    @classmethod
    def of(cls, output: PreviewOutput) -> Self:
        """Return an output."""
        return cls(
            kind=output.kind,
            media_type=output.media_type,
            sha256=output.sha256,
            width_px=output.width_px or None,
            height_px=output.height_px or None,
            data=base64.b64encode(output.data).decode(),
        )


class PreviewedStep(BaseModel):
    """What one step did."""

    step: str
    status: str = Field(examples=["reused"])
    """`done`, or `reused` where it was kept from an earlier preview, and `unneeded` where the steps after it were."""
    seconds: float
    tries: int
    error: str
    """Of the last try that failed."""

    @classmethod
    def of(cls, step: Step) -> Self:
        """Return a step."""
        return cls(step=step.step, status=step.status, seconds=step.seconds, tries=step.tries, error=step.error)


class PreviewProblem(BaseModel):
    """Why there are no outputs."""

    code: str = Field(examples=["STEP_REFUSED"])
    message: str
    step: str | None
    """The one that failed, where it was one."""

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """Return a problem."""
        return cls(code=problem.code, message=problem.message, step=problem.step or None)


class PreviewedSample(BaseModel):
    """What the step gave for one sample."""

    images: dict[str, str]
    """SHA-256 of its images by input: a later preview names them so, and their bytes need not be sent again."""
    outputs: dict[str, PreviewedOutput | None]
    """`null` where a branch went another way; empty where there is an error."""
    steps: list[PreviewedStep]
    """The step and those that it depends on, in the pipeline's order."""
    seconds: float
    error: PreviewProblem | None

    @classmethod
    def of(cls, preview: SamplePreview, images: Mapping[str, SampleImage]) -> Self:
        """Return the preview of a sample."""
        return cls(
            images={name: image.sha256 for name, image in images.items()},
            outputs={name: each and PreviewedOutput.of(each) for name, each in preview.outputs.items()},
            steps=[PreviewedStep.of(each) for each in preview.steps],
            seconds=preview.seconds,
            error=preview.error and PreviewProblem.of(preview.error),
        )
