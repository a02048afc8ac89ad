"""What a game shows beyond its land: black, or the colours of a picture of it. Pure.

A plain sea or desert looks the same at every place, too, so that a frame alone never proves it: only known pictures of
what lies beyond the land count.
"""

import numpy as np
from numpy.typing import NDArray

from imageflow_domain.errors import InvalidInput

MOST_COLOURS = 256
"""Of what lies beyond a land; more are a part of the land itself."""

_DARK = 16
_SAMPLED = 16
"""One in so many rows and columns distinguishes most frames."""

Picture = NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""


class Beyond:
    """Recognises frames that show nothing of the land.

    Args:
        picture: Of what the game shows beyond the land, and nothing else; `None` for black alone.
        name: What messages call the picture.

    Raises `InvalidInput` where the picture has more than `MOST_COLOURS` colours.
    """

    def __init__(self, picture: Picture | None, name: str = "beyond") -> None:
        colours = np.unique(_numbers(picture)) if picture is not None else np.array([], np.uint32)
        if colours.size > MOST_COLOURS:
            raise InvalidInput(
                f"The picture '{name}' has {colours.size} colours, more than {MOST_COLOURS}: cut it so that it shows "
                "only what lies beyond the land."
            )
        self._colours = colours

    def shown_in(self, frame: Picture) -> bool:
        """Whether a frame shows nothing else."""
        if int(frame.max()) <= _DARK:
            return True
        return self._has_all(frame[::_SAMPLED, ::_SAMPLED]) and self._has_all(frame)

    def _has_all(self, picture: Picture) -> bool:
        return bool(self._colours.size) and bool(np.isin(np.unique(_numbers(picture)), self._colours).all())


def _numbers(picture: Picture) -> NDArray[np.uint32]:
    channels = picture.astype(np.uint32)
    return (channels[..., 0] << 16 | channels[..., 1] << 8 | channels[..., 2]).astype(np.uint32)
