"""Poses: 3x3 homographies from points of one image to points of another. Pixel (0, 0) covers x 0 to 1, y 0 to 1."""

import math
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Points = NDArray[np.float64]
"""x and y, shape (count, 2)."""
Floats = NDArray[np.float32]

Number = TypeVar("Number", np.uint8, np.float32)

_CENTRE = np.array([(1.0, 0.0, 0.5), (0.0, 1.0, 0.5), (0.0, 0.0, 1.0)])
"""OpenCV counts from the centre of the first pixel."""
_FROM_CENTRE = np.linalg.inv(_CENTRE)


def similarity(*, angle_rad: float, scale: float, around: tuple[float, float], to: tuple[float, float]) -> Matrix:
    """Return the pose that turns clockwise and scales `around` a point, and moves that point `to` another."""
    cos, sin = scale * math.cos(angle_rad), scale * math.sin(angle_rad)
    x, y = around
    return np.array([(cos, -sin, to[0] - cos * x + sin * y), (sin, cos, to[1] - sin * x - cos * y), (0, 0, 1)])


def scaling(factor: float) -> Matrix:
    """Return the pose of an image in the same image resized by `factor`."""
    return np.diag([factor, factor, 1.0])


def in_resized(pose: Matrix, factor: float) -> Matrix:
    """Return a pose as it is where both images are resized by `factor`."""
    return scaling(factor) @ pose @ scaling(1 / factor)


def apply(pose: Matrix, points: Points) -> Points:
    """Return where points lie in the other image."""
    moved = np.column_stack([points, np.ones(len(points))]) @ pose.T
    return np.asarray(moved[:, :2] / moved[:, 2:])


def corners(width: float, height: float) -> Points:
    """Return the corners of an image, clockwise from the top left one."""
    return np.array([(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)])


def middle_of(pose: Matrix, width: float, height: float) -> tuple[float, float, Matrix]:
    """Return where the middle of an image lies in the other one, and the pose's 2x2 derivative there."""
    x, y = width / 2, height / 2
    u, v, w = pose @ (x, y, 1.0)
    derivative = (pose[:2, :2] - np.outer((u / w, v / w), pose[2, :2])) / w
    return u / w, v / w, derivative


def scale_of(derivative: Matrix) -> float:
    """Return how many pixels of the other image lie along one pixel; 0 for a mirrored pose."""
    return math.sqrt(max(0.0, float(np.linalg.det(derivative))))


def angle_deg(derivative: Matrix) -> float:
    """Return by how much a pose turns clockwise, over -180 to 180 degrees."""
    turned = math.degrees(math.atan2(derivative[1, 0] - derivative[0, 1], derivative[0, 0] + derivative[1, 1]))
    return 180.0 if turned <= -180 else turned


def farthest_px(one: Matrix, other: Matrix, width: float, height: float) -> float:
    """Return how far apart two poses put a corner of an image at the most, in pixels of the other image."""
    edge = corners(width, height)
    return float(np.linalg.norm(apply(one, edge) - apply(other, edge), axis=1).max())


def warped(pixels: NDArray[Number], pose: Matrix, width_px: int, height_px: int) -> NDArray[Number]:
    """Return the part of an image that lies at a pose, upright; what lies outside the image is black."""
    matrix = _FROM_CENTRE @ pose @ _CENTRE
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    if np.allclose(pose[2], (0, 0, 1)):
        made = cv2.warpAffine(pixels, matrix[:2], (width_px, height_px), flags=flags)
    else:
        made = cv2.warpPerspective(pixels, matrix, (width_px, height_px), flags=flags)
    return np.asarray(made, pixels.dtype)


def inverse(pose: Matrix) -> Matrix:
    """Return the pose from the other image to the one."""
    return np.asarray(np.linalg.inv(pose), np.float64)
