"""Which of several things a picture shows, by a model."""

from typing import ClassVar, NamedTuple

import numpy as np
from pydantic import Field
from typing_extensions import override

from imageflow_domain.inference import ModelTask
from imageflow_pipelines.component import Component, Context, Needs
from imageflow_pipelines.tensors import ModelName, ask, identity, open_model
from imageflow_pipelines.values import Detection, Detections, Image, Measurement, Measurements


class Classified(NamedTuple):
    """One port each; the detections concern the whole picture and have no boxes."""

    detections: Detections
    measurements: Measurements


class Classify(Component):
    """Ask a model what the picture shows: the `most` likely labels whose score is at least `min_score`, best first.

    Every label's score is measured under its name.
    """

    name: ClassVar[str] = "classify"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.01, bytes_per_px=16, gpu=True)

    model: ModelName
    min_score: float = Field(default=0, ge=0, le=1)
    most: int = Field(default=1, ge=1, le=1000)

    @override
    def identity(self, context: Context) -> str:
        return identity(self.model, context)

    def __call__(self, image: Image, context: Context) -> Classified:
        """Raise `InvalidInput` for a model of another task, or one without `scores`."""
        session = open_model(self.model, ModelTask.CLASSIFY, context)
        (scores,) = ask(session, image, context, "scores")
        rounded = np.round(scores.astype(np.float64), 6).tolist()
        named = list(zip(session.model.labels, rounded, strict=True))
        best = [named[i] for i in np.argsort(-scores, kind="stable")[: self.most]]
        return Classified(
            detections=Detections(
                tuple(Detection(label=label, score=score) for label, score in best if score >= self.min_score)
            ),
            measurements=Measurements(tuple(Measurement(name=label, value=score) for label, score in named)),
        )
