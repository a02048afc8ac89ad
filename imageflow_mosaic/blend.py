"""Placed shots of a lossy survey become one picture: what agrees within the survey's noise is averaged, seams fade out.

Averaging by weights that fall to zero at a picture's border is feathering as in Szeliski, Image Alignment and
Stitching: A Tutorial, 2006, section 6.2; that what disagrees follows one picture is the deghosting of Uyttendaele,
Eden and Szeliski, CVPR 2001. Lossless surveys are `compose`'s business, whose majority of exact colours keeps them
exact.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Offset, Rect
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.compose import Canvas, PlacedShot, by_precedence

_RAMP_PX = 16
"""A shot's weight grows evenly from its border inwards, to its full size here; longer ramps average less."""

_REACH_PX = 3
"""Two shots are compared by what lies this far around a pixel: alone, a pixel of a sprite may agree by chance."""

_NOISE_FACTOR = 2.0
"""Of JPEG's 7 x 7 px windows of one place, 99 in 100 differ by less than so many times the noise."""

_STRUCTURE_SHARE = 0.25
"""How much of the squared steps between neighbours two shots may differ by: what half a pixel beside makes of edges.

Measured: 0.5 lets pass four times the ghosts of cursors, 0 gains a third of the PSNR on scaled screenshots.
"""

_ROUNDING = 0.5
"""Grey levels by which any two resampled shots may differ."""

_FULL = 256
"""Agreement and weights are whole numbers: their sums are exact for every requested rectangle."""

_WORK_PX = 512
"""Side of the largest piece blended at once: what is at work stays in the processor's cache."""

_MOST_AGREEMENTS = 1 << 23
"""Numbers of agreement held at once, one a pixel and pair of shots; a piece that many shots show is cut into bands."""

_MORE_THAN_ANY_DEPTH = np.int32(1 << 14)  # a shot's side ends at 16,383 px


class _Region(NamedTuple):
    """A piece of the frame which the same shots show, each of them all over."""

    box: Rect
    shots: tuple[PlacedShot, ...]
    """In order of precedence."""


def blend(shots: Sequence[PlacedShot], rect: Rect, masks: Sequence[Rect] = (), *, noise: float) -> Canvas:
    """Return what `shots` show of `rect`.

    Each pixel follows one shot: the one with which most shots agree there, ties to the shot whose border or mask is
    farthest from the pixel, then to the one that lies higher up, then farther left. The pixel is the mean of that shot
    and of all that agree with it, weighted by how well they agree and by how far they are from their own borders.
    Two shots agree where their grey values differ, in the root mean square over every 7 x 7 px near the pixel, by
    little more than the noise and than half a pixel of misplacement makes of the edges there. A moving sprite agrees
    with nothing, and shows in full or not at all.

    Only shots that show a pixel have a part in it. Composing a part gives the same pixels as cutting it out of a
    whole; the order of the shots changes nothing. What one shot alone shows is its pixels, unchanged.

    Args:
        shots: In any order; those that do not touch `rect` are ignored.
        rect: In pixels of the frame.
        masks: Rectangles of every shot that show no map, in pixels of the shot. What they hide does not count.
        noise: Root mean square difference of the grey values (0 to 255, OpenCV's RGB to grey) of two shots of the same
            place, over the survey's overlaps: about 3 for JPEG 95, 5 for JPEG 90, 9 for JPEG 75, 6 to 14 for scaled
            screenshots. Half of the true value costs scaled screenshots 0.8 dB, and others nothing.

    Raises:
        InvalidInput: For a noise below 0, or of 256 and more.
    """
    if not 0 <= noise < 256:
        raise InvalidInput(f"A noise of {noise} grey levels: give the survey's own, at least 0 and below 256.")
    rgba = np.zeros((rect.height_px, rect.width_px, 4), np.uint8)
    painted = 0
    for region in _regions(shots, rect, masks):
        part = rgba[_slices(region.box, rect.x_px, rect.y_px)]
        part[..., :3] = _blended(region, masks, max(noise, _ROUNDING))
        part[..., 3] = 255
        painted += region.box.width_px * region.box.height_px
    return Canvas(rect=rect, rgba=rgba, full=painted == rect.width_px * rect.height_px)


def _regions(shots: Sequence[PlacedShot], rect: Rect, masks: Sequence[Rect]) -> Iterator[_Region]:
    """Yield what the shots show of `rect`, in regions that do not overlap."""
    ordered = by_precedence([shot for shot in shots if shot.rect.intersection(rect)])
    for top in range(rect.y_px, rect.bottom_px, _WORK_PX):
        for left in range(rect.x_px, rect.right_px, _WORK_PX):
            piece = Rect(
                x_px=left,
                y_px=top,
                width_px=min(_WORK_PX, rect.right_px - left),
                height_px=min(_WORK_PX, rect.bottom_px - top),
            )
            yield from _regions_of(piece, ordered, masks)


def _regions_of(piece: Rect, ordered: Sequence[PlacedShot], masks: Sequence[Rect]) -> list[_Region]:
    """Return what the shots show of a piece: it is divided by one shot after the other."""
    regions = [_Region(piece, ())]
    for shot in ordered:
        whole = shot.rect.intersection(piece)
        if whole is None:
            continue
        for shown in whole.without([_on_frame(mask, shot) for mask in masks]):
            divided = []
            for region in regions:
                common = region.box.intersection(shown)
                if common is None:
                    divided.append(region)
                    continue
                divided.append(_Region(common, (*region.shots, shot)))
                divided += [_Region(rest, region.shots) for rest in region.box.without([common])]
            regions = divided
    return [band for region in regions if region.shots for band in _bands(region)]


def _bands(region: _Region) -> Iterator[_Region]:
    """Yield a region in bands that `_MOST_AGREEMENTS` allows."""
    box, shots = region
    rows = max(1, _MOST_AGREEMENTS // (box.width_px * len(shots) ** 2))
    for top in range(box.y_px, box.bottom_px, rows):
        height = min(rows, box.bottom_px - top)
        yield _Region(Rect(x_px=box.x_px, y_px=top, width_px=box.width_px, height_px=height), shots)


def _blended(region: _Region, masks: Sequence[Rect], noise: float) -> Pixels:
    """Return the colours of a region, RGB."""
    box, shots = region
    if len(shots) == 1:
        return _cut(shots[0], box)
    depths = [_depth(shot, box, masks) for shot in shots]
    agreements = _agreements(shots, box, masks, noise)
    chosen = _chosen(depths, agreements)
    total = np.zeros((box.height_px, box.width_px, 1), np.int32)
    colour = np.zeros((box.height_px, box.width_px, 3), np.int32)
    for shot, depth, agreement in zip(shots, depths, agreements, strict=True):
        agrees = np.take_along_axis(agreement, chosen[None], axis=0)[0]
        weight = (agrees * np.minimum(depth, _RAMP_PX))[..., None]
        total += weight
        colour += weight * _cut(shot, box)
    return ((2 * colour + total) // (2 * total)).astype(np.uint8)


def _chosen(depths: Sequence[NDArray[np.int32]], agreements: Sequence[NDArray[np.int32]]) -> NDArray[np.intp]:
    """Return which shot each pixel follows: what agrees with most shots, ties to the deepest, then to the earliest."""
    scores = [
        (agreement >= _FULL // 2).sum(axis=0, dtype=np.int32) * _MORE_THAN_ANY_DEPTH + depth
        for depth, agreement in zip(depths, agreements, strict=True)
    ]
    best: NDArray[np.intp] = np.argmax(np.stack(scores), axis=0)
    return best


def _agreements(shots: Sequence[PlacedShot], box: Rect, masks: Sequence[Rect], noise: float) -> list[NDArray[np.int32]]:
    """Return for each shot how it agrees with each shot, 0 to `_FULL`; arrays (shots, height, width)."""
    found = [np.full((len(shots), box.height_px, box.width_px), _FULL, np.int32) for _ in shots]
    for one in range(len(shots)):
        for other in range(one):
            found[one][other] = found[other][one] = _agreement(shots[one], shots[other], box, masks, noise)
    return found


def _agreement(one: PlacedShot, other: PlacedShot, box: Rect, masks: Sequence[Rect], noise: float) -> NDArray[np.int32]:
    """Return how two shots that both show `box` agree around each of its pixels, 0 to `_FULL`."""
    seen = _seen(box, one, other)
    shown = np.ones((seen.height_px, seen.width_px), np.bool_)
    for hidden in (_on_frame(mask, shot).intersection(seen) for shot in (one, other) for mask in masks):
        if hidden is not None:
            shown[_slices(hidden, seen.x_px, seen.y_px)] = False
    greys = [cv2.cvtColor(_cut(shot, seen), cv2.COLOR_RGB2GRAY).astype(np.int32) for shot in (one, other)]
    off = (greys[0] - greys[1]) * shown
    count = _around(shown.astype(np.int32))
    structure = np.minimum(*(_around(_steepness(grey, shown)) for grey in greys))
    allowed = _STRUCTURE_SHARE * structure + (_NOISE_FACTOR * noise) ** 2 * np.maximum(count, 1)
    agreement = np.clip(_FULL * (2 - _around(off * off) / allowed), 0, _FULL)
    return _least_around(agreement.astype(np.int16))[_slices(box, seen.x_px, seen.y_px)].astype(np.int32)


def _least_around(agreement: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the least agreement near each pixel: the rim of a sprite goes with the sprite."""
    side = 2 * _REACH_PX + 1
    return cv2.erode(agreement, np.ones((side, side), np.uint8)).astype(np.int16, copy=False)


def _steepness(grey: NDArray[np.int32], shown: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the squared step to the right and lower neighbour; 0 where one of the two is not shown."""
    steep = np.zeros_like(grey)
    right, down = np.diff(grey, axis=1), np.diff(grey, axis=0)
    steep[:, :-1] += right * right * (shown[:, 1:] & shown[:, :-1])
    steep[:-1] += down * down * (shown[1:] & shown[:-1])
    return steep


def _around(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the sum over the square of `_REACH_PX` around each pixel, as far as the array reaches."""
    side = 2 * _REACH_PX + 1
    return cv2.boxFilter(values, cv2.CV_32S, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT).astype(
        np.int32, copy=False
    )


def _depth(shot: PlacedShot, box: Rect, masks: Sequence[Rect]) -> NDArray[np.int32]:
    """Return for each pixel of `box` how far it lies from the shot's edge and its masks, 1 beside them."""
    x = np.arange(box.x_px, box.right_px, dtype=np.int32)
    y = np.arange(box.y_px, box.bottom_px, dtype=np.int32)[:, None]
    rect = shot.rect
    depth = np.minimum(
        np.minimum(x - rect.x_px + 1, rect.right_px - x), np.minimum(y - rect.y_px + 1, rect.bottom_px - y)
    )
    for mask in masks:
        hidden = _on_frame(mask, shot)
        beside = np.maximum(
            np.maximum(hidden.x_px - x, x - hidden.right_px + 1), np.maximum(hidden.y_px - y, y - hidden.bottom_px + 1)
        )
        depth = np.minimum(depth, beside)
    return depth


def _cut(shot: PlacedShot, box: Rect) -> Pixels:
    return shot.pixels[_slices(box, shot.x_px, shot.y_px)]


def _slices(box: Rect, left_px: int, top_px: int) -> tuple[slice, slice]:
    """Return the index of `box` in an array whose first pixel lies at `left_px`, `top_px`."""
    return slice(box.y_px - top_px, box.bottom_px - top_px), slice(box.x_px - left_px, box.right_px - left_px)


def _on_frame(mask: Rect, shot: PlacedShot) -> Rect:
    return mask.shifted(Offset(dx_px=shot.x_px, dy_px=shot.y_px))


def _seen(box: Rect, one: PlacedShot, other: PlacedShot) -> Rect:
    """Return `box` with all around it that its windows reach and both shots show, a step to the next pixel included."""
    margin = 2 * _REACH_PX + 1
    left = max(box.x_px - margin, one.x_px, other.x_px)
    top = max(box.y_px - margin, one.y_px, other.y_px)
    right = min(box.right_px + margin, one.rect.right_px, other.rect.right_px)
    bottom = min(box.bottom_px + margin, one.rect.bottom_px, other.rect.bottom_px)
    return Rect(x_px=left, y_px=top, width_px=right - left, height_px=bottom - top)
