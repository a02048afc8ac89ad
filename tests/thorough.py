"""How often tests repeat the same on other numbers: enough to tell a fault, or all that `make soak` repeats."""

import os
from typing import TypeVar

T = TypeVar("T")


def repeated(usual: T, thorough: T) -> T:
    """Return the second one where IMAGEFLOW_THOROUGH is 1, as `make soak` sets it."""
    return thorough if os.environ.get("IMAGEFLOW_THOROUGH") == "1" else usual
