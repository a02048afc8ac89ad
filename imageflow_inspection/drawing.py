"""The picture that people look at where something is wrong: what was found drawn on it, verdicts in its corner."""

from collections.abc import Sequence

from imageflow_domain.inspection import Judgement, Verdict
from imageflow_pipelines.components.decode import Decode
from imageflow_pipelines.components.decode_v2 import DecodeV2
from imageflow_pipelines.components.encode import Encode
from imageflow_pipelines.components.overlay import Overlay
from imageflow_pipelines.plan import Plan
from imageflow_pipelines.values import Detection, Detections, Encoded, Text

_QUALITY = 90


def draw(picture: bytes, found: Sequence[Detection], items: Sequence[Judgement], reader: Decode | DecodeV2) -> bytes:
    """Return a JPEG with defects marked and the items that did not pass named; raise `InvalidInput` for no picture.

    Args:
        picture: As a file.
        found: What to mark.
        items: All that were judged.
        reader: What the pipeline that found it read the picture with: another version may turn it another way.
    """
    image = reader(Encoded(picture))
    caption = "\n".join(f"{item.item}: {item.verdict.value}" for item in items if item.verdict is not Verdict.PASS)
    drawn = Overlay()(image, detections=(Detections(tuple(found)),), text=Text(caption))
    return Encode(format="jpeg", quality=_QUALITY)(drawn).data


def reader_of(plan: Plan) -> Decode | DecodeV2:
    """Return the version of `decode` that a pipeline reads pictures with, or the newest where it has none."""
    components = (step.component for step in plan.steps.values())
    return next((each for each in components if isinstance(each, (Decode, DecodeV2))), DecodeV2())
