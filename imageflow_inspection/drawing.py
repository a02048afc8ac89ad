"""The picture that people look at where something is wrong: what was found drawn on it, verdicts in its corner."""

from collections.abc import Sequence

from imageflow_domain.inspection import Judgement, Verdict
from imageflow_pipelines.components.decode import Decode
from imageflow_pipelines.components.encode import Encode
from imageflow_pipelines.components.overlay import Overlay
from imageflow_pipelines.values import Detection, Detections, Encoded, Text

_QUALITY = 90


def draw(picture: bytes, found: Sequence[Detection], items: Sequence[Judgement]) -> bytes:
    """Return a JPEG with defects marked and the items that did not pass named; raise `InvalidInput` for no picture."""
    image = Decode()(Encoded(picture))
    told = "\n".join(f"{item.item}: {item.verdict.value}" for item in items if item.verdict is not Verdict.PASS)
    drawn = Overlay()(image, detections=(Detections(tuple(found)),), text=Text(told))
    return Encode(format="jpeg", quality=_QUALITY)(drawn).data
