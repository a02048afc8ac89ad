"""Which pictures show the same place as others at another scale: a screenshot of 125 % among those of 100 %."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import cv2
import numpy as np

from imageflow_domain.geometry import Rect
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.comparison import Pictures
from imageflow_mosaic.fingerprint import fingerprint
from imageflow_mosaic.registration import register
from imageflow_mosaic.resemblance import resemblances
from imageflow_mosaic.sketch import Proposal
from imageflow_mosaic.thumbnail import Thumbnail, thumbnail

SCALES = (0.5, 2 / 3, 0.75, 0.8, 1.25, 4 / 3, 1.5, 2.0)
"""That games, desktops and browsers offer."""

_TRIES = 4
"""Proposals of each picture that are verified."""

_MOST_SIDE_PX = 16_383
"""Of a picture that is enlarged to be compared."""


@dataclass(frozen=True, kw_only=True)
class SameAtScale:
    """A picture that shows the same place as another, at another scale."""

    picture: int
    of: int
    scale: float
    """How many times as large it shows the place."""


def find_rescaled(
    pictures: Sequence[int],
    references: Mapping[int, Thumbnail],
    held: Pictures,
    masks: Sequence[Rect],
    sure: int,
    threads: Executor,
    done: Callable[[int], None],
) -> tuple[SameAtScale, ...]:
    """Return the pictures that other ones show at one of the usual scales, as sure as that they show it at all.

    Args:
        pictures: Numbers of those that may have another scale.
        references: Thumbnails of those that they are held against, by number.
        sure: Sub-windows that must agree.
        done: Called with the number of scales tried.
    """
    small = {picture: _at_scales(held.of(picture).pixels, masks) for picture in pictures}
    numbers = list(references)
    found: list[tuple[Proposal, float, int]] = []
    for tried, scale in enumerate(SCALES, start=1):
        usable = [picture for picture in pictures if scale in small[picture]]
        together = resemblances([*references.values(), *(small[picture][scale] for picture in usable)])
        pairs = np.zeros((len(numbers) + len(usable),) * 2, np.bool_)
        pairs[: len(numbers), len(numbers) :] = np.array(numbers)[:, None] != np.array(usable, np.intp)[None, :]
        for one in together.propose(pairs, threads, lambda _: None):
            proposal = replace(one, first=numbers[one.first], second=usable[one.second - len(numbers)])
            found.append((proposal, scale, together.reach_px))
        done(tried)
    best: dict[int, tuple[int, SameAtScale]] = {}
    for proposal, scale, reach_px in _likeliest(found):
        reference, picture = proposal.first, proposal.second
        moving = fingerprint(_at_scale(held.of(picture).pixels, scale), [_scaled(mask, scale) for mask in masks])
        match = register(held.of(reference), moving, proposal.offset, reach_px)
        if match is not None and match.votes >= max(sure, best[picture][0] + 1 if picture in best else 0):
            best[picture] = match.votes, SameAtScale(picture=picture, of=reference, scale=scale)
    return tuple(best[picture][1] for picture in sorted(best))


def _likeliest(found: Sequence[tuple[Proposal, float, int]]) -> Iterator[tuple[Proposal, float, int]]:
    """Yield the likeliest proposals of each picture at any scale; the pictures one after the other."""
    left: dict[int, int] = {}
    chosen = []
    for one in sorted(found, key=lambda one: -one[0].score):
        picture = one[0].second
        if left.setdefault(picture, _TRIES) > 0:
            left[picture] -= 1
            chosen.append(one)
    return iter(sorted(chosen, key=lambda one: one[0].second))


def _at_scales(pixels: Pixels, masks: Sequence[Rect]) -> dict[float, Thumbnail]:
    return {
        scale: thumbnail(_at_scale(pixels, scale), [_scaled(mask, scale) for mask in masks])
        for scale in SCALES
        if max(pixels.shape[:2]) / scale <= _MOST_SIDE_PX
    }


def _at_scale(pixels: Pixels, scale: float) -> Pixels:
    height, width = (max(1, round(side / scale)) for side in pixels.shape[:2])
    how = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    return cv2.resize(pixels, (width, height), interpolation=how).astype(np.uint8, copy=False)


def _scaled(mask: Rect, scale: float) -> Rect:
    left, top = (int(np.floor(side / scale)) for side in (mask.x_px, mask.y_px))
    right, bottom = (int(np.ceil(side / scale)) for side in (mask.right_px, mask.bottom_px))
    return Rect(x_px=left, y_px=top, width_px=max(1, right - left), height_px=max(1, bottom - top))
