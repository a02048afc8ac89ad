"""Run a block's use case over many blocks of one survey, and add up what came of them."""

from collections.abc import Iterable
from dataclasses import dataclass

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


def capture_blocks(stores: Stores, survey: Survey, blocks: Iterable[Block]) -> CapturedBlocks:
    """Take the screenshots of several blocks with one game; the errors are `capture_block`'s."""
    with Camera(lambda: driver_of(stores, survey.spec)) as camera:
        captured = tuple(capture_block(stores, survey, block, camera) for block in blocks)
        return CapturedBlocks(blocks=captured, restarts=camera.restarts)


def register_blocks(stores: Stores, survey: Survey, blocks: Iterable[Block]) -> Registered:
    """Register several blocks; the errors are `register_block`'s."""
    done = [register_block(stores, survey, block) for block in blocks]
    offsets: tuple[PairOffset, ...] = tuple(offset for block in done for offset in block.offsets)
    return Registered(shots=sum(b.shots for b in done), pairs=sum(b.pairs for b in done), offsets=offsets)


def cut_blocks(stores: Stores, survey: Survey, blocks: Iterable[Block]) -> Cut:
    """Cut several blocks; the errors are `cut_block`'s."""
    done = [cut_block(stores, survey, block) for block in blocks]
    return Cut(
        squares=sum(b.squares for b in done),
        tiles=sum(b.tiles for b in done),
        composed=sum(b.composed for b in done),
        encoded=sum(b.encoded for b in done),
        size_bytes=sum(b.size_bytes for b in done),
        source=" and ".join(sorted({b.source for b in done})),
    )
