"""How the blocks of a layer are shared out among the steps of a run. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import ceil

from imageflow_domain.grid import Block
from imageflow_domain.survey import Layer, Survey

SMALL_SURVEY = 128
"""Areas up to which a survey's steps run one after another in the run's own process; more use child processes.

Children take 2 s of a processor for the definitions, 0.4 s each and 0.06 s a step; an area takes 0.3 s in all. From
two shares a layer on, two cores make up for it.
"""

MOST_SHARES = 50
"""Of one layer: each is a step, with its events."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """Blocks that one step works on."""

    number: int
    blocks: tuple[Block, ...]

    @property
    def key(self) -> str:
        """Name of the step within its layer."""
        return f"{self.number:02d}_{self.blocks[0].key}"


@dataclass(frozen=True, kw_only=True)
class _Size:
    """How much of a layer one share holds, in screenshots."""

    fewest: int
    """About ten seconds of work: another process is not worth its start for less."""
    most: int
    """A minute and a half: how long a share may run alone after all others are done, or after one failed."""


_SIZES = {
    Layer.SCREENSHOTS: _Size(fewest=64, most=400),
    # forty registered a second: starting processes would take as long as they work
    Layer.PAIR_OFFSETS: _Size(fewest=600, most=2000),
    Layer.TILES: _Size(fewest=64, most=600),
}


def shares_of(survey: Survey, layer: Layer, blocks: Collection[Block], *, slots: int) -> tuple[Share, ...]:
    """Share blocks out evenly among all slots of the layer's pool, in as few rounds as may be.

    A small survey is one share: its steps run one after another.

    Args:
        blocks: Those to work on; none is cut.
        slots: How many shares of the layer may be at work at once.
    """
    shots = {block: len(survey.grid.cells_of(block, survey.block_side)) for block in sorted(blocks)}
    left = sum(shots.values())
    if survey.grid.rows * survey.grid.cols <= SMALL_SURVEY:
        parts = [tuple(shots)] if shots else []
    else:
        size = _SIZES[layer]
        rounds = max(1, ceil(left / (slots * size.most)))
        parts = _cut(tuple(shots), [*shots.values()], max(size.fewest, left / (slots * rounds), left / MOST_SHARES))
    return tuple(Share(number=number, blocks=part) for number, part in enumerate(parts))


def _cut(blocks: Sequence[Block], shots: Sequence[int], a_share: float) -> list[tuple[Block, ...]]:
    """Cut where the running count passes the next multiple of `a_share`: as many parts as the count requires."""
    parts: list[list[Block]] = []
    before = 0
    for block, count in zip(blocks, shots, strict=True):
        if not parts or before >= len(parts) * a_share:
            parts.append([])
        parts[-1].append(block)
        before += count
    return [tuple(part) for part in parts]
