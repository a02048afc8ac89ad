"""Where a picture is unlike good ones, by a model."""

from typing import ClassVar, NamedTuple

import cv2
import numpy as np
from pydantic import Field
from typing_extensions import override

from imageflow_domain.errors import InvalidInput
from imageflow_domain.inference import ModelTask
from imageflow_pipelines.component import Component, Context, Needs
from imageflow_pipelines.tensors import Floats, ModelName, ask, identity, open_model
from imageflow_pipelines.values import Box, Detection, Detections, Image, Mask, Measurement, Measurements, Pixels


class Judged(NamedTuple):
    """One port each; `heat` and `mask` have the picture's size."""

    heat: Image
    mask: Mask
    detections: Detections
    measurements: Measurements


class Anomaly(Component):
    """Ask a model how unlike good products each place is.

    `heat` is grey, 255 where the model is sure; `mask` marks what is at least `threshold`; connected places of at least
    `min_area_px` are detections called `label`, scored by their hottest pixel, in the order of rows. The picture's
    hottest pixel is measured as `anomaly`.
    """

    name: ClassVar[str] = "anomaly"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.05, bytes_per_px=24, gpu=True)

    model: ModelName
    threshold: float = Field(default=0.5, gt=0, le=1)
    min_area_px: int = Field(default=1, ge=1)
    label: str = Field(default="anomaly", min_length=1, max_length=64)

    @override
    def identity(self, context: Context) -> str:
        return identity(self.model, context)

    def __call__(self, image: Image, context: Context) -> Judged:
        """Raise `InvalidInput` for a model of another task, or whose answer is no single plane of heat."""
        session = open_model(self.model, ModelTask.ANOMALY, context)
        (heat,) = ask(session, image, context, "heat")
        if heat.ndim != 3 or heat.shape[0] != 1:
            raise InvalidInput(f"Model {self.model} answered heat of shape {heat.shape}: it cannot be used here.")
        size = (image.width_px, image.height_px)
        # Thousandths are what providers agree on, and what the mask is cut from.
        spread = np.round(cv2.resize(np.clip(heat[0], 0, 1), size, interpolation=cv2.INTER_LINEAR), 3)
        hot = (spread >= np.float32(self.threshold)).astype(np.uint8) * np.uint8(255)
        return Judged(
            heat=Image(np.round(spread * 255).astype(np.uint8)),
            mask=Mask(hot),
            detections=Detections(tuple(self._places(spread, hot))),
            measurements=Measurements((Measurement(name="anomaly", value=round(float(spread.max()), 3)),)),
        )

    def _places(self, heat: Floats, hot: Pixels) -> list[Detection]:
        _, labels, stats, _ = cv2.connectedComponentsWithStats(hot, connectivity=8)
        found = []
        for i, (x, y, width, height, area) in enumerate(stats[1:].tolist(), start=1):
            if area < self.min_area_px:
                continue
            inside = labels[y : y + height, x : x + width] == i
            score = round(float(heat[y : y + height, x : x + width][inside].max()), 3)
            box = Box(x_px=float(x), y_px=float(y), width_px=float(width), height_px=float(height))
            found.append(Detection(label=self.label, score=score, box=box))
        return found
