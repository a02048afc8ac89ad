"""Stored frames of a world that does not wrap around."""

from collections.abc import Sequence

from imageflow_domain.capture import StoredFrame, Turn, Uncertainty
from imageflow_domain.geometry import Position
from imageflow_domain.grid import Cell


class NotWrapping:
    """Part of a stand-in for the stored frames of a survey."""

    def first(self, cell: Cell, *, is_row: bool, within_px: float) -> Sequence[StoredFrame]:
        return ()

    def has_other(self, cell: Cell, at: Position, within: Uncertainty) -> bool:
        return False

    def turn(self) -> Turn:
        return Turn()
