"""Publish and find pipelines: specs by name and version that never change, so that results can be repeated."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from imageflow_catalog.components import KnownComponents, known_components, registry_of
from imageflow_clients.database import Connection
from imageflow_clients.database.catalog import pipelines as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Conflict, InvalidInput
from imageflow_domain.inference import ModelId
from imageflow_domain.page import Page, cut
from imageflow_domain.pipelines import PublishedPipeline
from imageflow_domain.texts import is_storable, texts_in
from imageflow_pipelines.canonical import canonical_json
from imageflow_pipelines.older_versions import OlderVersion, older_versions
from imageflow_pipelines.plan import Plan, plan
from imageflow_pipelines.spec_text import parse_spec

_PAGE = 1000
_VERSION = re.compile("[1-9][0-9]{0,8}")
_NO_REFERENCE = "'{}' names no pipeline: it looks like 'scratches@1'."


@dataclass(frozen=True, kw_only=True)
class PipelineCheck:
    """A spec that can run."""

    plan: Plan
    older_versions: tuple[OlderVersion, ...]
    """Its steps that use an older version of a component."""


def check_pipeline(stores: Stores, data: Any) -> PipelineCheck:
    """Check a spec, given as plain data, and publish nothing; raise `InvalidPipeline` with the path of each fault."""
    spec = parse_spec(data)
    with stores.database.begin() as connection:
        registry = registry_of(connection)
    return PipelineCheck(plan=plan(spec, registry), older_versions=older_versions(spec, registry))


def publish_pipeline(stores: Stores, data: Any) -> PublishedPipeline:
    """Publish a spec, given as plain data, under the name and version that stand in it. The same again changes nothing.

    Raises:
        InvalidPipeline: For a spec that cannot run, with the path of each fault.
        InvalidInput: For one that no database keeps.
        Conflict: Where another spec has its name and version.
    """
    spec = parse_spec(data)
    canonical = spec.to_data()
    if not all(is_storable(each) for each in texts_in(canonical)):
        raise InvalidInput("The pipeline holds signs that are no text: leave them out.")
    digest = hashlib.sha256(canonical_json(canonical)).hexdigest()
    with stores.database.begin() as connection:
        images = _images(plan(spec, registry_of(connection)))
        rows.add(connection, spec.pipeline, spec.version, canonical, digest, images=images)
        return rows.get(connection, spec.pipeline, spec.version)


def find_pipeline(connection: Connection, reference: str) -> PublishedPipeline:
    """Return the published pipeline of `name@version`; raise `NotFound`, or `InvalidInput` for another spelling."""
    name, _, version = reference.partition("@")
    if not _VERSION.fullmatch(version):
        raise InvalidInput(_NO_REFERENCE.format(reference))
    return rows.get(connection, name, int(version))


def look_up_pipeline(connection: Connection, reference: str) -> PublishedPipeline:
    """Return the published pipeline of `name@version`, or the newest of `name`; raise as `find_pipeline` does."""
    return find_pipeline(connection, reference) if "@" in reference else rows.newest(connection, reference)


def look_up_with_components(connection: Connection, reference: str) -> tuple[PublishedPipeline, KnownComponents]:
    """Do what `look_up_pipeline` does, and return the components that there are, by one statement for both."""
    name, at, version = reference.partition("@")
    if at and not _VERSION.fullmatch(version):
        raise InvalidInput(_NO_REFERENCE.format(reference))
    found = rows.with_components(connection, name, int(version) if at else None)
    if found is None:
        return look_up_pipeline(connection, reference), known_components(connection)  # which says what there is
    published, digest = found
    return published, known_components(connection, digest)


def get_pipeline(stores: Stores, reference: str) -> PublishedPipeline:
    """Do what `look_up_pipeline` does."""
    with stores.database.begin() as connection:
        return look_up_pipeline(connection, reference)


def list_pipelines(stores: Stores, *, after: tuple[str, int] = ("", 0), limit: int = 100) -> Page[PublishedPipeline]:
    """Return published pipelines by name and version, those behind the name and version `after`."""
    with stores.database.begin() as connection:
        found = rows.page(connection, after=after, limit=limit + 1)
    return cut(found, limit, lambda published: published.reference)


def all_pipelines(connection: Connection) -> Iterator[PublishedPipeline]:
    """Yield every published pipeline, by name and version."""
    after = ("", 0)
    while found := rows.page(connection, after=after, limit=_PAGE):
        yield from found
        after = (found[-1].name, found[-1].version)


def plan_of(connection: Connection, pipeline: PublishedPipeline) -> Plan:
    """Return the plan of a published pipeline.

    Raises `Conflict` where a component has another image now, as a database may have that was filled from others.
    """
    found = plan(parse_spec(dict(pipeline.spec)), registry_of(connection))
    for reference, image in _images(found).items():
        if pipeline.images.get(reference) != image:
            raise Conflict(
                f"'{pipeline.reference}' was published with {pipeline.images.get(reference)} as '{reference}', and "
                f"{image} is registered now: publish the pipeline's next version."
            )
    return found


def _images(wanted: Plan) -> dict[str, str]:
    """Return the image of each container component of a plan, by `name@version`."""
    used = (step.component.container for step in wanted.steps.values())
    return {each.component: each.image for each in used if each is not None}


def models_of(wanted: Plan) -> tuple[ModelId, ...]:
    """Return the models that a plan's steps ask, each once, in order."""
    named = {name for step in wanted.steps.values() if isinstance(name := getattr(step.component, "model", None), str)}
    return tuple(sorted(ModelId.parse(name) for name in named))
