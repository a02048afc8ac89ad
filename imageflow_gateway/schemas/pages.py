"""What lists have in common: where the next page begins."""

from collections.abc import Callable, Sequence
from typing import TypeVar

_Row = TypeVar("_Row")


def cut(found: Sequence[_Row], limit: int, key: Callable[[_Row], str]) -> tuple[Sequence[_Row], str | None]:
    """Return the rows of a page, and the `next` of its answer: none where these were the last.

    Args:
        found: Up to one row more than are shown.
        limit: How many are shown.
        key: Of the row behind which the next page begins.
    """
    shown = found[:limit]
    return shown, key(shown[-1]) if len(found) > limit else None
