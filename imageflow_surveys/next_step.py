"""The one rule of what a survey needs next. Pure: progress in, step out."""

from imageflow_domain.survey import BLOCK_LAYERS, Layer, Progress, Step


def next_step(progress: Progress) -> Step | None:
    """Return the first layer that is not whole, over the blocks that lack it; `None` when the survey is done."""
    for layer in Layer:
        if layer in BLOCK_LAYERS:
            missing = progress.blocks - progress.done_blocks[layer]
            if missing:
                return Step(layer=layer, blocks=tuple(sorted(missing)))
        elif layer not in progress.done_layers:
            return Step(layer=layer, blocks=())
    return None
