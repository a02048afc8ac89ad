"""The gate for reference images: one is taken only if its part is found by it."""

import hashlib
import math

import cv2
import numpy as np

from imageflow_clients.inference.card import Card, Wanted
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import InvalidInput, ModelRefused
from imageflow_domain.inference import ModelDescription
from imageflow_pipelines.alignment.finding import Wanted as WantedPose
from imageflow_pipelines.alignment.finding import find
from imageflow_pipelines.alignment.pose import Matrix, farthest_px, inverse, similarity, warped
from imageflow_pipelines.alignment.reference import Reference
from imageflow_pipelines.alignment.refinement import Motion
from imageflow_pipelines.alignment.search import Range
from imageflow_pipelines.components.decode_v2 import DecodeV2
from imageflow_pipelines.values import Encoded, Pixels

_LEAST_SIDE_PX = 32
_TRIED = WantedPose(
    motion=Motion.SIMILARITY, range=Range(most_angle_deg=45, least_scale=0.75, most_scale=1.35), min_score=0.5
)
_TURN_DEG, _SCALE = 20, 0.9
_NOISE = 3.0
"""Grey levels: what differs less from its surroundings may not be what a part is found by."""
_MOST_OFF = 0.01
"""Part of the longer side by which a corner may be misplaced."""


def accept_reference(wanted: Wanted, data: bytes) -> Card:
    """Return the card under which a reference image may be registered.

    Raises `ModelRefused` for bytes that are no image, for an image that is too small, and for one whose part is not
    found in a turned, smaller and noisy copy: a plain surface, a disc.
    """
    name = str(wanted.id)
    if wanted.labels:
        raise ModelRefused(name, "A reference image has no labels: leave them out.")
    try:
        grey = DecodeV2()(Encoded(data)).grey()
    except InvalidInput as error:
        raise ModelRefused(name, f"Its reference image cannot be read. {error}") from error
    height, width = grey.shape
    if min(height, width) < _LEAST_SIDE_PX:
        raise ModelRefused(
            name, f"Its reference image has {width} x {height} px: give at least {_LEAST_SIDE_PX} a side."
        )
    copy, pose = _copy(grey)
    found = find(Reference(grey), copy, _TRIED, Cancellation())
    why = found.why
    if found.pose is not None and farthest_px(found.pose, pose, width, height) > 1 + _MOST_OFF * max(width, height):
        why = "it is found at a wrong place"
    if why:
        raise ModelRefused(
            name,
            f"Its part is not found in a turned copy of the reference image (score {found.score:.2f}): {why}. Choose "
            "an image with edges or marks that show how the part lies.",
        )
    return Card.of(
        wanted,
        ModelDescription(
            id=wanted.id,
            digest=hashlib.sha256(data).hexdigest(),
            task=wanted.task,
            inputs=(),
            outputs=(),
            labels=(),
        ),
    )


def _copy(grey: Pixels) -> tuple[Pixels, Matrix]:
    """Return the image turned, smaller and noisy on a plain ground, and where it lies there."""
    height, width = grey.shape
    side = math.ceil(math.hypot(width, height))
    pose = similarity(
        angle_rad=math.radians(_TURN_DEG), scale=_SCALE, around=(width / 2, height / 2), to=(side / 2, side / 2)
    )
    back = inverse(pose)
    values = warped(grey.astype(np.float32), back, side, side)
    there = warped(np.ones(grey.shape, np.float32), back, side, side)
    ground = float(np.median(grey))
    noise = np.random.default_rng(0).standard_normal((side, side)) * _NOISE
    smooth = cv2.GaussianBlur(values * there + ground * (1 - there), (0, 0), 0.7)
    return np.clip(np.round(smooth + noise), 0, 255).astype(np.uint8), pose
