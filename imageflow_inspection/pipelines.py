"""Publish pipelines: specs by name and version that never change, so that what they judged can be judged again."""

import hashlib
from typing import Any

from imageflow_clients.database import Connection
from imageflow_clients.database import pipelines as rows
from imageflow_clients.database.pipelines import PublishedPipeline
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput
from imageflow_pipelines.canonical import canonical_json
from imageflow_pipelines.plan import Plan, plan
from imageflow_pipelines.spec_text import parse_spec


def publish_pipeline(stores: Stores, data: Any) -> PublishedPipeline:
    """Publish a spec, given as plain data, under the name and version that stand in it. The same again changes nothing.

    Raises:
        InvalidPipeline: For a spec that cannot run, with the path of each fault.
        Conflict: Where another spec has its name and version.
    """
    spec = plan(parse_spec(data)).spec
    told = spec.to_data()
    digest = hashlib.sha256(canonical_json(told)).hexdigest()
    with stores.database.begin() as connection:
        rows.add(connection, spec.pipeline, spec.version, told, digest)
        return rows.get(connection, spec.pipeline, spec.version)


def find_pipeline(connection: Connection, reference: str) -> PublishedPipeline:
    """Return the published pipeline of `name@version`; raise `NotFound`, or `InvalidInput` for another spelling."""
    name, _, version = reference.partition("@")
    if not version.isdecimal():
        raise InvalidInput(f"'{reference}' names no pipeline: it looks like 'scratches@1'.")
    return rows.get(connection, name, int(version))


def plan_of(pipeline: PublishedPipeline) -> Plan:
    """Return the plan of a published pipeline."""
    return plan(parse_spec(dict(pipeline.spec)))
