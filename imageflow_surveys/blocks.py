"""Run a block's use case over many blocks of one survey, and add up what came of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from game_capture.staging import Staging
from imageflow_clients.stores import Stores
from imageflow_domain.grid import Block
from imageflow_domain.placement import PairOffset
from imageflow_domain.survey import Survey
from imageflow_surveys.camera import Camera, driver_of
from imageflow_surveys.capture_block import Captured, capture_block
from imageflow_surveys.cut_block import Cut, cut_block
from imageflow_surveys.register_block import Registered, register_block


@dataclass(frozen=True, kw_only=True)
class CapturedBlocks:
    """What came of several blocks' screenshots."""

    blocks: tuple[Captured, ...]
    restarts: int
    """How often the game died and was started again."""

    @property
    def shots(self) -> int:
        return sum(block.shots for block in self.blocks)

    @property
    def kept(self) -> int:
        return sum(block.kept for block in self.blocks)

    @property
    def size_bytes(self) -> int:
        return sum(block.size_bytes for block in self.blocks)


def _nothing(block: Block, done: Any) -> None:
    """Report a block to nobody."""


def capture_blocks(
    stores: Stores,
    survey: Survey,
    blocks: Iterable[Block],
    report: Callable[[Block, CapturedBlocks], None] = _nothing,
    *,
    staging: Staging | None = None,
) -> CapturedBlocks:
    """Take the screenshots of several blocks with one game; the errors are `capture_block`'s.

    Args:
        report: Is told of each block as soon as it is whole.
        staging: What this machine has for games; see `driver_of`.
    """
    captured = []
    with Camera(lambda: driver_of(stores, survey.spec, staging)) as camera:
        for block in blocks:
            restarts = camera.restarts
            captured.append(capture_block(stores, survey, block, camera))
            report(block, CapturedBlocks(blocks=(captured[-1],), restarts=camera.restarts - restarts))
        return CapturedBlocks(blocks=tuple(captured), restarts=camera.restarts)


def register_blocks(
    stores: Stores, survey: Survey, blocks: Iterable[Block], report: Callable[[Block, Registered], None] = _nothing
) -> Registered:
    """Register several blocks, telling `report` of each; the errors are `register_block`'s."""
    done = []
    for block in blocks:
        done.append(register_block(stores, survey, block))
        report(block, done[-1])
    offsets: tuple[PairOffset, ...] = tuple(offset for block in done for offset in block.offsets)
    return Registered(shots=sum(b.shots for b in done), pairs=sum(b.pairs for b in done), offsets=offsets)


def cut_blocks(
    stores: Stores, survey: Survey, blocks: Iterable[Block], report: Callable[[Block, Cut], None] = _nothing
) -> Cut:
    """Cut several blocks, telling `report` of each; the errors are `cut_block`'s."""
    done = []
    for block in blocks:
        done.append(cut_block(stores, survey, block))
        report(block, done[-1])
    return Cut(
        squares=sum(b.squares for b in done),
        tiles=sum(b.tiles for b in done),
        composed=sum(b.composed for b in done),
        encoded=sum(b.encoded for b in done),
        size_bytes=sum(b.size_bytes for b in done),
        source=" and ".join(sorted({b.source for b in done})),
    )
