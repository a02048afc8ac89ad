"""Published pipelines, and the container components that they may use."""

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
    images: Mapping[str, str]
    """The image of each component that is a container, by `name@version`, as it was registered then."""
    created_at: datetime

    @property
    def reference(self) -> str:
        """As masters and requests name it: `name@version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, kw_only=True)
class RegisteredComponent:
    """A container component as it was registered; it never changes."""

    name: str
    version: int
    image: str
    """As `repository@sha256:...`."""
    manifest: Mapping[str, Any]
    """Plain data, as JSON and YAML write it."""
    digest: str
    """SHA-256 of image and manifest, in hex."""
    created_at: datetime

    @property
    def reference(self) -> str:
        """As specs name it: `name@version`."""
        return f"{self.name}@{self.version}"
