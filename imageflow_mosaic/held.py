"""What was made of the screenshots looked at last, so that few are in memory at a time."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from imageflow_domain.grid import Cell

_MOST = 24

T = TypeVar("T")


class Held(Generic[T]):
    """Computes a value of a screenshot, and keeps it until others have been requested.

    Args:
        make: Reads the screenshot of a cell, and returns what is compared of it.
    """

    def __init__(self, make: Callable[[Cell], T]) -> None:
        self._make = make
        self._held: OrderedDict[Cell, T] = OrderedDict()

    def of(self, cell: Cell) -> T:
        """Return what is made of a cell's screenshot; raise what making it raises."""
        if cell not in self._held:
            self._held[cell] = self._make(cell)
            if len(self._held) > _MOST:
                self._held.popitem(last=False)
        self._held.move_to_end(cell)
        return self._held[cell]
