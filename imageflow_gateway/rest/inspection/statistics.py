"""Statistics: counts by day, week and month."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from imageflow_domain.ids import Name
from imageflow_domain.inspection import Period
from imageflow_gateway.addresses import ProductQuery
from imageflow_gateway.gateway import GatewayDep
from imageflow_gateway.rest.inspection.statistics_schema import Statistics
from imageflow_inspection.statistics import By, count_between

router = APIRouter(prefix="/api/v1/statistics", tags=["inspections"])


@router.get("", summary="Counts by day, week or month")
def read_statistics(
    gateway: GatewayDep,
    period: Period = Period.DAY,
    begins: Annotated[date | None, Query(description="First day (UTC); 30 days before the end, if not given.")] = None,
    ends: Annotated[date | None, Query(description="The day after the last one; tomorrow, if not given.")] = None,
    product: ProductQuery = None,
    item: Annotated[Name | None, Query(description="Only this item, by its code.")] = None,
    inspector: Annotated[str | None, Query(min_length=1, max_length=100, description="Only this person.")] = None,
    by: Annotated[list[By], Query(description="One row for each of these.")] = [By.PRODUCT],  # noqa: B006
) -> Statistics:
    """Pictures count on the day on which their batch was closed, people's verdicts on the day on which they were given.

    Without items whole pictures are counted, without inspectors the pipelines' verdicts.
    """
    counted = gateway.use(count_between)(
        period,
        begins=begins,
        ends=ends or datetime.now(UTC).date() + timedelta(days=1),
        product=product,
        item=item,
        inspector=inspector,
        by=by,
    )
    return Statistics.of(period, counted)
