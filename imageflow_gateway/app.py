"""The composition root: routes, error table and the layers around them, over stores that the caller opened."""

from importlib.metadata import version

from fastapi import FastAPI

from imageflow_clients.dagster import Dagster
from imageflow_clients.inference.opening import open_models
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_edge.addresses import own_addresses
from imageflow_edge.execution_ends import ExecutionEnds
from imageflow_edge.hub import Hub
from imageflow_edge.limits import SizeLimits
from imageflow_edge.proxies import trusted_networks
from imageflow_edge.work import Work, read_work
from imageflow_gateway import errors
from imageflow_gateway.admitting import Admission
from imageflow_gateway.aliases import Aliases
from imageflow_gateway.capacity import Capacity
from imageflow_gateway.edge import Edge
from imageflow_gateway.engine_calls import EngineCalls
from imageflow_gateway.gateway import UseCases
from imageflow_gateway.live import asyncapi, socket
from imageflow_gateway.live import executions as live_executions
from imageflow_gateway.live import progress as live_progress
from imageflow_gateway.live.followed_executions import FollowedExecutions
from imageflow_gateway.live.live_gateway import LiveGateway
from imageflow_gateway.live.watching import Watching
from imageflow_gateway.metrics import RequestMetrics
from imageflow_gateway.pages import documents
from imageflow_gateway.rest import health, metrics
from imageflow_gateway.rest.catalog import components, models, pipelines
from imageflow_gateway.rest.executions import executions, previews, protocols
from imageflow_gateway.rest.inspection import (
    alerts,
    artefacts,
    batches,
    inspections,
    masters,
    notifications,
    statistics,
    verifications,
)
from imageflow_gateway.rest.maps import (
    drivers,
    games,
    insight,
    jobs,
    markers,
    progress,
    saves,
    shots,
    surveys,
    tiles,
    uploads,
)
from imageflow_inspection.artefacts import Artefacts
from imageflow_surveys.changes import Comparisons
from imageflow_surveys.published import PublishedMaps
from imageflow_surveys.trust_report import TrustReports
from imageflow_surveys.ttl_cache import TtlCache

_PATIENCE_S = 3.0
"""For what Dagster adds to an answer, which comes without it where Dagster is slower."""

_WORK_S = 5.0
"""How old the waiting work of /metrics may be."""


def create_app(settings: Settings, stores: Stores, capacity: Capacity | None = None) -> FastAPI:
    """Return the gateway; it opens nothing and closes nothing."""
    app = describe_api()
    dagster = Dagster(url=settings.dagster_base_url, patience_s=_PATIENCE_S)
    known_models = open_models(settings, stores.objects)
    capacity = capacity or Capacity()
    requests = RequestMetrics()
    work: TtlCache[str, Work] = TtlCache(ttl_s=_WORK_S, size=1)
    hub = Hub(stores.database)
    app.state.gateway = LiveGateway(
        settings=settings,
        use=UseCases(stores),
        scratch=stores.scratch,
        maps=PublishedMaps(stores),
        dagster=dagster,
        launcher=Dagster(url=settings.dagster_base_url),
        watching=Watching(stores, capacity, hub),
        following=FollowedExecutions(stores, capacity, hub),
        reports=TrustReports(stores),
        comparisons=Comparisons(stores),
        models=known_models,
        artefacts=Artefacts(stores, known_models, container_program=settings.container_program),
        capacity=capacity,
        requests=requests,
        work=lambda: work.get("all", lambda: read_work(stores)),
        hub=hub,
        ends=ExecutionEnds(stores.database),
        engine=EngineCalls(settings.engine_base_address),
    )
    errors.install(app)
    app.mount("/static", documents.PageFiles(directory=documents.STATIC), name="static")
    limits = SizeLimits(
        default_bytes=capacity.body_bytes,
        own_bytes={
            uploads.PREFIX: settings.upload_limit_bytes,
            batches.PREFIX: settings.batch_limit_bytes,
            models.PREFIX: settings.model_limit_bytes,
            executions.PREFIX: settings.upload_limit_bytes,
            executions.PROCESS: settings.upload_limit_bytes,
            previews.PREFIX: settings.upload_limit_bytes,
        },
    )
    # The layer that is added last is the outermost.
    app.add_middleware(
        Admission,
        own=own_addresses(settings, settings.gateway_port),
        limits=limits,
        proxies=trusted_networks(settings.trusted_proxies),
    )
    app.add_middleware(Aliases)
    app.add_middleware(Edge, requests=requests)
    return app


def describe_api() -> FastAPI:
    """Return every route, over no stores: it can say what the API is, and answer nothing."""
    app = FastAPI(
        title="ImageFlow",
        version=version("imageflow"),
        summary="Surveys of game maps and their tiles; inspections of products.",
        docs_url=None,  # FastAPI's pages load their scripts from elsewhere: pages/documents.py has ours
        redoc_url=None,
        responses=errors.ERROR_RESPONSES,
        generate_unique_id_function=lambda route: route.name,  # what generated clients call each operation
    )
    maps = (jobs, surveys, shots, progress, live_progress, insight, saves, markers, games, drivers, uploads, tiles)
    catalog = (components, pipelines, models)
    inspection = (masters, batches, notifications, inspections, artefacts, verifications, statistics, alerts)
    live = (executions, live_executions, previews, protocols, socket, asyncapi)
    for noun in (*maps, *catalog, *inspection, *live, health, metrics, documents):
        app.include_router(noun.router)
    return app
