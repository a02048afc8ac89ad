"""What Prometheus scrapes."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from imageflow_domain.errors import DatabaseUnavailable
from imageflow_edge.work import Work
from imageflow_gateway.gateway import Gateway, GatewayDep
from imageflow_gateway.metrics import work_text

router = APIRouter(prefix="/metrics", tags=["health"])


@router.get("", summary="Metrics for Prometheus", response_class=Response, include_in_schema=False)
def read_metrics(gateway: GatewayDep) -> Response:
    """Waiting work, which is read every five seconds at most, and the requests of this gateway."""
    settings = gateway.settings
    slots = {
        "capture": settings.capture_pool,
        "coords": settings.coords_pool,
        "tiles": settings.tiles_pool,
        "inspection": settings.inspection_pool,
    }
    text = work_text(_work(gateway), slots) + gateway.requests.text()
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _work(gateway: Gateway) -> Work | None:
    try:
        return gateway.work()
    except DatabaseUnavailable:
        return None  # a metric of its own says so, beside those that need no database
