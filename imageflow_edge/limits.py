"""How many bytes a client may send, by what it asks for."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SizeLimits:
    """Limits of bodies and messages, in bytes."""

    default_bytes: int
    """Of every target that has none of its own."""
    own_bytes: Mapping[str, int]
    """By target, such as a path; of one that ends with a slash, of all below it."""

    def of(self, target: str) -> int:
        """Return the limit of a target."""
        below = (
            limit for folder, limit in self.own_bytes.items() if folder.endswith("/") and target.startswith(folder)
        )
        return self.own_bytes.get(target) or next(below, self.default_bytes)
