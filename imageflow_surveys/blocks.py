"""Do several blocks of a layer, those that are not whole, and add up the results.

Each takes the id of the run that works, where one does: pages then show which run works on a block.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from game_capture.staging import Staging
from imageflow_clients.stores import Stores
from imageflow_domain.grid import Block
from imageflow_domain.survey import Layer, Survey
from imageflow_surveys import states
from imageflow_surveys.attempt import attempt
from imageflow_surveys.camera import Camera, driver_of
from imageflow_surveys.capture_block import Captured, capture_block
from imageflow_surveys.cut_block import cut_block
from imageflow_surveys.register_block import register_block
from imageflow_surveys.watch import Watch, kept_picture, note_panels

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class CapturedBlocks:
    """The result of several blocks' screenshots."""

    shots: int = 0
    kept: int = 0
    """Of them, those that an earlier attempt had stored."""
    restarts: int = 0
    """How often the game died and was started again."""
    size_bytes: int = 0
    unsettled: int = 0
    """Of the shots, those whose image still changed when it was taken."""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class RegisteredBlocks:
    """The result of several blocks' offsets."""

    shots: int = 0
    pairs: int = 0
    """Neighbouring pairs that were compared."""
    offsets: int = 0
    """Of them, those that gave a verified offset."""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class CutBlocks:
    """The result of several blocks' tiles."""

    squares: int = 0
    tiles: int = 0
    composed: int = 0
    """Native tiles whose inputs differ from those of the base layer's."""
    encoded: int = 0
    """Tiles whose pixels no stored tile had yet."""
    size_bytes: int = 0
    sources: tuple[str, ...] = ()
    """What the tiles were made from."""
    seconds: float = 0.0


def capture_blocks(
    stores: Stores,
    survey: Survey,
    blocks: Iterable[Block],
    *,
    run_id: str | None = None,
    staging: Staging | None = None,
) -> CapturedBlocks:
    """Take the screenshots of the blocks that lack some, with one game; the errors are `capture_block`'s.

    Args:
        staging: What this machine has for games; see `driver_of`.
    """
    begin = time.monotonic()
    watch = Watch(survey)
    with (
        kept_picture(stores, survey),
        Camera(lambda: driver_of(stores, survey.spec, staging, survey=survey), watch.see) as camera,
    ):

        def capture(block: Block) -> Captured:
            return capture_block(stores, survey, block, camera, run_id=run_id)

        done = _each(stores, survey, Layer.SCREENSHOTS, blocks, run_id, capture)
        note_panels(stores, survey, watch.panels())
        return CapturedBlocks(
            shots=sum(block.shots for block in done),
            kept=sum(block.kept for block in done),
            restarts=camera.restarts,
            size_bytes=sum(block.size_bytes for block in done),
            unsettled=sum(block.unsettled for block in done),
            seconds=time.monotonic() - begin,
        )


def register_blocks(
    stores: Stores, survey: Survey, blocks: Iterable[Block], *, run_id: str | None = None
) -> RegisteredBlocks:
    """Register the blocks that are not registered; the errors are `register_block`'s."""
    begin = time.monotonic()
    done = _each(
        stores, survey, Layer.PAIR_OFFSETS, blocks, run_id, lambda block: register_block(stores, survey, block)
    )
    return RegisteredBlocks(
        shots=sum(block.shots for block in done),
        pairs=sum(block.pairs for block in done),
        offsets=sum(len(block.offsets) for block in done),
        seconds=time.monotonic() - begin,
    )


def cut_blocks(stores: Stores, survey: Survey, blocks: Iterable[Block], *, run_id: str | None = None) -> CutBlocks:
    """Cut the blocks that are not cut; the errors are `cut_block`'s."""
    begin = time.monotonic()
    done = _each(stores, survey, Layer.TILES, blocks, run_id, lambda block: cut_block(stores, survey, block))
    return CutBlocks(
        squares=sum(block.squares for block in done),
        tiles=sum(block.tiles for block in done),
        composed=sum(block.composed for block in done),
        encoded=sum(block.encoded for block in done),
        size_bytes=sum(block.size_bytes for block in done),
        sources=tuple(sorted({block.source for block in done})),
        seconds=time.monotonic() - begin,
    )


def _each(
    stores: Stores,
    survey: Survey,
    layer: Layer,
    blocks: Iterable[Block],
    run_id: str | None,
    work: Callable[[Block], T],
) -> list[T]:
    """Work on the blocks whose layer is not whole: the plan of the run may be old."""

    def done() -> Iterator[T]:
        for block in states.missing(stores, survey, layer, blocks):
            with attempt(stores, survey.id, layer, block, run_id):
                yield work(block)

    return list(done())
