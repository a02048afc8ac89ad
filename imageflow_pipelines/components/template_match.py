"""A small picture found in a large one, upright and in its size."""

from typing import ClassVar

import cv2
import numpy as np
from pydantic import Field

from imageflow_domain.errors import InvalidInput
from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Box, Detection, Detections, Image


class TemplateMatch(Component):
    """Find `template` in a picture: same size, not turned. The score is the normalised correlation of brightness.

    The best places come first; of those that overlap by more than half a side only the best counts.
    """

    name: ClassVar[str] = "template_match"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.08, bytes_per_px=48)

    min_score: float = Field(default=0.8, ge=0, le=1)
    most: int = Field(default=1, ge=1, le=100, description="How many to find at the most.")
    label: str = Field(default="match", min_length=1, max_length=64)

    def __call__(self, image: Image, template: Image) -> Detections:
        """Raise `InvalidInput` for a template that is larger than the picture, or of one brightness."""
        width, height = template.width_px, template.height_px
        if width > image.width_px or height > image.height_px:
            raise InvalidInput(
                f"The template of {width} x {height} px is larger than the picture of "
                f"{image.width_px} x {image.height_px} px: crop or resize it."
            )
        small = template.grey()
        if small.min() == small.max():
            raise InvalidInput("The template has one brightness: it matches everywhere.")
        scores = cv2.matchTemplate(image.grey(), small, cv2.TM_CCOEFF_NORMED)
        # Over places of one brightness the quotient is none; sums in floats differ in their last digits.
        scores = np.round(np.nan_to_num(scores, nan=0.0, posinf=0.0, neginf=0.0), 5)
        found: list[Detection] = []
        while len(found) < self.most:
            y, x = divmod(int(scores.argmax()), scores.shape[1])
            score = float(scores[y, x])
            if score < self.min_score:
                break
            box = Box(x_px=float(x), y_px=float(y), width_px=float(width), height_px=float(height))
            found.append(Detection(label=self.label, score=min(round(score, 5), 1.0), box=box))
            near_y, near_x = height // 2 + 1, width // 2 + 1
            scores[max(0, y - near_y + 1) : y + near_y, max(0, x - near_x + 1) : x + near_x] = -1
        return Detections(tuple(found))
