"""Raised alerts."""

from fastapi import APIRouter

from imageflow_gateway.addresses import AfterId, Limit, ProductQuery
from imageflow_gateway.gateway import GatewayDep
from imageflow_gateway.rest.inspection.alerts_schema import AlertFacts, AlertList
from imageflow_inspection import alerts as use_cases

router = APIRouter(prefix="/api/v1/alerts", tags=["inspections"])


@router.get("", summary="List alerts")
def list_alerts(
    gateway: GatewayDep, product: ProductQuery = None, after: AfterId = None, limit: Limit = 100
) -> AlertList:
    """Newest first, each with the addresses that it was to be sent to, and whether it arrived."""
    page = gateway.use(use_cases.list_alerts)(product=product, after=after, limit=limit)
    return AlertList(alerts=[AlertFacts.of(each) for each in page.items], next=page.next)
