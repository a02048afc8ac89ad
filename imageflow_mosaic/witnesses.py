"""How ties between pictures whose places are not known are believed: by patches, or by content where pixels differ.

What other pictures that would then overlap have to show, and what a tie is worth without any, is measured on real
games; `plane` asks.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from imageflow_domain.geometry import Rect
from imageflow_mosaic.comparison import OnProgress, Pictures, verified
from imageflow_mosaic.layout import Tie
from imageflow_mosaic.looks import Look, distinguished
from imageflow_mosaic.plane import Hearing
from imageflow_mosaic.registration import Match
from imageflow_mosaic.resemblance import Pairs, resemblances
from imageflow_mosaic.sketch import Proposal, Sketch, look_again

_SURE_SQUARES = 14
"""Squares of 64 px that a tie must show the same in to be believed without other witnesses: no sprite fills so many."""

_WITNESSES = 24
"""Patches by which other pictures confirm or contradict a tie."""

_SEEN_SHARE = 0.3
"""Of them that must be seen. Where a tie is right three in four are, where it is wrong next to none."""

SURE_SUBWINDOWS = 150
"""Sub-windows that agree on a tie to be believed without other witnesses, where pixels differ everywhere: among 1,400
proposals of real frames the wrong ones that registration did not refute had 87 at most."""

_WITNESSING = 10_000
"""Squared grey levels of thumbnails by which other pictures confirm or contradict such a tie: 8,000 px of land."""

_ALIKE = 0.5
"""Correlation of them that confirms it."""

_FOR_EACH_AGAINST = 4
"""Sub-windows that must agree for each that contradicts: coasts look alike, but for a tree."""

_LEAST_SUBWINDOWS = 40
"""Sub-windows that agree on a tie to be believed because of other pictures."""

NEAR_PX = 3.0
"""How far such a tie may be off in a group: errors of a tenth of a pixel add up along chains."""


def hearing_by_patches(sketches: Sequence[Sketch], masks: Sequence[Rect], *, slack_px: float = 0.0) -> Hearing:
    """Return how ties are believed between pictures whose pixels are equal where they overlap.

    Args:
        sketches: Of all pictures, by number.
        masks: Rectangles of the head-up display in every picture.
        slack_px: How far a tie may be off in a group.
    """

    def squares(tie: Tie) -> int:
        return look_again(sketches[tie.first], sketches[tie.second], tie.offset, masks).squares

    return Hearing(
        look=lambda first, second, offset: look_again(sketches[first], sketches[second], offset, masks),
        enough=_WITNESSES,
        worth=squares,
        seen_share=_SEEN_SHARE,
        sure=_SURE_SQUARES,
        least=0,
        slack_px=slack_px,
    )


def _any(proposal: Proposal) -> bool:  # noqa: ARG001 - the filter that lets all pass
    return True


class ContentTies:
    """What the content of pictures tells whose pixels differ everywhere.

    Args:
        looks: Of all pictures, by number.
        foreign: The pairs that are compared.
        pictures: Gives their pixels.
        known: Ties that are verified already.
        threads: Two of them.
        on_progress: Called with "correlating" and "comparing".
        wanted: Says which proposals are verified.
    """

    def __init__(
        self,
        looks: Sequence[Look],
        foreign: Pairs,
        pictures: Pictures,
        known: Sequence[Tie],
        threads: Executor,
        on_progress: OnProgress,
        wanted: Callable[[Proposal], bool] = _any,
    ) -> None:
        count = len(looks)
        self._near = resemblances([look.thumbnail for look in looks])
        proposals = self._near.propose(foreign, threads, lambda done: on_progress("correlating", done, count))
        likely = [proposal for proposal in proposals if wanted(proposal)]
        self.matches: dict[Tie, Match] = verified(likely, count, pictures, self._near.reach_px, on_progress, known)
        apart = distinguished(list(self.matches), looks)
        self.overlaps = apart.overlaps
        self.doubles = tuple(tie for tie in apart.doubles if self._is_seen(tie))
        self.displays = (*apart.displays, *(tie for tie in apart.doubles if not self._is_seen(tie)))

    @property
    def hearing(self) -> Hearing:
        """How these ties are believed."""
        return Hearing(
            look=self._near.look,
            enough=_WITNESSING,
            worth=lambda tie: tie.agreeing - _FOR_EACH_AGAINST * tie.contradicting,
            seen_share=_ALIKE,
            sure=SURE_SUBWINDOWS,
            least=_LEAST_SUBWINDOWS,
            slack_px=NEAR_PX,
        )

    def _is_seen(self, tie: Tie) -> bool:
        """Whether two pictures show the same beyond what stands still in all pictures."""
        sighting = self._near.look(tie.first, tie.second, tie.offset)
        return sighting.expected >= _WITNESSING and sighting.seen >= _ALIKE * sighting.expected
