"""A reference image, prepared once for any number of searches."""

from functools import cached_property

import numpy as np

from imageflow_domain.cancellation import Cancellation
from imageflow_pipelines.alignment.agreement import agreement
from imageflow_pipelines.alignment.features import Features
from imageflow_pipelines.alignment.levels import Level, resized
from imageflow_pipelines.alignment.pose import Matrix, farthest_px, in_resized
from imageflow_pipelines.alignment.refinement import Motion, refine, used_pixels
from imageflow_pipelines.alignment.search import Range, search
from imageflow_pipelines.values import Pixels

SEARCHED_PX = 48
"""Longer side of the reference where all angles and scales are tried."""
JUDGED_PX = 160
"""Where poses are compared."""
FINEST_PX = 512
"""Where the pose is refined last."""

_LIKE = 0.5
"""A reference that agrees with itself so much at another pose looks alike there."""
OTHER_POSE = 1 / 12
"""Part of the longer side: poses nearer than this are one."""
_MOST_ALIKE = 40
_ANY_ANGLE = Range(most_angle_deg=180, least_scale=0.85, most_scale=1.15)


class Reference:
    """A grey image of the part, and what is computed from it once."""

    def __init__(self, grey: Pixels) -> None:
        self.grey = grey
        self.height_px, self.width_px = (int(side) for side in grey.shape)

    @property
    def longer_px(self) -> int:
        """Its longer side."""
        return max(self.width_px, self.height_px)

    def level(self, longer_px: int) -> Level:
        """Return the level whose longer side is `longer_px`, or the reference itself where that is smaller."""
        return level_of(self.grey, min(1.0, longer_px / self.longer_px), min(longer_px, self.longer_px))

    @cached_property
    def judged(self) -> Level:
        """The level at which poses are compared."""
        return self.level(JUDGED_PX)

    @cached_property
    def finest(self) -> Level:
        """The level at which the pose is refined last."""
        return self.level(FINEST_PX)

    @cached_property
    def features(self) -> Features:
        """Those of the finest level."""
        return Features(self.finest.grey.astype(np.uint8))

    @cached_property
    def alike(self) -> tuple[Matrix, ...]:
        """The poses in the reference itself, other than its own, at which it looks much like itself."""
        level, judged = self.level(SEARCHED_PX), self.judged
        kept = [np.eye(3)]
        for each in search(
            level, level, _ANY_ANGLE, Cancellation(), most=_MOST_ALIKE, apart_px=1.5 * OTHER_POSE * SEARCHED_PX
        ):
            pose = refine(level, level, each.pose, Motion.SIMILARITY, used_pixels(level), rounds=8)
            if pose is None:
                continue
            pose = in_resized(pose, judged.factor / level.factor)
            apart = min(farthest_px(pose, other, judged.width_px, judged.height_px) for other in kept)
            if apart > OTHER_POSE * JUDGED_PX and agreement(judged, judged, pose).score >= _LIKE:
                kept.append(pose)
        return tuple(in_resized(pose, 1 / judged.factor) for pose in kept[1:])


def level_of(grey: Pixels, factor: float, longer_px: int) -> Level:
    """Return an image's level beside that of a reference whose longer side is `longer_px` there."""
    return resized(grey, factor, max(7, longer_px // 8) | 1)
