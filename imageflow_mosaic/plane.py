"""Pictures that ties join, and where each lies in its group: which ties are believed, and which are not.

A tie that joins two groups is believed where other pictures of both, which would then overlap, show the same there.
What shows the same is told by patches or by thumbnails: `Hearing` says which.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve

from imageflow_domain.geometry import Offset, Size
from imageflow_mosaic.layout import Tie
from imageflow_mosaic.sketch import SketchMatch

_EXACT_SIGMA_PX = 0.01
"""What stands for 0 where sure ties and less sure ones hold one group together."""

_MOST_WITNESSES = 16
"""Pairs of pictures that are heard about one tie."""


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """How ties of one kind are believed."""

    look: Callable[[int, int, Offset], SketchMatch]
    """Says what two pictures, by number, show of one another at an offset."""
    enough: int
    """What other pictures would have to show for a tie to be believed by it, or not."""
    seen_share: float
    """Of that, what must be seen: where a tie is right most is, where it is wrong next to nothing."""
    worth: Callable[[Tie], int]
    """How sure a tie is by itself: the surest are heard first."""
    sure: int
    """Worth of a tie that is believed where there are no others."""
    least: int
    """Worth of a tie that is believed because of others."""
    slack_px: float
    """How far a tie may be off in a group."""


class Plane:
    """Pictures that are joined by ties, and where each lies in its group."""

    def __init__(self, sizes: Sequence[Size]) -> None:
        count = len(sizes)
        self._sizes = np.array([(size.width_px, size.height_px) for size in sizes], np.int64).reshape(count, 2)
        self._group = np.arange(count)
        """The number of each picture's group: one of its pictures."""
        self._members: dict[int, list[int]] = {number: [number] for number in range(count)}
        self._at = np.zeros((count, 2))
        """Top left corners in the group's pixels, x and y."""
        self.ties: list[Tie] = []
        """Those that fit."""

    def group(self, picture: int) -> int:
        """Return the number of a picture's group, equal for all pictures that are joined; it changes as groups join."""
        return int(self._group[picture])

    def place(self, picture: int) -> Offset:
        """Where a picture's top left corner lies in its group, to the nearest pixel."""
        return Offset(dx_px=round(float(self._at[picture, 0])), dy_px=round(float(self._at[picture, 1])))

    def hold(self, pictures: Sequence[int], corners: Sequence[Offset]) -> None:
        """Make pictures one group that lies as it is known to; none of them has been joined yet.

        Args:
            pictures: One at least.
            corners: Of each its top left corner.
        """
        for number in pictures:
            del self._members[number]
        self._members[pictures[0]] = list(pictures)
        self._group[list(pictures)] = pictures[0]
        self._at[list(pictures)] = [(corner.dx_px, corner.dy_px) for corner in corners]

    def join(self, ties: Sequence[Tie], hearing: Hearing) -> list[Tie]:
        """Join all pictures that ties connect, and return the ties that were not believed.

        The surest go first. A tie that joins two groups is believed where other pictures of both, which would then
        overlap, show the same there; where they contradict it, it is not. Where there are none, it must be sure by
        itself. What was not believed is heard again whenever groups have grown.
        """
        waiting = sorted(ties, key=lambda tie: -hearing.worth(tie))
        refused: list[Tie] = []
        while waiting:
            unsure = []
            for tie in waiting:
                if self._group[tie.first] == self._group[tie.second]:
                    fits = bool(np.abs(self._shift(tie)).max() <= hearing.slack_px)
                    (self.ties if fits else refused).append(tie)
                elif self._is_believed(tie, hearing):
                    self._merge(tie)
                    self.ties.append(tie)
                else:
                    unsure.append(tie)
            if len(unsure) == len(waiting):
                return refused + unsure
            waiting = unsure
        return refused

    def settle(self) -> None:
        """Move all pictures to where their ties, each by its certainty, have them on the whole.

        Needed where ties are right to a fraction of a pixel only: what each is off would add up along a chain.
        """
        ties = [tie for tie in self.ties if tie.first != tie.second]
        if not ties:
            return
        count = len(self._at)
        first, second = (np.array([getattr(tie, end) for tie in ties]) for end in ("first", "second"))
        weights = 1 / np.maximum([tie.sigma_px for tie in ties], _EXACT_SIGMA_PX) ** 2
        # One picture of each group, and each that has no tie, stays where it is.
        fixed = np.array(
            [float(number == self._members[group][0]) for number, group in enumerate(self._group.tolist())]
        )
        rows = np.concatenate([first, second, first, second, np.arange(count)])
        columns = np.concatenate([first, second, second, first, np.arange(count)])
        normal = coo_matrix(
            (np.concatenate([weights, weights, -weights, -weights, fixed]), (rows, columns)), (count, count)
        ).tocsc()
        for axis, wanted in enumerate(np.array([tie.precise for tie in ties]).T):
            pull = np.bincount(second, weights * wanted, count) - np.bincount(first, weights * wanted, count)
            self._at[:, axis] = spsolve(normal, pull + fixed * self._at[:, axis])

    def _is_believed(self, tie: Tie, hearing: Hearing) -> bool:
        expected = seen = 0
        for first, second, offset in self._would_overlap(tie):
            sighting = hearing.look(first, second, offset)
            expected += sighting.expected
            seen += sighting.seen
        if expected < hearing.enough:
            return hearing.worth(tie) >= hearing.sure
        return hearing.worth(tie) >= hearing.least and seen >= hearing.seen_share * expected

    def _would_overlap(self, tie: Tie) -> Iterator[tuple[int, int, Offset]]:
        """Yield other pairs of both groups' pictures that would overlap, those that would most first."""
        ours = self._members[self.group(tie.first)]
        theirs = self._members[self.group(tie.second)]
        begin = (self._at[theirs] + self._shift(tie))[None, :, :]
        own = self._at[ours][:, None, :]
        between = begin - own
        shared = np.minimum(own + self._sizes[ours][:, None, :], begin + self._sizes[theirs][None, :, :])
        across, down = np.moveaxis(np.maximum(shared - np.maximum(own, begin), 0), -1, 0)
        areas = (across * down).ravel()
        found = 0
        for pair in np.argsort(-areas, kind="stable")[: _MOST_WITNESSES + 1]:
            row, col = divmod(int(pair), len(theirs))
            if areas[pair] == 0 or found == _MOST_WITNESSES:
                return
            if (ours[row], theirs[col]) != (tie.first, tie.second):
                found += 1
                dx, dy = (round(float(part)) for part in between[row, col])
                yield ours[row], theirs[col], Offset(dx_px=dx, dy_px=dy)

    def _shift(self, tie: Tie) -> NDArray[np.float64]:
        """From the second picture's group to the first one's; 0 where a tie within a group fits."""
        shift: NDArray[np.float64] = self._at[tie.first] + tie.precise - self._at[tie.second]
        return shift

    def _merge(self, tie: Tie) -> None:
        here, there, shift = self.group(tie.first), self.group(tie.second), self._shift(tie)
        if len(self._members[here]) < len(self._members[there]):
            here, there, shift = there, here, -shift
        moved = self._members.pop(there)
        self._at[moved] += shift
        self._group[moved] = here
        self._members[here] += moved
