"""Finds the part of a reference image in an image, or says why it does not."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imageflow_domain.cancellation import Cancellation
from imageflow_pipelines.alignment.agreement import Agreement, agreement, pixels_for
from imageflow_pipelines.alignment.features import Features
from imageflow_pipelines.alignment.levels import Level
from imageflow_pipelines.alignment.pose import (
    Matrix,
    angle_deg,
    farthest_px,
    in_resized,
    middle_of,
    scale_of,
    similarity,
)
from imageflow_pipelines.alignment.reference import FINEST_PX, JUDGED_PX, OTHER_POSE, SEARCHED_PX, Reference, level_of
from imageflow_pipelines.alignment.refinement import Motion, refine, used_pixels
from imageflow_pipelines.alignment.search import Range, search
from imageflow_pipelines.values import Pixels

_MOST_SEARCHED_PX = 65_000
"""Pixels of the image in which all angles and scales are tried: larger ones are searched at a smaller size."""
_LEAST_SEARCHED_PX = 28
_CANDIDATES, _CANDIDATES_APART_PX, _JUDGED_CANDIDATES = 40, 4.0, 10
_SURE_SCORE = 0.6
"""From this score on, no other candidates are looked for."""
_LEAST_DECIDING = 20.0
_DECIDING_RATIO = 2.0
"""Pixels that tell a pose from another one at which the part looks alike."""
_NUDGE = 0.018
"""Part of half the longer side."""
_MOST_APART_PX = 1.25
"""How far two halves of the pixels may put a corner of the part from each other, where poses are compared, though they
start on both sides of the pose, a nudge away."""
_PASSES = 3
_SEEN = 0.25
"""Agreement around a pixel that is used to refine the pose last."""
_MOST_ROUNDS = 40
_ANGLE_SLACK_DEG, _SCALE_SLACK = 3.0, 1.04


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is looked for."""

    motion: Motion
    range: Range
    min_score: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where the part is, or why nothing is taken for it."""

    score: float
    """The share of the part's structure that is seen, 0 to 1."""
    pose: Matrix | None
    """From the reference to the image."""
    why: str = ""
    """Where `pose` is `None`: what is wrong, as the end of a sentence."""


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """A pose between the levels that are compared."""

    pose: Matrix
    agreement: Agreement


def find(reference: Reference, grey: Pixels, wanted: Wanted, cancellation: Cancellation) -> Found:
    """Return where the part lies in an image; the same images give the same pose.

    Up to half of it may be covered. A part that looks the same at another pose is not taken for found.
    """
    return _Search(reference, grey, wanted, cancellation).run()


class _Search:
    """One search of one reference in one image."""

    def __init__(self, reference: Reference, grey: Pixels, wanted: Wanted, cancellation: Cancellation) -> None:
        self._reference = reference
        self._grey = grey
        self._wanted = wanted
        self._cancellation = cancellation
        # A plane's view begins as a similarity.
        self._motion = Motion.RIGID if wanted.motion is Motion.RIGID else Motion.SIMILARITY
        self._judged_image = self._beside(reference.judged, JUDGED_PX)
        self._finest_image = self._beside(reference.finest, FINEST_PX)

    def run(self) -> Found:
        best = self._by_features()
        if best is None or best.agreement.score < _SURE_SCORE:
            found = [*self._by_edges(), *([best] if best else [])]
            best = max(found, key=lambda each: each.agreement.score, default=None)
        if best is None:
            return Found(score=0.0, pose=None, why="nothing looks like it")
        score = round(best.agreement.score, 4)
        if score < self._wanted.min_score:
            return Found(score=score, pose=None, why="what looks most like it agrees too little")
        best, is_certain = self._decided(best)
        score = round(best.agreement.score, 4)
        if not is_certain:
            return Found(score=score, pose=None, why="it fits equally well at two angles or places")
        return self._finished(best, score)

    def _beside(self, level: Level, longer_px: int) -> Level:
        return level_of(self._grey, level.factor, min(longer_px, self._reference.longer_px))

    def _by_features(self) -> _Judged | None:
        features = Features(self._finest_image.grey.astype(np.uint8))
        pose = self._reference.features.pose_in(features)
        self._cancellation.check()
        if pose is None:
            return None
        return self._judge(in_resized(pose, self._reference.judged.factor / self._reference.finest.factor))

    def _by_edges(self) -> list[_Judged]:
        level = self._reference.level(self._searched_px())
        image = self._beside(level, self._searched_px())
        pixels = used_pixels(level)
        refined: list[_Judged] = []
        for candidate in search(
            level, image, self._wanted.range, self._cancellation, most=_CANDIDATES, apart_px=_CANDIDATES_APART_PX
        ):
            self._cancellation.check()
            pose = refine(level, image, self._started(candidate.pose, level), self._motion, pixels, rounds=8)
            if pose is not None:
                refined.append(_Judged(pose=pose, agreement=agreement(level, image, pose)))
        best = sorted(refined, key=lambda each: -each.agreement.score)[:_JUDGED_CANDIDATES]
        judged = [self._judge(in_resized(each.pose, self._reference.judged.factor / level.factor)) for each in best]
        return [each for each in judged if each is not None]

    def _searched_px(self) -> int:
        height, width = self._grey.shape
        share = math.sqrt(_MOST_SEARCHED_PX / (height * width)) * self._reference.longer_px
        return max(_LEAST_SEARCHED_PX, min(SEARCHED_PX, int(share)))

    def _started(self, pose: Matrix, level: Level) -> Matrix:
        """Return a pose with a scale of one, where the motion is rigid."""
        if self._motion is not Motion.RIGID:
            return pose
        x, y, derivative = middle_of(pose, level.width_px, level.height_px)
        angle = math.radians(angle_deg(derivative))
        return similarity(angle_rad=angle, scale=1.0, around=(level.width_px / 2, level.height_px / 2), to=(x, y))

    def _judge(self, pose: Matrix) -> _Judged | None:
        level = self._reference.judged
        pose = self._started(pose, level)
        refined = refine(level, self._judged_image, pose, self._motion, used_pixels(level), rounds=8)
        if refined is None or not self._is_in_range(refined, level):
            return None
        return _Judged(pose=refined, agreement=agreement(level, self._judged_image, refined))

    def _is_in_range(self, pose: Matrix, level: Level) -> bool:
        _, _, derivative = middle_of(pose, level.width_px, level.height_px)
        over = self._wanted.range
        scale = scale_of(derivative)
        return (
            abs(angle_deg(derivative)) <= over.most_angle_deg + _ANGLE_SLACK_DEG
            and over.least_scale / _SCALE_SLACK <= scale <= over.most_scale * _SCALE_SLACK
        )

    def _is_same(self, one: _Judged, other: _Judged) -> bool:
        level = self._reference.judged
        return farthest_px(one.pose, other.pose, level.width_px, level.height_px) < OTHER_POSE * JUDGED_PX

    def _decided(self, best: _Judged) -> tuple[_Judged, bool]:
        """Return the pose, of those at which the part looks alike, for which most pixels speak, and if enough do."""
        alike = (in_resized(each, self._reference.judged.factor) for each in self._reference.alike)
        others = [found for each in alike if (found := self._judge(best.pose @ each)) is not None]
        others.append(best)
        for _ in range(_PASSES):
            before = best
            for other in others:
                for_best, for_other = self._speaking(best, other)
                best = other if for_other > for_best else best
            if best is before:
                break
        for other in others:
            for_best, for_other = self._speaking(best, other)
            if for_best < max(_LEAST_DECIDING, _DECIDING_RATIO * for_other) and not self._is_same(other, best):
                return best, False
        return best, True

    def _speaking(self, best: _Judged, other: _Judged) -> tuple[float, float]:
        self._cancellation.check()
        return pixels_for(self._reference.judged, self._judged_image, best.pose, other.pose)

    def _finished(self, judged: _Judged, score: float) -> Found:
        reference, level = self._reference, self._reference.finest
        pose = in_resized(judged.pose, level.factor / reference.judged.factor)
        found = refine(
            level, self._finest_image, pose, self._wanted.motion, self._uncovered(judged), rounds=_MOST_ROUNDS
        )
        self._cancellation.check()
        if found is None or not self._is_certain(in_resized(found, reference.judged.factor / level.factor)):
            return Found(score=score, pose=None, why="too little of it is seen to say exactly where it lies")
        return Found(score=score, pose=in_resized(found, 1 / level.factor))

    def _uncovered(self, judged: _Judged) -> NDArray[np.intp]:
        """Return the pixels of the finest level whose surroundings are seen."""
        level = self._reference.finest
        if self._wanted.motion is Motion.PERSPECTIVE:
            return used_pixels(level)  # a similarity agrees with a part of the view alone
        size = (level.width_px, level.height_px)
        seen = cv2.resize(judged.agreement.agrees, size, interpolation=cv2.INTER_LINEAR).ravel()
        pixels = used_pixels(level)
        return pixels[seen[pixels] > _SEEN]

    def _is_certain(self, pose: Matrix) -> bool:
        """Return whether each half of the pixels leads back to the pose."""
        level = self._reference.judged
        ends = [
            refine(level, self._judged_image, pose @ self._nudge(sign), self._motion, half, rounds=_MOST_ROUNDS)
            for sign, half in zip((1, -1), _halves(used_pixels(level), level), strict=True)
        ]
        if ends[0] is None or ends[1] is None:
            return False
        return farthest_px(ends[0], ends[1], level.width_px, level.height_px) <= _MOST_APART_PX

    def _nudge(self, sign: int) -> Matrix:
        level = self._reference.judged
        middle = level.width_px / 2, level.height_px / 2
        nudge_px = _NUDGE * max(middle)
        return similarity(
            angle_rad=sign * _NUDGE,
            scale=1.0 if self._motion is Motion.RIGID else 1 + sign * _NUDGE,
            around=middle,
            to=(middle[0] + sign * nudge_px, middle[1] + sign * nudge_px),
        )


def _halves(pixels: NDArray[np.intp], level: Level) -> list[NDArray[np.intp]]:
    """Return the pixels of the black and of the white squares of a chessboard of eight squares."""
    square = max(level.width_px, level.height_px) / 8
    rows, columns = np.divmod(pixels, level.width_px)
    black = ((rows // square + columns // square) % 2).astype(bool)
    return [pixels[black], pixels[~black]]
