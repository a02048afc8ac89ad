"""Rows of container components: an image and a manifest by name and version, which never change."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.catalog.schema import components
from imageflow_domain.errors import Conflict
from imageflow_domain.pipelines import RegisteredComponent


def add(
    connection: Connection, name: str, version: int, *, image: str, manifest: Mapping[str, Any], digest: str
) -> RegisteredComponent:
    """Insert a component and return it; the same one again changes nothing.

    Raises `Conflict` where another image or manifest has its name and version.
    """
    connection.execute(
        upsert(components)
        .values(name=name, version=version, image=image, manifest=manifest, digest=digest)
        .on_conflict_do_nothing()
    )
    row = connection.execute(select(components).where(components.c.name == name, components.c.version == version)).one()
    if row.digest != digest:
        differs = "image" if row.image != image else "manifest"
        newest = connection.execute(
            select(func.max(components.c.version)).where(components.c.name == name)
        ).scalar_one()
        raise Conflict(
            f"'{name}@{version}' is registered with another {differs}, and versions never change: register yours as "
            f"version {newest + 1}."
        )
    return _component(row)


def all_components(connection: Connection) -> tuple[RegisteredComponent, ...]:
    """Return every registered component, by name and version."""
    rows = connection.execute(select(components).order_by(components.c.name, components.c.version))
    return tuple(map(_component, rows))


# Of all components that are registered, which never change.
ALL_DIGEST = select(
    func.md5(
        func.coalesce(
            func.string_agg(
                components.c.digest, aggregate_order_by(literal(","), components.c.name, components.c.version)
            ),
            "",
        )
    )
).scalar_subquery()


def digest_of_all(connection: Connection) -> str:
    """Return what tells the registered components from those of another time."""
    return str(connection.execute(_DIGEST_OF_ALL).scalar_one())


_DIGEST_OF_ALL = select(ALL_DIGEST)


def _component(row: Row[Any]) -> RegisteredComponent:
    return RegisteredComponent(
        name=row.name,
        version=row.version,
        image=row.image,
        manifest=row.manifest,
        digest=row.digest,
        created_at=row.created_at,
    )
