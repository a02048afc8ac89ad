"""Register container components, and find every component by name and version."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from imageflow_clients.database import Connection
from imageflow_clients.database.catalog import components as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Conflict, InvalidInput, NotFound
from imageflow_domain.pipelines import RegisteredComponent
from imageflow_pipelines.canonical import canonical_json
from imageflow_pipelines.component import Component
from imageflow_pipelines.container_component import container_component
from imageflow_pipelines.manifest import parse_manifest
from imageflow_pipelines.registry import RELEASED, Registry

_IMAGE = re.compile(
    r"([a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?/)?([a-z0-9][a-z0-9._-]*/)*[a-z0-9][a-z0-9._-]*@sha256:[0-9a-f]{64}"
)
_MOST_CHARS = 512


def register_component(stores: Stores, image: str, manifest: Any) -> RegisteredComponent:
    """Register an image under the name and version of its manifest, plain data. The same again changes nothing.

    Raises:
        InvalidManifest: For a manifest that is wrong, with the path of each fault.
        InvalidInput: For an image that is not named by its digest.
        Conflict: Where another component has the name and version, or ImageFlow has one of that name.
    """
    checked = parse_manifest(manifest)
    if not _IMAGE.fullmatch(image) or len(image) > _MOST_CHARS:
        raise InvalidInput(
            f"'{image[:200]}' does not name an image by its digest: write REPOSITORY@sha256:..., without a tag. "
            "`imageflow component build` and `podman push --digestfile` give the digest."
        )
    if RELEASED.has_name(checked.name):
        raise Conflict(f"'{checked.name}' is the name of a component of ImageFlow: choose another one.")
    data = checked.to_data()
    digest = hashlib.sha256(canonical_json({"image": image, "manifest": data})).hexdigest()
    with stores.database.begin() as connection:
        return rows.add(connection, checked.name, checked.version, image=image, manifest=data, digest=digest)


def registry_of(connection: Connection) -> Registry:
    """Return every component that a pipeline may use: ImageFlow's own and the registered containers."""
    found = rows.all_components(connection)
    return RELEASED.with_containers(container_component(each.image, each.manifest) for each in found)


@dataclass(frozen=True, kw_only=True)
class KnownComponents:
    """Every component that a pipeline may use at one time."""

    digest: str
    """Of those that are registered."""
    registry: Registry = field(compare=False)


def known_components(connection: Connection, digest: str | None = None) -> KnownComponents:
    """Return every component that a pipeline may use; read only where the process has not read them before.

    Args:
        connection: In a transaction.
        digest: `digest_of_all` the registered ones, where it is known.
    """
    digest = rows.digest_of_all(connection) if digest is None else digest
    kept = _KNOWN.get(digest)
    if kept is None:
        kept = KnownComponents(digest=digest, registry=registry_of(connection))
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[digest] = kept
    return kept


# Registered components never change: their digest says what the registry is.
_KNOWN: dict[str, KnownComponents] = {}
_MOST_KNOWN = 8


def get_registry(stores: Stores) -> Registry:
    """Do what `registry_of` does."""
    with stores.database.begin() as connection:
        return registry_of(connection)


def find_component(registry: Registry, reference: str) -> type[Component]:
    """Return the component of `name@version`, or the newest of `name`; raise `NotFound`."""
    if "@" in reference:
        return registry.find(reference)
    versions = registry.newer(f"{reference}@0")
    if not versions:
        raise NotFound(f"There is no component '{reference}': `imageflow component list` lists those there are.")
    return versions[-1]
