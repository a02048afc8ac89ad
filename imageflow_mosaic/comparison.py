"""Proposals that two pictures overlap, verified by `registration` on the pictures themselves, the likeliest first."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components, reverse_cuthill_mckee

from imageflow_domain.geometry import Rect, Size
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.fingerprint import Fingerprint, fingerprint
from imageflow_mosaic.layout import Tie
from imageflow_mosaic.overlays import MOST_FRAMES, find_overlays
from imageflow_mosaic.registration import Match, register
from imageflow_mosaic.sketch import Proposal

_TRIES = (8, 4, 4)
"""Proposals of each picture that are verified, round by round; later rounds look for other groups only."""

_HELD_BYTES = 300_000_000
"""Of pixels that are held while pairs are verified."""

Load = Callable[[str], Pixels]
OnProgress = Callable[[str, int, int], None]
"""Hears what is being done, how much of it is done, and of how much."""


class Overlays:
    """What stands still in the pictures of the commonest size, looked for when it is first asked for.

    Args:
        names: Of all pictures.
        sizes: Of each.
        load: Reads one.
        masks: Rectangles of the head-up display in every picture.
    """

    def __init__(self, names: Sequence[str], sizes: Sequence[Size], load: Load, masks: Sequence[Rect]) -> None:
        self._load, self._masks = load, masks
        self._size = Counter(sizes).most_common(1)[0][0]
        alike = [name for name, size in zip(names, sizes, strict=True) if size == self._size]
        self._sample = alike[:: -(-len(alike) // MOST_FRAMES)]

    def of(self, size: Size) -> tuple[Rect, ...]:
        """Return the overlays of pictures of one size; none of another size than the commonest."""
        return self._found if size == self._size else ()

    @cached_property
    def _found(self) -> tuple[Rect, ...]:
        return find_overlays([self._load(name) for name in self._sample], self._masks)


class Pictures:
    """The pictures compared last, ready to be compared again.

    Args:
        names: Of all pictures.
        load: Reads one.
        masks: Rectangles of the head-up display in every picture.
        overlays: What else stands still in them.
    """

    def __init__(self, names: Sequence[str], load: Load, masks: Sequence[Rect], overlays: Overlays) -> None:
        self._names, self._load, self._masks, self._overlays = names, load, masks, overlays
        self._held: OrderedDict[int, Fingerprint] = OrderedDict()
        self._bytes = 0

    def of(self, number: int) -> Fingerprint:
        """Return the picture with this number among the names; raise what reading it raises."""
        if number not in self._held:
            pixels = self._load(self._names[number])
            size = Size(width_px=pixels.shape[1], height_px=pixels.shape[0])
            self._held[number] = fingerprint(pixels, self._masks, partial(self._overlays.of, size))
            self._bytes += self._held[number].pixels.nbytes
            while self._bytes > _HELD_BYTES and len(self._held) > 2:
                _, dropped = self._held.popitem(last=False)
                self._bytes -= dropped.pixels.nbytes
        self._held.move_to_end(number)
        return self._held[number]


def verified(
    proposals: Sequence[Proposal],
    count: int,
    pictures: Pictures,
    reach_px: int,
    on_progress: OnProgress,
    known: Sequence[Tie] = (),
) -> dict[Tie, Match]:
    """Return what the pictures confirm, with its match: of each picture the best proposals, then some out of its group.

    Args:
        proposals: The likeliest first.
        count: Of all pictures.
        reach_px: How far from a proposed offset the right one may lie.
        on_progress: Called with "comparing".
        known: Ties that are verified already.
    """
    ties: dict[Tie, Match] = {}
    tried: set[Proposal] = set()
    for number, tries in enumerate(_TRIES):
        groups = labels([*known, *ties], count) if number else range(count)
        chosen = _chosen(proposals, tried, tries, groups)
        tried |= set(chosen)
        for done, proposal in enumerate(_in_order(chosen, count), start=1):
            match = register(pictures.of(proposal.first), pictures.of(proposal.second), proposal.offset, reach_px)
            if match is not None:
                ties[_tie(proposal, match)] = match
            on_progress("comparing", done, len(chosen))
    return ties


def _tie(proposal: Proposal, match: Match) -> Tie:
    exact = match.sigma_px == 0.0
    return Tie(
        first=proposal.first,
        second=proposal.second,
        offset=match.offset,
        rest_x_px=match.rest_x_px,
        rest_y_px=match.rest_y_px,
        sigma_px=match.sigma_px,
        agreeing=0 if exact else match.votes,
        contradicting=0 if exact else round(match.votes / match.agreement) - match.votes,
    )


def labels(ties: Sequence[Tie], count: int) -> list[int]:
    """Return for each picture the number of what ties connect it to."""
    found: list[int] = connected_components(_graph(ties, count), directed=False)[1].tolist()
    return found


def _chosen(proposals: Sequence[Proposal], tried: set[Proposal], tries: int, groups: Sequence[int]) -> list[Proposal]:
    """The likeliest proposals between different groups that were not tried: so many that either picture has left."""
    left: dict[int, int] = {}
    chosen = []
    for proposal in proposals:
        first, second = proposal.first, proposal.second
        if proposal in tried or groups[first] == groups[second]:
            continue
        if max(left.get(first, tries), left.get(second, tries)) > 0:
            chosen.append(proposal)
            left[first], left[second] = left.get(first, tries) - 1, left.get(second, tries) - 1
    return chosen


def _graph(pairs: Sequence[Tie] | Sequence[Proposal], count: int) -> csr_matrix[np.float64]:
    first = np.array([pair.first for pair in pairs], np.intp)
    second = np.array([pair.second for pair in pairs], np.intp)
    ones = np.ones(2 * len(pairs))
    both = np.concatenate([first, second]), np.concatenate([second, first])
    return csr_matrix(coo_matrix((ones, both), shape=(count, count)))


def _in_order(proposals: Sequence[Proposal], count: int) -> Iterator[Proposal]:
    """Order pairs such that few pictures need to be held: after Cuthill and McKee, neighbours get near numbers."""
    place = np.empty(count, np.intp)
    place[reverse_cuthill_mckee(_graph(proposals, count), symmetric_mode=True)] = np.arange(count)
    return iter(sorted(proposals, key=lambda p: tuple(sorted((int(place[p.first]), int(place[p.second]))))))
