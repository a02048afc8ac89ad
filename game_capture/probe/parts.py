"""Which parts of a window show the map: where its pixels move as the camera does. Pure.

A pixel of two pictures between which the camera moved speaks for the map where it is found again as far away as the
camera went, and for a panel where it stands at the same place. Squares of pixels are judged by many such pairs.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from game_capture.standing import SQUARE_PX
from imageflow_domain.geometry import Offset, Rect

Picture = NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""

_LEAST_SHARE = 0.02
"""Of a square's pixels in all pairs that must be distinctive."""

_MAP_SHARE = 0.3
"""Of the distinctive pixels that must have moved with the camera."""

_LINE_SHARE = 0.9
"""Of the distinctive pixels of a line outside a crop, so that the line is taken in."""

_LEAST_CROP = 0.1
"""Of the window."""

_LEAST_SQUARES = 4
"""Of a panel: fewer may be a sprite that was at the same place by chance."""

_FULL = 0.7
"""A panel that fills less of the rectangle around it is covered by several."""

_LEAST_TIMES, _STANDING_SHARE, _LEAST_PIXELS = 8, 0.9, 30
"""So often, and in so large a share of what it tells, a pixel must stand, and so many beside each other, to be a panel
by themselves: two sprites that look alike stand once or twice, and each pair of pictures tells twice."""

_WORTH = {"map": 1.0, "animated": 0.9, "unknown": 0.05, "panel": -2.0}
"""What a square adds to a crop."""


class Part(IntEnum):
    """What a square shows."""

    UNKNOWN = 0
    """Plain ground, which is not distinctive."""
    MAP = 1
    ANIMATED = 2
    """It changes while the camera rests, and is not seen to be a panel."""
    STANDING = 3
    """It stands at its place while the camera moves."""
    OTHER = 4
    """It changes with the camera, and does not move with it: a minimap, a clock."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Two pictures between which the camera moved."""

    before: Picture
    after: Picture
    offset: Offset
    """Of the camera."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """How often each pixel spoke for what, over all pairs; each of shape (height, width)."""

    moved: NDArray[np.uint8]
    stood: NDArray[np.uint8]
    neither: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """What each pixel of one picture tells beside another one, both of shape (height, width)."""

    by: Offset
    """How far the map moves on the screen from this picture to the other one."""
    moved: NDArray[np.bool_]
    """It is found again where the map moved to."""
    told: NDArray[np.bool_]
    """It moved, stood or is not found again; plain ground tells nothing."""


def evidence_of(pairs: Sequence[Pair]) -> Evidence:
    """Return the evidence of one to sixty pairs of pictures of one size for each pixel."""
    shape = pairs[0].before.shape[:2]
    moved, stood, neither = (np.zeros(shape, np.uint8) for _ in range(3))
    for pair in pairs:
        for here, same, found in _looked_up(pair):
            moved[here] += found & ~same
            stood[here] += same & ~found
            neither[here] += ~(same | found)
    return Evidence(moved=moved, stood=stood, neither=neither)


def looks_of(pairs: Sequence[Pair]) -> tuple[Look, ...]:
    """Return what each picture of each pair tells beside the other one."""
    looks = []
    for pair in pairs:
        for by, (here, same, found) in zip((-pair.offset, pair.offset), _looked_up(pair), strict=True):
            moved, told = (np.zeros(pair.before.shape[:2], np.bool_) for _ in range(2))
            moved[here], told[here] = found & ~same, ~(found & same)
            looks.append(Look(by=by, moved=moved, told=told))
    return tuple(looks)


def _looked_up(pair: Pair) -> Iterator[tuple[tuple[slice, slice], NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield of each picture what the other one shows too, which pixels are the same, and which are found there."""
    before, after = _numbers(pair.before), _numbers(pair.after)
    for one, other, offset in ((before, after, pair.offset), (after, before, -pair.offset)):
        here, there = _shared(one.shape, offset)
        yield here, one[here] == other[here], one[here] == other[there]


def _shared(shape: tuple[int, ...], offset: Offset) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where a picture shows what another shows too whose camera is at an offset, and where that one does."""
    here, there = [], []
    for size, shift in ((shape[0], offset.dy_px), (shape[1], offset.dx_px)):
        begin, end = max(0, shift), min(size, size + shift)
        here.append(slice(begin, max(begin, end)))
        there.append(slice(begin - shift, max(begin, end) - shift))
    return (here[0], here[1]), (there[0], there[1])


def changed_squares(pictures: Sequence[Picture]) -> NDArray[np.bool_]:
    """Return the squares that differ between pictures of one size, taken while the camera rests."""
    rows, columns = pictures[0].shape[0] // SQUARE_PX, pictures[0].shape[1] // SQUARE_PX
    first = _numbers(pictures[0])
    changed = np.zeros(first.shape, np.bool_)
    for picture in pictures[1:]:
        changed |= _numbers(picture) != first
    return _by_square(changed, rows, columns) > 0


def differing_share(starts: Sequence[Picture], restless: NDArray[np.bool_]) -> float:
    """Return how much of the picture differs most between the first start and another, 0 to 1.

    Args:
        starts: What the window showed at the end of each.
        restless: Squares that change by themselves; they do not count.
    """
    shares = [float((changed_squares([starts[0], other]) & ~restless).mean()) for other in starts[1:]]
    return max(shares, default=0.0)


def parts_of(evidence: Evidence, changing: NDArray[np.bool_], pairs: int) -> NDArray[np.uint8]:
    """Return what each square shows, as `Part`.

    Args:
        changing: Squares that change while the camera rests.
        pairs: How many pairs the evidence is of.
    """
    rows, columns = changing.shape
    moved, stood, neither = (
        _by_square(one, rows, columns) for one in (evidence.moved, evidence.stood, evidence.neither)
    )
    told = moved + stood + neither
    tells = told >= _LEAST_SHARE * SQUARE_PX**2 * 2 * pairs
    parts = np.zeros((rows, columns), np.uint8)
    parts[tells & (neither > stood)] = Part.OTHER
    parts[tells & (stood >= neither)] = Part.STANDING
    parts[changing & (parts != Part.STANDING)] = Part.ANIMATED
    parts[tells & (moved >= _MAP_SHARE * told)] = Part.MAP
    return _without_specks(parts)


def crop_of(evidence: Evidence, parts: NDArray[np.uint8]) -> Rect | None:
    """Return the rectangle that shows most of the map and least of panels, to the pixel; `None` without enough map."""
    worth = np.full(parts.shape, _WORTH["unknown"])
    worth[parts == Part.MAP] = _WORTH["map"]
    worth[parts == Part.ANIMATED] = _WORTH["animated"]
    worth[_is_panel(parts)] = _WORTH["panel"]
    if not (parts == Part.MAP).any():
        return None
    top, bottom, left, right = _best_rectangle(worth)
    if (bottom - top) * (right - left) < _LEAST_CROP * parts.size:
        return None  # what moves is some sprites, or too little of the map was seen
    height, width = evidence.moved.shape
    # what is left over beside whole squares belongs to the squares beside it
    bottom_px = height if bottom == parts.shape[0] else bottom * SQUARE_PX
    right_px = width if right == parts.shape[1] else right * SQUARE_PX
    rect = Rect(
        x_px=left * SQUARE_PX,
        y_px=top * SQUARE_PX,
        width_px=right_px - left * SQUARE_PX,
        height_px=bottom_px - top * SQUARE_PX,
    )
    return _to_the_pixel(rect, evidence)


def panels_of(evidence: Evidence, parts: NDArray[np.uint8], crop: Rect) -> tuple[Rect, ...]:
    """Return rectangles that cover the panels inside a crop, in its pixels."""
    panels = _is_panel(parts).astype(np.uint8)
    closed = cv2.morphologyEx(panels, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(closed, connectivity=8)
    found = []
    for label in range(1, count):
        for rect in _covering(labels == label):
            # the part of a square beyond the crop says nothing of the part within
            inside = rect.intersection(crop)
            if inside is not None and _stays(evidence, _pixels(inside)):
                grown = _grown(inside, evidence, crop)
                is_large = grown.width_px * grown.height_px >= _LEAST_SQUARES * SQUARE_PX**2
                if is_large and min(grown.width_px, grown.height_px) >= SQUARE_PX // 2:
                    found.append(grown)
    found += [rect for rect in _small_panels(evidence, crop) if all(rect.intersection(one) is None for one in found)]
    found = [rect.shifted(Offset(dx_px=-crop.x_px, dy_px=-crop.y_px)) for rect in found]
    return tuple(sorted(found, key=lambda rect: (rect.y_px, rect.x_px)))


def _small_panels(evidence: Evidence, crop: Rect) -> Iterator[Rect]:
    """Yield rectangles around pixels that stand in nearly every pair, such as a button of a few pixels."""
    part = _pixels(crop)
    stood = evidence.stood[part]
    told = evidence.moved[part] + stood + evidence.neither[part]
    stands = ((stood >= _LEAST_TIMES) & (stood >= _STANDING_SHARE * told)).astype(np.uint8)
    closed = cv2.morphologyEx(stands, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, _, numbers, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    for label in range(1, count):
        left, top, width, height, area = (int(number) for number in numbers[label])
        if area >= _LEAST_PIXELS and area >= _FULL * width * height:
            yield Rect(x_px=crop.x_px + left, y_px=crop.y_px + top, width_px=width, height_px=height)


def _pixels(rect: Rect) -> tuple[slice, slice]:
    return slice(rect.y_px, rect.bottom_px), slice(rect.x_px, rect.right_px)


def _stays(evidence: Evidence, part: tuple[slice, slice]) -> bool:
    """Whether a part of the window does not move with the camera, as far as it tells."""
    moved = int(evidence.moved[part].sum())
    stayed = int(evidence.stood[part].sum()) + int(evidence.neither[part].sum())
    return stayed > 0 and moved < _MAP_SHARE * (moved + stayed)


def _grown(rect: Rect, evidence: Evidence, crop: Rect) -> Rect:
    """Return a panel's rectangle with the crop's lines beside it, up to a square, that do not move with the camera."""
    left, top, right, bottom = rect.x_px, rect.y_px, rect.right_px, rect.bottom_px
    for _ in range(SQUARE_PX - 1):
        across, down = slice(left, right), slice(top, bottom)
        left -= left > crop.x_px and _stays(evidence, (down, slice(left - 1, left)))
        right += right < crop.right_px and _stays(evidence, (down, slice(right, right + 1)))
        top -= top > crop.y_px and _stays(evidence, (slice(top - 1, top), across))
        bottom += bottom < crop.bottom_px and _stays(evidence, (slice(bottom, bottom + 1), across))
    return Rect(x_px=left, y_px=top, width_px=right - left, height_px=bottom - top)


def rectangles_of(squares: NDArray[np.bool_]) -> tuple[Rect, ...]:
    """Return rectangles, in pixels, that cover squares; squares that touch share one where they fill most of it."""
    count, labels = cv2.connectedComponents(squares.astype(np.uint8), connectivity=8)
    return tuple(rect for label in range(1, count) for rect in _covering(labels == label))


def _numbers(picture: Picture) -> NDArray[np.uint32]:
    """One number for each pixel, shape (height, width)."""
    four = np.ascontiguousarray(cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA))
    numbers: NDArray[np.uint32] = four.view(np.uint32)[..., 0]
    return numbers


def _by_square(marks: NDArray[np.bool_] | NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.int64]:
    whole = marks[: rows * SQUARE_PX, : columns * SQUARE_PX].astype(np.int64)
    sums: NDArray[np.int64] = whole.reshape(rows, SQUARE_PX, columns, SQUARE_PX).sum(axis=(1, 3))
    return sums


def _is_panel(parts: NDArray[np.uint8]) -> NDArray[np.bool_]:
    panels: NDArray[np.bool_] = (parts == Part.STANDING) | (parts == Part.OTHER)
    return panels


def _without_specks(parts: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the squares with panels of few squares taken as map, where some map is beside them."""
    panels = _is_panel(parts).astype(np.uint8)
    count, labels, numbers, _ = cv2.connectedComponentsWithStats(panels, connectivity=8)
    for label in range(1, count):
        if numbers[label, cv2.CC_STAT_AREA] < _LEAST_SQUARES:
            parts[labels == label] = Part.UNKNOWN
    return parts


def _best_rectangle(worth: NDArray[np.float64]) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right (exclusive) of the rectangle of the largest sum.

    Kadane's method over columns, for every pair of rows; see J. Bentley, "Programming Pearls" (1984).
    """
    rows, columns = worth.shape
    best, found = -np.inf, (0, rows, 0, columns)
    for top in range(rows):
        sums = np.zeros(columns)
        for bottom in range(top, rows):
            sums += worth[bottom]
            reached = np.concatenate(([0.0], np.cumsum(sums)))
            lowest = np.minimum.accumulate(reached)
            right = int(np.argmax(reached[1:] - lowest[:-1])) + 1
            total = float(reached[right] - lowest[right - 1])
            if total > best:
                best = total
                found = (top, bottom + 1, int(np.argmin(reached[:right])), right)
    return found


def _to_the_pixel(rect: Rect, evidence: Evidence) -> Rect:
    """Move a crop's sides by up to a square, so that lines of a panel are left out and lines of the map taken in."""
    height, width = evidence.moved.shape
    left, right = _sides(rect.x_px, rect.right_px, width, evidence, (rect.y_px, rect.bottom_px), axis=1)
    if right - left < SQUARE_PX:
        return rect
    top, bottom = _sides(rect.y_px, rect.bottom_px, height, evidence, (left, right), axis=0)
    if bottom - top < SQUARE_PX:
        return rect
    return Rect(x_px=left, y_px=top, width_px=right - left, height_px=bottom - top)


def _sides(begin: int, end: int, size: int, evidence: Evidence, span: tuple[int, int], *, axis: int) -> tuple[int, int]:
    def share(at: int) -> float | None:
        """Of a line's distinctive pixels that moved with the camera; `None` where these are too few."""
        line = (slice(*span), at) if axis else (at, slice(*span))
        moved = int(evidence.moved[line].sum())
        told = moved + int(evidence.stood[line].sum()) + int(evidence.neither[line].sum())
        return moved / told if told >= (span[1] - span[0]) * _LEAST_SHARE else None

    def side(at: int, step: int, limit: int) -> int:
        for here in reversed(range(at, at + step * SQUARE_PX, step)):
            told = share(here)
            if told is not None and told < _MAP_SHARE:
                return here + step
        while at != limit and abs(at - step - begin_of[step]) < SQUARE_PX:
            told = share(at - step)
            if told is None or told < _LINE_SHARE:
                break
            at -= step
        return at

    begin_of = {1: begin, -1: end - 1}
    return side(begin, 1, 0), side(end - 1, -1, size - 1) + 1


def _covering(shape: NDArray[np.bool_]) -> Iterator[Rect]:
    """Yield rectangles that cover a shape of squares: one where it fills most of it, else one for each run of rows."""
    rows, columns = np.flatnonzero(shape.any(axis=1)), np.flatnonzero(shape.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    if shape[top:bottom, left:right].mean() >= _FULL:
        yield _in_pixels(top, bottom, left, right)
        return
    open_runs: dict[tuple[int, int], int] = {}
    for row in range(top, bottom + 1):
        runs = set(_runs(shape[row])) if row < bottom else set()
        for run in [run for run in open_runs if run not in runs]:
            yield _in_pixels(open_runs.pop(run), row, *run)
        for run in runs:
            open_runs.setdefault(run, row)


def _runs(line: NDArray[np.bool_]) -> Iterable[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], line.astype(np.int8), [0]))))
    return ((int(begin), int(end)) for begin, end in edges.reshape(-1, 2))


def _in_pixels(top: int, bottom: int, left: int, right: int) -> Rect:
    return Rect(
        x_px=int(left) * SQUARE_PX,
        y_px=int(top) * SQUARE_PX,
        width_px=int(right - left) * SQUARE_PX,
        height_px=int(bottom - top) * SQUARE_PX,
    )
