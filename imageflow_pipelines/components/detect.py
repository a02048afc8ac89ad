"""Things and where they are, by a model."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import override

from imageflow_domain.errors import InvalidInput
from imageflow_domain.inference import ModelTask
from imageflow_pipelines.component import Component, Context, Needs
from imageflow_pipelines.tensors import Floats, ModelName, ask, identity, input_size, open_model
from imageflow_pipelines.values import Box, Detection, Detections, Image


class Detect(Component):
    """Ask a model what is where; the best come first.

    Of boxes with the same label that overlap by more than `max_overlap` (intersection over union) only the best counts.
    """

    name: ClassVar[str] = "detect"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.01, bytes_per_px=16, gpu=True)

    model: ModelName
    min_score: float = Field(default=0.5, gt=0, le=1)
    max_overlap: float = Field(default=0.5, ge=0, le=1)
    most: int = Field(default=100, ge=1, le=1000)

    @override
    def identity(self, context: Context) -> str:
        return identity(self.model, context)

    def __call__(self, image: Image, context: Context) -> Detections:
        """Return boxes in pixels of the picture, cut off at its edges.

        Raises `InvalidInput` for a model of another task, or whose boxes and scores do not fit its labels.
        """
        session = open_model(self.model, ModelTask.DETECT, context)
        boxes, scores = ask(session, image, context, "boxes", "scores")
        labels = session.model.labels
        if boxes.shape[1:] != (4,) or scores.shape != (len(boxes), len(labels)):
            raise InvalidInput(
                f"Model {self.model} answered boxes of shape {boxes.shape} and scores of {scores.shape} "
                f"for {len(labels)} labels: it cannot be used here."
            )
        width, height = input_size(session.model, image.pixels)
        scale = np.array([image.width_px / width, image.height_px / height] * 2)
        edge = np.array([image.width_px, image.height_px] * 2)
        corners = np.round(np.clip(boxes.astype(np.float64) * scale, 0, edge), 3)
        found = [
            (round(float(scores[row, column]), 6), row, column)
            for column in range(len(labels))
            for row in self._kept(corners, scores[:, column])
        ]
        found.sort(key=lambda item: (-item[0], item[1:]))
        return Detections(
            tuple(
                Detection(label=labels[column], score=score, box=_box(corners[row]))
                for score, row, column in found[: self.most]
            )
        )

    def _kept(self, corners: NDArray[np.float64], scores: Floats) -> list[int]:
        """Return the rows that stay after non-maximum suppression, best first."""
        size = corners[:, 2:] - corners[:, :2]
        areas = size[:, 0] * size[:, 1]
        waiting = np.flatnonzero((scores >= self.min_score) & (size > 0).all(axis=1))
        waiting = waiting[np.argsort(-scores[waiting], kind="stable")]
        kept: list[int] = []
        while len(waiting) and len(kept) < self.most:
            best, waiting = int(waiting[0]), waiting[1:]
            kept.append(best)
            near = np.maximum(corners[waiting, :2], corners[best, :2])
            far = np.minimum(corners[waiting, 2:], corners[best, 2:])
            shared = np.prod(np.maximum(far - near, 0), axis=1)
            waiting = waiting[shared <= self.max_overlap * (areas[waiting] + areas[best] - shared)]
        return kept


def _box(corners: NDArray[np.float64]) -> Box:
    left, top, right, bottom = (float(side) for side in corners)
    return Box(x_px=left, y_px=top, width_px=round(right - left, 3), height_px=round(bottom - top, 3))
