"""What a frame of a survey may be like: any image that `imageflow_images.intake` reads, within these limits."""

import numpy as np
from numpy.typing import NDArray

from imageflow_images.intake import IntakeRules
from imageflow_images.intake import decode_rgb as decode_image

MAX_BYTES = 256 * 1024 * 1024

_RULES = IntakeRules(
    most_px=64_000_000,  # an 8K screen has 33 million
    most_side_px=16_383,  # WebP, in which screenshots are stored, holds no wider or higher picture
)


def decode_rgb(data: bytes) -> NDArray[np.uint8]:
    """Return the picture as RGB, uint8, shape (height, width, 3), C-contiguous, writable.

    Raises `UnusableImage` as the intake does, for 16 bits a channel too: a map shows what was captured to the bit.
    """
    return decode_image(data, _RULES)
