"""Digests by which results of steps are found again."""

import hashlib
from collections.abc import Mapping

from imageflow_domain.errors import ImageFlowError
from imageflow_pipelines.component import Context
from imageflow_pipelines.plan import Plan, Source, Step
from imageflow_pipelines.spec import INPUTS


def step_keys(plan: Plan, sources: Mapping[str, bytes], context: Context) -> dict[str, bytes]:
    """Return for each step the digest of all that its outputs depend on: the encoded sources and the spec above it."""
    keys: dict[str, bytes] = {}
    digests = {name: hashlib.sha256(data).digest() for name, data in sources.items()}
    for step in plan.steps.values():
        above = [digests[source.port] if source.step == INPUTS else keys.get(source.step) for source in _edges(step)]
        known = [each for each in above if each is not None]
        if len(known) < len(above):
            continue
        try:
            identity = step.component.identity(context)
        except ImageFlowError:
            continue  # the step itself says so when it runs
        sha = hashlib.sha256(step.key + identity.encode())
        for source, digest in zip(_edges(step), known, strict=True):
            sha.update(digest + source.port.encode() + b"\0")
        keys[step.name] = sha.digest()
    return keys


def _edges(step: Step) -> list[Source]:
    return [source for port in sorted(step.sources) for source in step.sources[port]]
