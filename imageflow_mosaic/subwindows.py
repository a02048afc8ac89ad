"""How well pictures agree at an offset, sub-window by sub-window, and the offset to a fraction of a pixel.

The fraction is the least-squares translation of B. Lucas and T. Kanade, "An iterative image registration technique"
(1981), on symmetric gradients, with the weights of S. Geman and D. McClure for sub-windows that show something else;
its uncertainty is H. White's heteroskedasticity-consistent estimate (1980), over sub-windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from imageflow_domain.geometry import Offset, Rect
from imageflow_mosaic.content import Content, Floats, Pairing

SIDE_PX = 16
"""Of a sub-window: two of JPEG's blocks, and less than a sprite."""

AGREES = 0.25
"""Share of a sub-window's detail that may differ where both show the same; JPEG of quality 60 and scaled ones: 0.15."""

CONTRADICTS = 0.4
"""Share that does differ where they show something else; one in a hundred by chance has 0.45."""

_SMOOTH = 1.0
"""Standard deviation in px of the blur that takes off what compression and scaling change."""

_DETAIL_PX = 25
"""Side of the square whose mean is subtracted: sub-windows are distinguished by edges, not by brightness."""

_LEAST_DETAIL = 6.0
"""Variance, in squared grey levels, of a sub-window that has anything to compare."""

_OVER_NOISE = 4.0
"""Detail must have so many times the variance of what differs in the calmer sub-windows."""

_CALM = 0.25
_MOST_STEPS = 6
_MARGIN_PX = 4
_OUTLIER = 0.3

_LEAST_SIGMA_PX = 0.02
_SIGMA_PER_FRACTION = 0.1
"""What resampling shifts, and what the linear translation leaves of a fraction of a pixel; measured."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Relief:
    """A part of one picture: the detail of its brightness, smoothed, and its slope, each of shape (height, width)."""

    part: Rect
    """In pixels of the picture."""
    detail: Floats
    slope_x: Floats
    slope_y: Floats
    hidden: NDArray[np.bool_] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Reliefs:
    """Both sides of a pairing, where some offset within reach may show them in one place."""

    reference: Relief
    moving: Relief
    expected: Offset


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """Pictures at the best shift near one that was proposed."""

    shift: Offset
    """From what is expected, in whole pixels."""
    dx_px: float
    dy_px: float
    """What the shift is beyond whole pixels, -0.5 to 0.5 where the fit holds."""
    sigma_px: float
    """Standard error on the worse axis."""
    changes: tuple["Change", ...]
    """One for each pairing."""

    @cached_property
    def calm(self) -> tuple[float, ...]:
        """What differs in the calmer sub-windows of each pairing."""
        return tuple(change.calm for change in self.changes)

    def differing(self, calm: Sequence[float]) -> "Differing":
        """Return how sub-windows differ, if what differs in calm ones is `calm`, one number for each pairing."""
        shares = tuple(change.shares(noise) for change, noise in zip(self.changes, calm, strict=True))
        return Differing(shares=shares)


@dataclass(frozen=True, kw_only=True, eq=False)
class Change:
    """What differs between two pictures at a shift, means over each sub-window, in squared grey levels."""

    left: int
    top: int
    """Number of the first sub-window's column and row, from the moving picture's corner."""
    change: Floats
    detail: Floats
    """NaN where hidden."""

    @property
    def calm(self) -> float:
        """What differs in the calmer sub-windows: noise at the right shift, more at any other one."""
        shown = self.change[~np.isnan(self.detail)]
        return float(np.quantile(shown, _CALM)) if shown.size else 0.0

    def shares(self, calm: float) -> Floats:
        """Return the share of detail that differs in each sub-window, as `Differing.shares` has it.

        Args:
            calm: What differs in calm sub-windows; those of little more detail are not compared.
        """
        compared = self.detail > max(_LEAST_DETAIL, _OVER_NOISE * calm)
        rows, columns = self.change.shape
        shares = np.full((self.top + rows, self.left + columns), np.nan, np.float32)
        np.divide(self.change, 2 * self.detail, out=shares[self.top :, self.left :], where=compared)
        return shares


@dataclass(frozen=True, kw_only=True, eq=False)
class Differing:
    """How sub-windows differ at a shift."""

    shares: tuple[Floats, ...]
    """For each pairing the share of each sub-window's detail that differs, rows from top to bottom.

    NaN where there is nothing to compare. Sub-windows count from the moving picture's top left corner, so that those
    of two fits can be compared.
    """

    @property
    def agreeing(self) -> int:
        """Number of sub-windows, of all pairings, whose share that differs is below `AGREES`."""
        return sum(int((shares < AGREES).sum()) for shares in self.shares)

    @property
    def contradicting(self) -> int:
        """Number of sub-windows, of all pairings, whose share that differs is above `CONTRADICTS`."""
        return sum(int((shares > CONTRADICTS).sum()) for shares in self.shares)

    @property
    def extent_px(self) -> int:
        """How far apart in a picture the sub-windows lie that agree, on the longer axis."""
        places = [np.nonzero(shares < AGREES) for shares in self.shares]
        rows = np.concatenate([rows for rows, _ in places])
        columns = np.concatenate([columns for _, columns in places])
        return int(max(np.ptp(rows), np.ptp(columns))) * SIDE_PX if rows.size else 0


def reliefs_of(pairing: Pairing, reach_px: int) -> Reliefs:
    """Return what is compared of two pictures at shifts within reach."""
    there, here = pairing.reference.rect, pairing.moving.rect
    return Reliefs(
        reference=relief_of(pairing.reference, _window(there, pairing.expected, here, reach_px)),
        moving=relief_of(pairing.moving, _window(here, -pairing.expected, there, reach_px)),
        expected=pairing.expected,
    )


def _window(picture: Rect, expected: Offset, other: Rect, reach_px: int) -> Rect:
    """Return the part of a picture that another one covers at some offset within reach; all where none does."""
    reached = Rect(
        x_px=expected.dx_px - reach_px - _MARGIN_PX,
        y_px=expected.dy_px - reach_px - _MARGIN_PX,
        width_px=other.width_px + 2 * (reach_px + _MARGIN_PX),
        height_px=other.height_px + 2 * (reach_px + _MARGIN_PX),
    )
    return picture.intersection(reached) or picture


def relief_of(content: Content, part: Rect) -> Relief:
    """Return what is compared of a part that lies inside the picture."""
    cut = content.grey[part.y_px : part.bottom_px, part.x_px : part.right_px].astype(np.float32)
    smooth = np.asarray(cv2.GaussianBlur(cut, (0, 0), _SMOOTH), np.float32)
    hidden = None
    if content.hidden:
        hidden = np.zeros(cut.shape, np.bool_)
        for rect in content.hidden:
            seen = rect.intersection(part)
            if seen is not None:
                top, left = seen.y_px - part.y_px, seen.x_px - part.x_px
                hidden[top : top + seen.height_px, left : left + seen.width_px] = True
    detail = smooth - cv2.blur(smooth, (_DETAIL_PX, _DETAIL_PX))
    return Relief(
        part=part,
        detail=detail,
        slope_x=cv2.Sobel(detail, cv2.CV_32F, 1, 0, ksize=1) / 2,
        slope_y=cv2.Sobel(detail, cv2.CV_32F, 0, 1, ksize=1) / 2,
        hidden=hidden,
    )


def fit(pairings: Sequence[Reliefs], shift: Offset) -> Fit | None:
    """Return the best shift within about two pixels of one that was proposed; `None` where nothing overlaps.

    Args:
        pairings: Their moving pictures are all shifted alike from where each is expected.
    """
    tried: set[Offset] = set()
    while shift not in tried and len(tried) < _MOST_STEPS:
        sums = [_sums(one.reference, one.moving, one.expected + shift) for one in pairings]
        there = [one for one in sums if one is not None]
        if not there:
            return None
        tried.add(shift)
        dx, dy, sigma_px = _translation(there)
        step = Offset(dx_px=round(float(np.clip(dx, -2, 2))), dy_px=round(float(np.clip(dy, -2, 2))))
        if step == Offset(dx_px=0, dy_px=0) or shift + step in tried:
            changes = tuple(_NOTHING if one is None else _changed(dx, dy, one) for one in sums)
            return Fit(shift=shift, dx_px=dx, dy_px=dy, sigma_px=sigma_px, changes=changes)
        shift += step
    return None


_EMPTY: Floats = np.zeros((0, 0), np.float32)
_NOTHING = Change(left=0, top=0, change=_EMPTY, detail=_EMPTY)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sums:
    """Means over each sub-window."""

    left: int
    top: int
    """Number of the first sub-window's column and row, from the moving picture's corner."""
    slope_xx: Floats
    slope_xy: Floats
    slope_yy: Floats
    change_x: Floats
    change_y: Floats
    change: Floats
    detail: Floats
    hidden: NDArray[np.bool_] | None

    @property
    def weights(self) -> Floats:
        share = self.change / (2 * self.detail + _LEAST_DETAIL)
        weights: Floats = 1 / (1 + (share / _OUTLIER) ** 2) ** 2
        return weights if self.hidden is None else np.where(self.hidden, np.float32(0), weights)

    @property
    def equations(self) -> NDArray[np.float64]:
        """Weight, slopes' products and their products with the change, shape (6, sub-windows)."""
        columns = self.weights, self.slope_xx, self.slope_xy, self.slope_yy, self.change_x, self.change_y
        return np.stack([column.ravel() for column in columns]).astype(np.float64)


def _sums(reference: Relief, moving: Relief, offset: Offset) -> _Sums | None:
    seen = reference.part.shifted(-offset).intersection(moving.part)
    if seen is None:
        return None
    left, top = -(-seen.x_px // SIDE_PX), -(-seen.y_px // SIDE_PX)
    columns, rows = seen.right_px // SIDE_PX - left, seen.bottom_px // SIDE_PX - top
    if columns < 1 or rows < 1:
        return None
    here = Rect(x_px=left * SIDE_PX, y_px=top * SIDE_PX, width_px=columns * SIDE_PX, height_px=rows * SIDE_PX)
    mine, theirs = _at(moving.part, here), _at(reference.part, here.shifted(offset))

    def mean(values: Floats) -> Floats:
        return np.asarray(cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)

    slope_x = (moving.slope_x[mine] + reference.slope_x[theirs]) / 2
    slope_y = (moving.slope_y[mine] + reference.slope_y[theirs]) / 2
    detail, other = moving.detail[mine], reference.detail[theirs]
    change = detail - other
    hidden = None
    if moving.hidden is not None or reference.hidden is not None:
        covered = np.zeros((here.height_px, here.width_px), np.float32)
        for relief, where in ((moving, mine), (reference, theirs)):
            if relief.hidden is not None:
                covered[relief.hidden[where]] = 1
        hidden = mean(covered) > 0
    return _Sums(
        left=left,
        top=top,
        slope_xx=mean(slope_x * slope_x),
        slope_xy=mean(slope_x * slope_y),
        slope_yy=mean(slope_y * slope_y),
        change_x=mean(slope_x * change),
        change_y=mean(slope_y * change),
        change=mean(change * change),
        detail=mean(detail * detail + other * other) / 2,
        hidden=hidden,
    )


def _at(part: Rect, rect: Rect) -> tuple[slice, slice]:
    top, left = rect.y_px - part.y_px, rect.x_px - part.x_px
    return slice(top, top + rect.height_px), slice(left, left + rect.width_px)


def _translation(every: Sequence[_Sums]) -> tuple[float, float, float]:
    """Return the translation that explains the change best, in px, and its standard error on the worse axis."""
    weights, xx, xy, yy, change_x, change_y = np.concatenate([one.equations for one in every], axis=1)
    normal = np.array([[weights @ xx, weights @ xy], [weights @ xy, weights @ yy]]) + 1e-6 * np.eye(2)
    inverse = np.linalg.inv(normal)
    moved = inverse @ np.array([weights @ change_x, weights @ change_y])
    left_x = weights * (change_x - xx * moved[0] - xy * moved[1])
    left_y = weights * (change_y - xy * moved[0] - yy * moved[1])
    meat = np.array([[left_x @ left_x, left_x @ left_y], [left_x @ left_y, left_y @ left_y]])
    spread = inverse @ meat @ inverse
    resampling_px = _LEAST_SIGMA_PX + _SIGMA_PER_FRACTION * float(np.abs(moved).max())
    sigma_px = float(np.sqrt(max(spread[0, 0], spread[1, 1]) + resampling_px**2))
    return float(moved[0]), float(moved[1]), sigma_px


def _changed(dx: float, dy: float, sums: _Sums) -> Change:
    """Return what differs once the translation is taken off."""
    explained = 2 * (dx * sums.change_x + dy * sums.change_y)
    explained -= dx * dx * sums.slope_xx + 2 * dx * dy * sums.slope_xy + dy * dy * sums.slope_yy
    detail = sums.detail if sums.hidden is None else np.where(sums.hidden, np.float32(np.nan), sums.detail)
    return Change(left=sums.left, top=sums.top, change=np.maximum(sums.change - explained, 0), detail=detail)
