"""Lay one composed canvas under another: sure pixels over unsure ones."""

import numpy as np

from imageflow_domain.errors import InvalidInput
from imageflow_mosaic.codec import packed
from imageflow_mosaic.compose import Canvas


def lay_under(upper: Canvas, lower: Canvas) -> Canvas:
    """Return `upper`, with `lower` showing where `upper` covers nothing.

    Raises:
        InvalidInput: Where the two show different rectangles.
    """
    if upper.rect != lower.rect:
        raise InvalidInput(f"Canvases of {upper.rect} and {lower.rect} cannot be stacked: compose the same rectangle.")
    if upper.full:
        return upper
    rgba = np.where(upper.covered[..., None], upper.rgba, lower.rgba)
    return Canvas(rect=upper.rect, rgba=rgba, full=bool(packed(rgba).all()))
