"""What stored frames tell of a world that does not wrap around."""

from collections.abc import Sequence

from imageflow_domain.capture import StoredFrame, Turn
from imageflow_domain.grid import Cell


class NotWrapping:
    """Part of a stand-in for the stored frames of a survey."""

    def first(self, cell: Cell, *, is_row: bool, within_px: float) -> Sequence[StoredFrame]:
        return ()

    def turn(self) -> Turn:
        return Turn()
