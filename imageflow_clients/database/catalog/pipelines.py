"""Rows of published pipelines: specs by name and version, which never change."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Integer, Row, bindparam, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.catalog.components import ALL_DIGEST
from imageflow_clients.database.catalog.schema import pipelines
from imageflow_domain.errors import Conflict, NotFound
from imageflow_domain.pipelines import PublishedPipeline


def add(
    connection: Connection, name: str, version: int, spec: Mapping[str, Any], digest: str, *, images: Mapping[str, str]
) -> None:
    """Insert a spec; the same one again changes nothing. Raises `Conflict` where another has its name and version."""
    connection.execute(
        upsert(pipelines)
        .values(name=name, version=version, spec=spec, digest=digest, images=images)
        .on_conflict_do_nothing()
    )
    if get(connection, name, version).digest != digest:
        newest = connection.execute(select(func.max(pipelines.c.version)).where(pipelines.c.name == name)).scalar_one()
        raise Conflict(
            f"Another pipeline is published as '{name}@{version}', and versions never change: "
            f"publish yours as version {newest + 1}."
        )


def get(connection: Connection, name: str, version: int) -> PublishedPipeline:
    """Return a published pipeline; raise `NotFound`, which lists its versions."""
    row = connection.execute(
        select(pipelines).where(pipelines.c.name == name, pipelines.c.version == version)
    ).one_or_none()
    if row is None:
        there = connection.execute(
            select(pipelines.c.version).where(pipelines.c.name == name).order_by(pipelines.c.version)
        ).scalars()
        listed = ", ".join(f"{name}@{each}" for each in there)
        raise NotFound(
            f"No pipeline '{name}@{version}' is published: "
            + (f"there is {listed}." if listed else "publish it, or name another.")
        )
    return _pipeline(row)


def newest(connection: Connection, name: str) -> PublishedPipeline:
    """Return the newest version of a published pipeline; raise `NotFound`."""
    row = connection.execute(
        select(pipelines).where(pipelines.c.name == name).order_by(pipelines.c.version.desc()).limit(1)
    ).one_or_none()
    if row is None:
        raise NotFound(f"No pipeline '{name}' is published: publish it, or name another.")
    return _pipeline(row)


def with_components(connection: Connection, name: str, version: int | None) -> tuple[PublishedPipeline, str] | None:
    """Return a published pipeline, by default its newest version, and `digest_of_all` of the components.

    `None` where it is not published.
    """
    row = connection.execute(_WITH_COMPONENTS, {"name": name, "version": version}).one_or_none()
    return None if row is None else (_pipeline(row), row.components)


_WITH_COMPONENTS = (
    select(pipelines, ALL_DIGEST.label("components"))
    .where(
        pipelines.c.name == bindparam("name"),
        pipelines.c.version == func.coalesce(bindparam("version", type_=Integer), pipelines.c.version),
    )
    .order_by(pipelines.c.version.desc())
    .limit(1)
)


def page(
    connection: Connection, *, after: tuple[str, int] = ("", 0), limit: int = 100
) -> tuple[PublishedPipeline, ...]:
    """Return up to `limit` pipelines beyond the name and version of `after`, in their order."""
    rows = connection.execute(
        select(pipelines)
        .where(tuple_(pipelines.c.name, pipelines.c.version) > after)
        .order_by(pipelines.c.name, pipelines.c.version)
        .limit(limit)
    )
    return tuple(_pipeline(row) for row in rows)


def _pipeline(row: Row[Any]) -> PublishedPipeline:
    return PublishedPipeline(
        name=row.name,
        version=row.version,
        spec=row.spec,
        digest=row.digest,
        images=row.images,
        created_at=row.created_at,
    )
