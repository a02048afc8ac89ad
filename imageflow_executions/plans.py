"""What a request asks an engine for: the plan with the client's parameters. Those of published pipelines are kept."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from imageflow_catalog.components import KnownComponents
from imageflow_domain.errors import InvalidInput
from imageflow_domain.executions import Runner
from imageflow_domain.pipelines import PublishedPipeline
from imageflow_domain.texts import is_storable, texts_in
from imageflow_executions.parameters import Effective, Given, effective, plan_with
from imageflow_pipelines.plan import Plan
from imageflow_pipelines.registry import Registry
from imageflow_pipelines.spec_text import parse_spec

_KEPT = 256
_KEPT_CHARS = 10_000
"""Of the parameters of a plan that is kept."""


@dataclass(frozen=True, kw_only=True)
class RequestedPlan:
    """A plan, and what is kept of it with an execution."""

    plan: Plan
    parameters: Effective
    """Of every step, as they take effect."""
    runner: Runner


def requested_plan(spec: Mapping[str, Any], parameters: Given, registry: Registry) -> RequestedPlan:
    """Return the plan of a spec in which a client replaced parameters.

    Raises `InvalidPipeline` with every fault, `InvalidInput` for texts that no database keeps.
    """
    wanted = plan_with(parse_spec(dict(spec)), parameters, registry)
    given = effective(wanted)
    if not all(is_storable(each) for each in texts_in((wanted.spec.to_data(), given))):
        raise InvalidInput("The pipeline or its parameters hold signs that are no text: leave them out.")
    has_container = any(step.component.container is not None for step in wanted.steps.values())
    is_long = wanted.spec.long_running or has_container
    return RequestedPlan(plan=wanted, parameters=given, runner=Runner.DAGSTER if is_long else Runner.ENGINE)


def published_plan(published: PublishedPipeline, parameters: Given, known: KnownComponents) -> RequestedPlan:
    """Return the plan of a published pipeline in which a client replaced parameters; raise as `requested_plan` does."""
    text = json.dumps(parameters, sort_keys=True)
    if len(text) > _KEPT_CHARS:
        return requested_plan(published.spec, parameters, known.registry)
    return _kept_plan(
        _Request(digest=published.digest, known=known, text=text, spec=published.spec, parameters=parameters)
    )


@dataclass(frozen=True, kw_only=True)
class _Request:
    """Equal where the same is asked for: neither published specs nor registered components change."""

    digest: str
    known: KnownComponents
    text: str
    spec: Mapping[str, Any] = field(compare=False)
    parameters: Given = field(compare=False)


@lru_cache(maxsize=_KEPT)
def _kept_plan(request: _Request) -> RequestedPlan:
    return requested_plan(request.spec, request.parameters, request.known.registry)
