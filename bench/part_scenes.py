"""Images of a part at a known pose: on varied grounds, under varied light, partly covered, with noise."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from imageflow_pipelines.alignment.pose import Floats, Matrix, inverse, similarity, warped
from imageflow_pipelines.values import Pixels

LEAST_SCALE, MOST_SCALE = 0.8, 1.25


@dataclass(frozen=True, kw_only=True)
class PartScene:
    """A grey image and where the part lies in it."""

    pixels: Pixels
    pose: Matrix
    """From the part's image to this one."""


def part_scene(part: Pixels, random: np.random.Generator, *, covered: float) -> PartScene:
    """Show a part, a grey image, at a random place, angle and scale, `covered` of it by something else."""
    height, width = part.shape
    scale = math.exp(random.uniform(math.log(LEAST_SCALE), math.log(MOST_SCALE)))
    around = math.hypot(width, height) * scale
    sides = [int(around * random.uniform(1.15, 2)) for _ in range(2)]
    pose = similarity(
        angle_rad=random.uniform(-math.pi, math.pi),
        scale=scale,
        around=(width / 2, height / 2),
        to=(random.uniform(around / 2, sides[0] - around / 2), random.uniform(around / 2, sides[1] - around / 2)),
    )
    seen = part.astype(np.float32)
    if scale < 1:
        seen = np.asarray(cv2.GaussianBlur(seen, (0, 0), 0.4 / scale), np.float32)
    there = _placed(np.ones((height, width), np.float32), pose, sides)
    light = random.uniform(0.75, 1.25) * (1 + random.uniform(0, 0.3) * (np.arange(sides[0]) / sides[0] - 0.5))
    image = ground(random, *sides) * (1 - there) + _placed(seen, pose, sides) * there * light
    cover = _placed(_cover(random, height, width, covered), pose, sides)
    image = image * (1 - cover) + ground(random, *sides) * cover
    image = image + random.standard_normal(image.shape) * random.uniform(1, 5)
    return PartScene(pixels=np.clip(image, 0, 255).astype(np.uint8), pose=pose)


def ground(random: np.random.Generator, width: int, height: int) -> Floats:
    """Return a ground without the part: rough, cloudy, or full of rectangles."""
    kind = random.integers(3)
    noise = random.standard_normal((height, width)).astype(np.float32)
    if kind == 0:
        made = random.uniform(20, 200) + cv2.GaussianBlur(noise, (0, 0), 1.5) * random.uniform(5, 25)
    elif kind == 1:
        made = random.uniform(60, 180) + cv2.GaussianBlur(noise, (0, 0), 12) * random.uniform(100, 400)
    else:
        made = np.full((height, width), random.uniform(20, 200), np.float32)
        for _ in range(20):
            left, top, right, bottom = (int(side) for side in random.integers(0, [width, height, width, height]))
            cv2.rectangle(made, (left, top), (right, bottom), random.uniform(0, 255), int(random.integers(1, 6)))
    return np.asarray(made, np.float32)


def _cover(random: np.random.Generator, height: int, width: int, share: float) -> Floats:
    """Return what is covered: one side of the part, or a rectangle within it."""
    cover = np.zeros((height, width), np.float32)
    if random.random() < 0.5:
        side = math.sqrt(share)
        top, left = int(random.uniform(0, height * (1 - side))), int(random.uniform(0, width * (1 - side)))
        cover[top : top + int(height * side), left : left + int(width * side)] = 1
        return cover
    turned = random.integers(4)
    across = cover if turned % 2 == 0 else cover.T
    rows = int(len(across) * share)
    across[slice(0, rows) if turned < 2 else slice(len(across) - rows, None)] = 1
    return cover


def _placed(values: Floats, pose: Matrix, sides: list[int]) -> Floats:
    return warped(values, inverse(pose), sides[0], sides[1])
