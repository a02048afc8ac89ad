"""Errors of nominal positions, learnt from the anchored shots: where another shot should lie, and how probably."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from imageflow_domain.grid import Cell

_FARTHEST = 8
"""Cells; from farther anchored shots nothing about the neighbourhood is learnt."""

_SAMPLES = 400
"""Anchored shots that the errors of prediction are measured on."""

_DOUBTS = 4
"""So many shots of which nothing is known are added to those seen."""

_ENOUGH = 3
"""Anchored shots at the rim, or inside, from whose errors their kind's shape is taken."""

_EXACT = 10.0
"""How much likelier none is than any error, where a driver knows its positions."""

_MANY = 60
"""Of so many anchored shots none moves the middle."""

Place = tuple[int, int]
Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Prior:
    """Probability of each error of a predicted place, before a pixel has been looked at."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    """By error in px, from `-reach_px` to `reach_px`; each adds up to 1."""
    learnt_from: int
    """Anchored shots that the prediction rests on; 0 where it is the neighbourhood's, whose error neighbours share."""

    @property
    def reach_px(self) -> int:
        """The largest error that has a probability, on either axis."""
        return self.x.size // 2

    def at(self, dx_px: int, dy_px: int) -> float:
        """Return the probability of an error, which lies within reach on both axes."""
        return float(self.x[dx_px + self.reach_px] * self.y[dy_px + self.reach_px])


class NominalErrors:
    """Predicts places from nominal positions and the errors of anchored shots.

    Two predictions compete at each distance from the nearest anchored shots: the survey's common shift, right where
    each shot's error is its own, and the neighbourhood's, right where errors grow from shot to shot. The one that
    would have placed the anchored shots better is used, and its errors there are the prior.
    """

    def __init__(self, places: Mapping[Cell, Place], nominal: Mapping[Cell, Point], *, reach_px: int) -> None:
        self._nominal = nominal
        self._reach_px = reach_px
        self._errors = {
            cell: (place[0] - nominal[cell][0], place[1] - nominal[cell][1])
            for cell, place in sorted(places.items())
            if cell in nominal
        }
        self._by_distance: dict[int, _Learnt] = {}

    def expected(self, cell: Cell) -> Point | None:
        """Where the top left corner should lie; `None` where the nominal position is not known."""
        if cell not in self._nominal:
            return None
        distance = self._distance(cell)
        error = self._around(cell, distance) if self._learnt(distance).is_local else self._common
        x, y = self._nominal[cell]
        return x + error[0], y + error[1]

    def prior(self, cell: Cell) -> Prior:
        """Errors of `expected`, rounded to whole pixels."""
        learnt = self._learnt(self._distance(cell))
        return Prior(
            x=self._table(learnt, 0, at_rim=cell.col in self._rim_cols),
            y=self._table(learnt, 1, at_rim=cell.row in self._rim_rows),
            learnt_from=0 if learnt.is_local else len(self._errors),
        )

    @cached_property
    def _common(self) -> Point:
        return _middle(list(self._errors.values())) if self._errors else (0.0, 0.0)

    def _common_without_each(self, own: Sequence[Point]) -> list[Point]:
        """The common shift as it would be without each shot in turn: a few shots must not confirm themselves."""
        if len(own) < 2 or len(own) > _MANY:
            return [self._common] * len(own)
        return [_middle([*own[:number], *own[number + 1 :]]) for number in range(len(own))]

    @cached_property
    def _rim_cols(self) -> set[int]:
        cols = [cell.col for cell in self._nominal]
        return {min(cols), max(cols)}

    @cached_property
    def _rim_rows(self) -> set[int]:
        rows = [cell.row for cell in self._nominal]
        return {min(rows), max(rows)}

    def _distance(self, cell: Cell) -> int:
        for distance in range(1, _FARTHEST):
            if any(near in self._errors for near in _ring(cell, distance)):
                return distance
        return _FARTHEST

    def _around(self, cell: Cell, distance: int) -> Point:
        """The middle error of the anchored shots at `distance`, or of all where there are none."""
        near = [self._errors[other] for other in _ring(cell, distance) if other in self._errors]
        return _middle(near) if near else self._common

    def _learnt(self, distance: int) -> "_Learnt":
        """The prediction that is better at this distance, and its errors."""
        if distance not in self._by_distance:
            cells = list(self._errors)
            cells = cells[:: -(-len(cells) // _SAMPLES)] if cells else []
            own = [self._errors[cell] for cell in cells]
            common = _differences(own, self._common_without_each(own))
            around = _differences(own, [self._around(cell, distance) for cell in cells])
            is_local = bool(distance < _FARTHEST and np.abs(around).sum() < np.abs(common).sum())
            errors = np.rint(around if is_local else common).astype(np.int64)
            at_rim = np.array(
                [(cell.col in self._rim_cols, cell.row in self._rim_rows) for cell in cells], np.bool_
            ).reshape(-1, 2)
            self._by_distance[distance] = _Learnt(is_local=is_local, errors=errors, at_rim=at_rim, tables={})
        return self._by_distance[distance]

    def _table(self, learnt: "_Learnt", axis: int, *, at_rim: bool) -> NDArray[np.float64]:
        """Probabilities of one axis: a map's edge stops the camera, so shots at the rim have errors of their own."""
        if (axis, at_rim) not in learnt.tables:
            errors = learnt.errors[:, axis]
            alike = errors[learnt.at_rim[:, axis] == at_rim]
            like = alike if alike.size >= _ENOUGH else errors
            learnt.tables[axis, at_rim] = _probabilities(alike, like, self._reach_px)
        return learnt.tables[axis, at_rim]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Learnt:
    is_local: bool
    """The neighbourhood predicts better than the common shift."""
    errors: NDArray[np.int64]
    """Of the better prediction, for each sampled shot: x and y."""
    at_rim: NDArray[np.bool_]
    """Whether each sampled shot lies in the grid's first or last column, and row."""
    tables: dict[tuple[int, bool], NDArray[np.float64]]


def _ring(cell: Cell, distance: int) -> Iterator[Cell]:
    for row in range(-distance, distance + 1):
        step = 1 if abs(row) == distance else 2 * distance
        for col in range(-distance, distance + 1, step):
            yield Cell(row=cell.row + row, col=cell.col + col)


def _middle(points: Sequence[Point]) -> Point:
    x, y = np.median(np.array(points), axis=0)
    return float(x), float(y)


def _differences(first: Sequence[Point], second: Sequence[Point]) -> NDArray[np.float64]:
    return np.array(first, np.float64).reshape(-1, 2) - np.array(second, np.float64).reshape(-1, 2)


def _probabilities(errors: NDArray[np.int64], like: NDArray[np.int64], reach_px: int) -> NDArray[np.float64]:
    """Probability of each error from `-reach_px` to `reach_px`.

    Seen errors have their share. As in PPM's method C (A. Moffat, 1990) each distinct one counts once more for errors
    that were never seen, and a few shots prove little: these are spread over the shapes that explain `like`.
    """
    every = np.arange(-reach_px, reach_px + 1)
    seen = _counts(errors, reach_px)
    new = _DOUBTS + np.count_nonzero(seen)
    spread = 0.99 * _spread(np.clip(like, -reach_px, reach_px), every) + 0.01 / every.size
    probabilities: NDArray[np.float64] = (seen + new * spread) / (errors.size + new)
    return probabilities


def _counts(errors: NDArray[np.int64], reach_px: int) -> NDArray[np.int64]:
    return np.bincount(np.clip(errors, -reach_px, reach_px) + reach_px, minlength=2 * reach_px + 1)


def _spread(errors: NDArray[np.int64], every: NDArray[np.int64]) -> NDArray[np.float64]:
    """Laplace's, the normal and the even distribution of the errors' size, and none at all; as far as each explains."""
    away = np.abs(every)
    more = 1 + 2 / errors.size if errors.size else 1.0  # a few errors are seldom the largest ones
    size = np.abs(errors) if errors.size else away
    shapes = np.stack(
        [
            np.exp(-away / max(1.0, more * float(size.mean()))),
            np.exp(-0.5 * (away / max(1.0, more * float(np.sqrt((size**2).mean())))) ** 2),
            (away <= np.ceil(more * float(size.max()))).astype(np.float64),
            np.where(away == 0, every.size * _EXACT, 1.0),
        ]
    )
    shapes /= shapes.sum(axis=1, keepdims=True)
    explained = np.log(np.maximum(shapes[:, errors + every.size // 2], 1e-12)).sum(axis=1)
    weights = np.exp(explained - explained.max())
    spread: NDArray[np.float64] = weights @ shapes / weights.sum()
    return spread


def joined(priors: Sequence[Prior], errors: Sequence[Place]) -> Prior:
    """Return the probability of each shift of a group of shots that keep their relative places.

    Args:
        errors: How far each shot lies from where it should be before the shift, in px.
    """
    if len(priors) == 1 and tuple(errors[0]) == (0, 0):
        return priors[0]
    # The shots' own errors even out among themselves; that of the common shift, known from as many, does not.
    learnt_from = min(prior.learnt_from for prior in priors)
    power = max(1 / len(priors), learnt_from / (learnt_from + len(priors)))
    tables = []
    for axis, each in enumerate(([p.x for p in priors], [p.y for p in priors])):
        reach_px = each[0].size // 2
        at = np.arange(-reach_px, reach_px + 1)
        logs = [
            np.log(table[np.clip(at + e[axis], -reach_px, reach_px) + reach_px])
            for table, e in zip(each, errors, strict=True)
        ]
        summed = power * np.sum(logs, axis=0)
        shares = np.exp(summed - summed.max())
        tables.append(shares / shares.sum())
    return Prior(x=tables[0], y=tables[1], learnt_from=learnt_from)


def radius_px(probabilities: NDArray[np.float64], outside: float) -> int:
    """The error, of a table from `-reach_px` to `reach_px`, beyond which less than `outside` of it lies."""
    middle = probabilities.size // 2
    both = probabilities[middle:] + probabilities[middle::-1]
    both[0] /= 2
    return int(np.searchsorted(np.cumsum(both), 1 - outside).clip(0, middle))
