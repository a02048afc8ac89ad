"""Alerts: what somebody was to be told of."""

from fastapi import APIRouter

from imageflow_clients.database.inspection import alerts as rows
from imageflow_gateway.addresses import AfterId, GatewayDep, Limit, ProductQuery
from imageflow_gateway.schemas.alerts import AlertFacts, AlertList
from imageflow_gateway.schemas.pages import cut

router = APIRouter(prefix="/api/v1/alerts", tags=["inspections"])


@router.get("", summary="List alerts")
def list_alerts(
    gateway: GatewayDep, product: ProductQuery = None, after: AfterId = None, limit: Limit = 100
) -> AlertList:
    """Newest first, each with the addresses that it was to be sent to, and whether it arrived."""
    with gateway.stores.database.begin() as connection:
        found = rows.page(connection, product=product, before=after, limit=limit + 1)
        shown, following = cut(found, limit, lambda alert: str(alert.id))
        sent = rows.deliveries(connection, [alert.id for alert in shown])
    return AlertList(alerts=[AlertFacts.of_all(alert, sent.get(alert.id, ())) for alert in shown], next=following)
