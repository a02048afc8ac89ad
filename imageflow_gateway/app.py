"""The composition root: routes, error table and the layers around them, over stores that the caller opened."""

from importlib.metadata import version

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_gateway import errors
from imageflow_gateway.addresses import Gateway
from imageflow_gateway.body_limit import BodyLimit
from imageflow_gateway.edge import Edge
from imageflow_gateway.guard import OwnAddress, WriteGuard
from imageflow_gateway.published import PublishedMaps
from imageflow_gateway.routes import games, health, jobs, pages, surveys, tiles, uploads

_BODY_LIMIT_BYTES = 1_000_000


def create_app(settings: Settings, stores: Stores) -> FastAPI:
    """Return the gateway; it opens nothing and closes nothing."""
    app = FastAPI(
        title="ImageFlow",
        version=version("imageflow"),
        summary="Surveys of game maps, and their tiles.",
        docs_url=None,  # both pages load their scripts from elsewhere
        redoc_url=None,
        responses=errors.ERROR_RESPONSES,
        generate_unique_id_function=lambda route: route.name,  # what generated clients call each operation
    )
    app.state.gateway = Gateway(settings=settings, stores=stores, maps=PublishedMaps(stores))
    errors.install(app)
    for noun in (jobs, surveys, games, uploads, tiles, health, pages):
        app.include_router(noun.router)
    app.mount("/static", StaticFiles(directory=pages.STATIC), name="static")
    # The layer that is added last is the outermost.
    app.add_middleware(BodyLimit, limit_bytes=_BODY_LIMIT_BYTES, prefixes={uploads.PREFIX: settings.upload_limit_bytes})
    app.add_middleware(WriteGuard, own=OwnAddress(host=settings.host, port=settings.gateway_port))
    app.add_middleware(Edge)
    return app
