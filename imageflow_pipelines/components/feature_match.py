"""A known flat thing found in a picture, however it is turned, scaled or tilted."""

from typing import ClassVar, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Box, Detection, Detections, Image, Measurement, Measurements, Point

_MOST_FEATURES = 2_000
_RATIO = 0.75
"""A feature's best match must be this much nearer than its second best."""
_LEAST_INLIERS = 8

Places = NDArray[np.float32]
"""x and y, shape (count, 2)."""


class Matched(NamedTuple):
    """One port each; there is one detection or none."""

    detections: Detections
    measurements: Measurements


class FeatureMatch(Component):
    """Find `reference`, a flat thing, in a picture by its features (SIFT; D. Lowe, 2004), and outline it.

    A homography that at least `min_inliers` matches agree on within `tolerance_px` is a find (RANSAC); the score is the
    share of matches that agree. `inliers` is measured in any case.
    """

    name: ClassVar[str] = "feature_match"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.4, bytes_per_px=200)

    min_inliers: int = Field(default=15, ge=_LEAST_INLIERS, le=1000)
    tolerance_px: float = Field(default=3, gt=0, le=50)
    label: str = Field(default="reference", min_length=1, max_length=64)

    def __call__(self, image: Image, reference: Image) -> Matched:
        """Return no detection where the outline is not convex, either: a flat thing has no such view."""
        places, wanted = _matches(reference, image)
        if len(places) < _LEAST_INLIERS:
            return _nothing(0)
        cv2.setRNGSeed(0)  # it samples; the same pictures must give the same outline
        matrix, agreed = cv2.findHomography(places, wanted, cv2.RANSAC, self.tolerance_px)
        inliers = int(agreed.sum()) if agreed is not None else 0
        if matrix is None or inliers < self.min_inliers:
            return _nothing(inliers)
        width, height = reference.width_px, reference.height_px
        corners = np.array([[(0, 0), (width, 0), (width, height), (0, height)]], np.float64) - 0.5
        found = np.round(cv2.perspectiveTransform(corners, matrix)[0] + 0.5, 3)
        if not np.isfinite(found).all() or not cv2.isContourConvex(found.astype(np.float32)):
            return _nothing(inliers)
        outline = tuple(Point(x_px=float(x), y_px=float(y)) for x, y in found)
        score = round(inliers / len(places), 5)
        detection = Detection(label=self.label, score=score, box=Box.around(outline), outline=outline)
        return Matched(detections=Detections((detection,)), measurements=_count(inliers))


def _matches(reference: Image, image: Image) -> tuple[Places, Places]:
    """Return matching places in the reference and in the picture, shape (count, 2) each."""
    # ORB is five times as fast, but its places are off by pixels.
    sift = cv2.SIFT.create(nfeatures=_MOST_FEATURES)
    points, features = sift.detectAndCompute(reference.grey(), None)
    others, other_features = sift.detectAndCompute(image.grey(), None)
    none = np.empty((0, 2), np.float32)
    if features is None or other_features is None or len(others) < 2:
        return none, none
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(features, other_features, k=2)
    good = [first for first, second in pairs if first.distance < _RATIO * second.distance]
    if not good:
        return none, none
    return (
        np.array([points[match.queryIdx].pt for match in good], np.float32),
        np.array([others[match.trainIdx].pt for match in good], np.float32),
    )


def _nothing(inliers: int) -> Matched:
    return Matched(detections=Detections(), measurements=_count(inliers))


def _count(inliers: int) -> Measurements:
    return Measurements((Measurement(name="inliers", value=float(inliers)),))
