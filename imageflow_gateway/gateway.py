"""What the routes of one app share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Concatenate, ParamSpec, TypeVar

from fastapi import Depends, Request

from imageflow_clients.dagster import Dagster
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.access import Principal
from imageflow_domain.inference import ModelRegistry
from imageflow_edge.execution_ends import ExecutionEnds
from imageflow_edge.hub import Hub
from imageflow_edge.work import Work
from imageflow_gateway.capacity import Capacity
from imageflow_gateway.dagster_links import DagsterLinks, links_for
from imageflow_gateway.engine_calls import EngineCalls
from imageflow_gateway.metrics import RequestMetrics
from imageflow_inspection.artefacts import Artefacts
from imageflow_surveys.changes import Comparisons
from imageflow_surveys.published import PublishedMaps
from imageflow_surveys.trust_report import TrustReports

_P = ParamSpec("_P")
_Value = TypeVar("_Value")


class UseCases:
    """Binds use cases to the stores of one app: routes call use cases, and get no stores."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def __call__(self, use_case: Callable[Concatenate[Stores, _P], _Value]) -> Callable[_P, _Value]:
        """Return a use case without its first parameter, the stores."""

        def bound(*args: _P.args, **kwargs: _P.kwargs) -> _Value:
            return use_case(self._stores, *args, **kwargs)

        return bound


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """What the routes of one app share."""

    settings: Settings
    use: UseCases
    scratch: Path
    """For files that live no longer than their request."""
    maps: PublishedMaps
    reports: TrustReports
    comparisons: Comparisons
    artefacts: Artefacts
    models: ModelRegistry
    """The registered models, opened when something asks what they are."""
    dagster: Dagster
    """For what Dagster adds to an answer: it is given little time."""
    launcher: Dagster
    """For launching and stopping runs: it is given as long as that takes."""
    engine: EngineCalls
    """For what an engine computes at once."""
    hub: Hub
    """For what follows events."""
    ends: ExecutionEnds
    """For requests that wait for the end of an execution."""
    capacity: Capacity
    requests: RequestMetrics
    work: Callable[[], Work]
    """Waiting work and ages of backups, as of a few seconds ago."""


async def _gateway(request: Request) -> Gateway:  # async: a plain function would cost each request a thread
    gateway: Gateway = request.app.state.gateway
    return gateway


GatewayDep = Annotated[Gateway, Depends(_gateway)]


async def _principal(request: Request) -> Principal:
    principal: Principal = request.state.principal
    return principal


PrincipalDep = Annotated[Principal, Depends(_principal)]
"""On whose behalf the request was admitted."""


async def _links(request: Request, gateway: GatewayDep) -> DagsterLinks:
    return links_for(gateway.settings, request.url.hostname)


LinksDep = Annotated[DagsterLinks, Depends(_links)]
