"""Paged lists."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


@dataclass(frozen=True, kw_only=True)
class Page(Generic[_Item]):
    """Some items of a list, and where the next page begins."""

    items: Sequence[_Item]
    next: str | None
    """The key of the last item, behind which the next page begins; `None` for the last page."""

    def each(self, make: Callable[[_Item], _Made]) -> "Page[_Made]":
        """Return the page of what is made of each item."""
        return Page(items=tuple(make(item) for item in self.items), next=self.next)


def cut(found: Sequence[_Item], limit: int, key: Callable[[_Item], str]) -> Page[_Item]:
    """Return a page.

    Args:
        found: Up to one item more than the page has.
        limit: How many items the page has at most.
        key: Of an item behind which the next page begins.
    """
    shown = found[:limit]
    return Page(items=shown, next=key(shown[-1]) if len(found) > limit else None)
