"""Pair offsets to positions: groups, and in each the robust global least squares.

Weights are Geman and McClure's, their scale narrowed step by step (graduated non-convexity); where neighbouring offsets
close in loops, these are believed from the start. Offsets of lossy screenshots have fractions; positions are rounded
once, after the solve. Shots without ties are `ambiguity`'s business.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csc_matrix
from scipy.sparse.csgraph import connected_components, dijkstra

from imageflow_domain.grid import Cell
from imageflow_domain.placement import DroppedOffset, PairOffset, Placement, PlacementStatus
from imageflow_domain.ports import Area
from imageflow_domain.survey import LOSSLESS, Fidelity
from imageflow_mosaic.covariance import factored, inverse_diagonal
from imageflow_mosaic.loops import walk
from imageflow_mosaic.nominal import NominalErrors

MAX_RESIDUAL_PX = 0.5

_SCALES_PX = (8.0, 2.0, 0.5, 0.5)
"""Residuals that the weights still believe in, solve by solve."""

_FIRST_WEIGHTS = {"closed": 1.0, "alone": 0.1, "open": 1e-3}

_DOUBT = {"closed": 1e-6, "decisive": 2e-4, "likely": 1e-3}
"""Probability that a kept offset is wrong: in a closed loop, on its own, and on its own with others not refuted."""

_CONTENT_DOUBT = 5.0
"""So many times likelier than an exact one is an offset wrong that only content agrees on."""

_LEAST_WEIGHT = 1e-9

_DECIDING_PAIRS = 4
_WHOLE_RMS_PX = 0.12
"""Offsets found by content whose fractions are smaller, in the root mean square, are whole ones."""

ROUNDING_PX = 12**-0.5
"""Standard error of a fractional position that is rounded."""

_EXACT_SIGMA_PX = 1e-3

_FULL_WEIGHT_PX = 0.05
"""Offsets with a larger standard error weigh less, by its square."""


@dataclass(frozen=True, kw_only=True)
class Solution:
    """All shots placed, as far as offsets between them tell."""

    placements: tuple[Placement, ...]
    """By cell. Group 0 is anchored; the others lie where their nominal positions say, each rigid in itself."""
    dropped: tuple[DroppedOffset, ...]
    """Offsets that contradict the solution, or were too few to decide between; in the order given."""
    kept: tuple[PairOffset, ...] = ()
    """Offsets that the solution fulfils to half a pixel."""
    fidelity: Fidelity = LOSSLESS
    """What the offsets tell of the screenshots."""


def place(areas: Sequence[Area], pairs: Sequence[PairOffset], *, reach_px: int) -> Solution:
    """Solve for the positions of all shots at once.

    Args:
        areas: One for each shot; their positions fix the common shift, and place what no offset ties.
        pairs: Verified offsets between them; those of other cells are left out.
        reach_px: Largest error of a nominal position against its neighbour's.
    """
    order = sorted({area.cell for area in areas})
    numbers = {cell: number for number, cell in enumerate(order)}
    used = [pair for pair in pairs if pair.reference in numbers and pair.moving in numbers]
    if not order:
        return Solution(placements=(), dropped=())
    whole = are_whole(used)
    graph = _Graph([whole_pixels(pair) for pair in used] if whole else used, numbers)
    relative = graph.solve()
    residuals = graph.residuals(relative)
    kept = residuals <= MAX_RESIDUAL_PX
    kept &= ~graph.undecided(kept)
    labels = graph.groups(kept)
    nominal = _nominal(areas, numbers)
    placements = _placements(order, graph, kept, labels, relative, nominal, reach_px)
    placements = _with_sigma(placements, graph, kept, rounding_px=0.0 if whole else ROUNDING_PX)
    dropped = tuple(
        DroppedOffset(pair=pair, residual_px=float(residual))
        for pair, residual, keep in zip(used, residuals, kept, strict=True)
        if not keep
    )
    agreed = tuple(pair for pair, keep in zip(used, kept, strict=True) if keep)
    noise = [pair.noise for pair in agreed if not pair.is_exact]
    fidelity = Fidelity(noise=round(median(noise), 2), whole_pixels=whole) if noise else LOSSLESS
    return Solution(placements=placements, dropped=dropped, kept=agreed, fidelity=fidelity)


class _Graph:
    """Shots as nodes by number, offsets as edges."""

    def __init__(self, pairs: Sequence[PairOffset], numbers: dict[Cell, int]) -> None:
        self.nodes = len(numbers)
        self.first = np.array([numbers[pair.reference] for pair in pairs], np.intp)
        self.second = np.array([numbers[pair.moving] for pair in pairs], np.intp)
        self.offsets = np.array([(p.dx_px, p.dy_px) for p in pairs], np.float64).reshape(-1, 2)
        self.sigmas_px = np.array([pair.sigma_px for pair in pairs], np.float64)
        self.trust = (_FULL_WEIGHT_PX / np.maximum(self.sigmas_px, _FULL_WEIGHT_PX)) ** 2
        self.decisive = np.array([pair.decisive for pair in pairs], np.bool_)
        self.closed = np.zeros(len(pairs), np.bool_)
        self.open = np.zeros(len(pairs), np.bool_)
        for loops in walk(pairs):
            self.closed[loops.sides[loops.is_closed].ravel()] = True
            self.open[loops.sides[~loops.is_closed].ravel()] = True

    def groups(self, kept: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Number each node's group of kept edges; 0 is the largest, the one with the first node where equal."""
        ties = coo_matrix((np.ones(kept.sum()), (self.first[kept], self.second[kept])), shape=(self.nodes, self.nodes))
        _, labels = connected_components(ties, directed=False)
        _, first, sizes = np.unique(labels, return_index=True, return_counts=True)
        rank = np.empty(sizes.size, np.intp)
        rank[np.lexsort((first, -sizes))] = np.arange(sizes.size)
        return rank[labels]

    def solve(self) -> NDArray[np.float64]:
        """Return positions, shape (nodes, 2), each group's up to a shift of its own."""
        positions = np.zeros((self.nodes, 2))
        if self.first.size == 0:
            return positions
        weights = np.where(
            self.closed, _FIRST_WEIGHTS["closed"], np.where(self.open, _FIRST_WEIGHTS["open"], _FIRST_WEIGHTS["alone"])
        )
        positions = self._least_squares(self.trust * weights)
        for scale_px in _SCALES_PX:
            squares = (self._differences(positions) ** 2).sum(axis=1) / scale_px**2
            weights = self.trust * np.maximum(1 / (1 + squares) ** 2, _LEAST_WEIGHT)
            solved = self._least_squares(weights)
            moved = np.abs(solved - positions).max()
            positions = solved
            if moved < 1e-6:
                break
        return positions

    def residuals(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far each edge is from the positions, in px; whole-pixel offsets from positions in whole pixels."""
        is_whole = bool((self.offsets == np.rint(self.offsets)).all())
        off = self._differences(np.rint(positions) if is_whole else positions)
        residuals: NDArray[np.float64] = np.sqrt((off**2).sum(axis=1))
        return residuals

    def undecided(self, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Kept edges that a dropped one contradicts with equal right: no loop tells which of the two is wrong."""
        ours = kept & self.closed
        ties = coo_matrix((np.ones(ours.sum()), (self.first[ours], self.second[ours])), shape=(self.nodes, self.nodes))
        _, firm = connected_components(ties, directed=False)
        doubtful = np.zeros(kept.size, np.bool_)
        loose = np.flatnonzero(kept & (firm[self.first] != firm[self.second]))
        contested = [
            (int(firm[self.first[edge]]), int(firm[self.second[edge]]))
            for edge in np.flatnonzero(~kept)
            if firm[self.first[edge]] != firm[self.second[edge]]
        ]
        if not contested:
            return doubtful
        beside: dict[int, list[tuple[int, int]]] = {}
        for edge in loose:
            a, b = int(firm[self.first[edge]]), int(firm[self.second[edge]])
            beside.setdefault(a, []).append((b, int(edge)))
            beside.setdefault(b, []).append((a, int(edge)))
        for start, end in contested:
            doubtful[_path(beside, start, end)] = True
        return doubtful

    def confidence(self, kept: NDArray[np.bool_], root: int) -> NDArray[np.float64]:
        """Probability that each node lies exactly, given that `root` does: its surest chain of offsets."""
        doubt = np.where(self.closed, _DOUBT["closed"], np.where(self.decisive, _DOUBT["decisive"], _DOUBT["likely"]))
        doubt = np.where(self.sigmas_px > 0, _CONTENT_DOUBT * doubt, doubt)[kept]
        first, second = self.first[kept], self.second[kept]
        # Several offsets between two shots would be summed by the matrix: the surest stands for them.
        chain = csc_matrix((-np.log1p(-doubt), (first, second)), shape=(self.nodes, self.nodes))
        sure: NDArray[np.float64] = np.exp(-dijkstra(chain, directed=False, indices=[root])[0])
        return sure

    def sigmas(self, kept: NDArray[np.bool_], members: NDArray[np.intp], middle: int) -> NDArray[np.float64]:
        """Standard error of each member's position against the middle one's, in px, shape (members,).

        The covariance of least squares is the inverse of the normal matrix, here of the graph's Laplacian with the
        middle node held.
        """
        place = np.full(self.nodes, -1, np.intp)
        free = members[members != middle]
        place[free] = np.arange(free.size)
        inside = kept & (np.isin(self.first, members) & np.isin(self.second, members))
        first, second = place[self.first[inside]], place[self.second[inside]]
        weights = 1 / np.maximum(self.sigmas_px[inside], _EXACT_SIGMA_PX) ** 2
        both = (first >= 0) & (second >= 0)
        # Of no numbers at all, bincount makes whole numbers.
        diagonal: NDArray[np.float64] = np.bincount(first[first >= 0], weights[first >= 0], free.size).astype(
            np.float64
        )
        diagonal += np.bincount(second[second >= 0], weights[second >= 0], free.size)
        every = np.arange(free.size)
        matrix = coo_matrix(
            (
                np.concatenate([-weights[both], -weights[both], diagonal]),
                (
                    np.concatenate([first[both], second[both], every]),
                    np.concatenate([second[both], first[both], every]),
                ),
            ),
            shape=(free.size, free.size),
        ).tocsc()
        variances = np.zeros(self.nodes)
        variances[free] = inverse_diagonal(factored(matrix))
        sigmas: NDArray[np.float64] = np.sqrt(np.maximum(variances[members], 0.0))
        return sigmas

    def _differences(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        return positions[self.second] - positions[self.first] - self.offsets

    def _least_squares(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        _, roots = np.unique(self._components(), return_index=True)
        diagonal: NDArray[np.float64] = np.bincount(self.first, weights, self.nodes).astype(np.float64)
        diagonal += np.bincount(self.second, weights, self.nodes)
        diagonal[roots] += 1.0  # holds each group's first shot at nothing
        every = np.arange(self.nodes)
        matrix = coo_matrix(
            (
                np.concatenate([-weights, -weights, diagonal]),
                (
                    np.concatenate([self.first, self.second, every]),
                    np.concatenate([self.second, self.first, every]),
                ),
            ),
            shape=(self.nodes, self.nodes),
        ).tocsc()
        pull = weights[:, None] * self.offsets
        right = np.stack(
            [
                np.bincount(self.second, pull[:, axis], self.nodes) - np.bincount(self.first, pull[:, axis], self.nodes)
                for axis in (0, 1)
            ],
            axis=1,
        )
        solved: NDArray[np.float64] = factored(matrix).solve(right)
        return solved

    def _components(self) -> NDArray[np.intp]:
        return self.groups(np.ones(self.first.size, np.bool_))


def are_whole(pairs: Sequence[PairOffset]) -> bool:
    """Whether offsets found by content lie at whole pixels, as those of screenshots cut from one map do.

    Fractions that scaling made are spread over the pixel, with a root mean square of 0.29 px.
    """
    rests = np.array([(p.rest_x_px, p.rest_y_px) for p in pairs if not p.is_exact], np.float64)
    return rests.size == 0 or bool(len(rests) >= _DECIDING_PAIRS and np.sqrt((rests**2).mean()) <= _WHOLE_RMS_PX)


def whole_pixels(pair: PairOffset) -> PairOffset:
    """Return an offset without its fraction, which is an error of measurement where screenshots were not scaled."""
    return replace(pair, rest_x_px=0.0, rest_y_px=0.0)


def _with_sigma(
    placements: Sequence[Placement], graph: _Graph, kept: NDArray[np.bool_], *, rounding_px: float
) -> tuple[Placement, ...]:
    members = np.array([n for n, p in enumerate(placements) if p.status is PlacementStatus.ANCHORED], np.intp)
    if members.size < 2 or not graph.sigmas_px.any():
        return tuple(placements)
    places = np.array([(placements[n].x_px, placements[n].y_px) for n in members], np.float64)
    middle = int(members[np.argmin(((places - np.median(places, axis=0)) ** 2).sum(axis=1))])
    sigmas = dict(zip(members.tolist(), graph.sigmas(kept, members, middle).tolist(), strict=True))
    return tuple(
        replace(p, sigma_px=float(np.hypot(sigmas[n], rounding_px))) if n in sigmas else p
        for n, p in enumerate(placements)
    )


def _path(beside: dict[int, list[tuple[int, int]]], start: int, end: int) -> list[int]:
    """Edges of a shortest path from one node to another; empty where there is none."""
    came: dict[int, tuple[int, int]] = {start: (start, -1)}
    front = [start]
    while front and end not in came:
        front = [
            node
            for known in front
            for node, edge in beside.get(known, ())
            if node not in came and came.setdefault(node, (known, edge))
        ]
    edges: list[int] = []
    node = end
    while node in came and node != start:
        node, edge = came[node]
        edges.append(edge)
    return edges


def _nominal(areas: Sequence[Area], numbers: dict[Cell, int]) -> NDArray[np.float64]:
    nominal = np.full((len(numbers), 2), np.nan)
    for area in areas:
        if area.position is not None:
            nominal[numbers[area.cell]] = area.position.x_px, area.position.y_px
    return nominal


def _placements(
    order: Sequence[Cell],
    graph: _Graph,
    kept: NDArray[np.bool_],
    labels: NDArray[np.intp],
    relative: NDArray[np.float64],
    nominal: NDArray[np.float64],
    reach_px: int,
) -> tuple[Placement, ...]:
    whole = np.rint(relative).astype(np.int64)
    places = np.zeros_like(whole)
    members = _members(labels)
    anchored = members[0] if members[0].size > 1 or len(order) == 1 else members[0][:0]
    degree = np.bincount(graph.first[kept], minlength=len(order)) + np.bincount(
        graph.second[kept], minlength=len(order)
    )
    sure = np.zeros(len(order))
    if anchored.size:
        places[anchored] = whole[anchored] + _shift(nominal[anchored] - whole[anchored])
        sure[anchored] = graph.confidence(kept, int(anchored[np.argmax(degree[anchored])]))[anchored]
    errors = NominalErrors(
        {order[n]: (int(places[n, 0]), int(places[n, 1])) for n in anchored},
        {cell: (float(x), float(y)) for cell, (x, y) in zip(order, nominal, strict=True) if not np.isnan(x)},
        reach_px=reach_px,
    )
    status = [PlacementStatus.AMBIGUOUS] * len(order)
    for number in anchored:
        status[number] = PlacementStatus.ANCHORED
    for group in members[1:] if anchored.size else members:
        expected = [errors.expected(order[n]) for n in group]
        known = [(n, at) for n, at in zip(group, expected, strict=True) if at is not None]
        if not known:
            for n in group:
                status[n] = PlacementStatus.UNPLACED
            continue
        places[group] = whole[group] + _shift(np.array([at for _, at in known]) - whole[[n for n, _ in known]])
        for n in group:
            sure[n] = errors.prior(order[n]).at(0, 0)
    return tuple(
        Placement(
            cell=cell,
            x_px=int(places[n, 0]),
            y_px=int(places[n, 1]),
            confidence=float(sure[n]),
            status=status[n],
            group=int(labels[n]),
        )
        for n, cell in enumerate(order)
    )


def _members(labels: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    by_label = np.argsort(labels, kind="stable")
    return np.split(by_label, np.cumsum(np.bincount(labels))[:-1])


def _shift(differences: NDArray[np.float64]) -> NDArray[np.int64]:
    """The whole-pixel shift in the middle of what the known positions ask for."""
    known = differences[~np.isnan(differences).any(axis=1)]
    if known.size == 0:
        return np.zeros(2, np.int64)
    return np.rint(np.median(known, axis=0)).astype(np.int64)
