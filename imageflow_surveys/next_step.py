"""The one rule of what a survey needs next. Pure: progress in, step out."""

from imageflow_domain.survey import BLOCK_LAYERS, Layer, NextLayer, Progress


def next_step(progress: Progress) -> NextLayer | None:
    """Return the first layer that is not whole, over the blocks that lack it; `None` when the survey is done."""
    for layer in Layer:
        if layer in BLOCK_LAYERS:
            missing = progress.blocks - progress.done_blocks[layer]
            if missing:
                return NextLayer(layer=layer, blocks=tuple(sorted(missing)))
        elif layer not in progress.done_layers:
            return NextLayer(layer=layer, blocks=())
    return None
