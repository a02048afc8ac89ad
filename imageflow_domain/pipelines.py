"""Published pipelines."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class PublishedPipeline:
    """A spec as it was published."""

    name: str
    version: int
    spec: Mapping[str, Any]
    """Plain data, as JSON and YAML write it."""
    digest: str
    """SHA-256 of the spec's canonical JSON, in hex."""
    created_at: datetime

    @property
    def reference(self) -> str:
        """As masters and requests name it: `name@version`."""
        return f"{self.name}@{self.version}"
