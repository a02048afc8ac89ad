"""A pose that features of the reference and of an image agree on (SIFT; D. Lowe, 2004)."""

import cv2
import numpy as np
from numpy.typing import NDArray

from imageflow_pipelines.alignment.pose import Matrix

_MOST_FEATURES = 2000
_LEAST_CONTRAST = 0.01
"""A quarter of what is usual: plain metal has no stronger features."""
_RATIO = 0.8
_LEAST_AGREED = 6
_TOLERANCE_PX = 3.0

Grey = NDArray[np.uint8]


class Features:
    """The features of one image."""

    def __init__(self, grey: Grey) -> None:
        # Without the precise scaling, features lie a quarter of a pixel off, and more where an image is turned.
        sift = cv2.SIFT.create(nfeatures=_MOST_FEATURES, contrastThreshold=_LEAST_CONTRAST, enable_precise_upscale=True)
        points, descriptions = sift.detectAndCompute(grey, None)
        self.places = np.array([point.pt for point in points], np.float32).reshape(-1, 2) + np.float32(0.5)
        self.descriptions = descriptions if descriptions is not None else np.empty((0, 128), np.float32)

    def pose_in(self, other: "Features") -> Matrix | None:
        """Return the similarity on which most matching features agree; `None` for fewer than six of them."""
        if len(self.places) < _LEAST_AGREED or len(other.places) < _LEAST_AGREED:
            return None
        pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(self.descriptions, other.descriptions, k=2)
        good = [first for first, second in pairs if first.distance < _RATIO * second.distance]
        if len(good) < _LEAST_AGREED:
            return None
        here = self.places[[match.queryIdx for match in good]]
        there = other.places[[match.trainIdx for match in good]]
        cv2.setRNGSeed(0)  # it samples; the same images must give the same pose
        matrix, agreed = cv2.estimateAffinePartial2D(
            here, there, method=cv2.RANSAC, ransacReprojThreshold=_TOLERANCE_PX, maxIters=5000, confidence=0.999
        )
        if matrix is None or int(agreed.sum()) < _LEAST_AGREED:
            return None
        return np.vstack([matrix, (0, 0, 1)])
