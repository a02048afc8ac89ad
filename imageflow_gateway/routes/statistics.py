"""Statistics: counts by day, week and month."""

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query

from imageflow_clients.database.inspection import statistics as rows
from imageflow_domain.errors import InvalidInput
from imageflow_domain.ids import Name
from imageflow_domain.inspection import Period
from imageflow_gateway.addresses import GatewayDep, ProductQuery
from imageflow_gateway.schemas.statistics import FigureFacts, Statistics

router = APIRouter(prefix="/api/v1/statistics", tags=["inspections"])

_MOST_DAYS = 3700
_DEFAULT_DAYS = 30


class By(StrEnum):
    """What counts are told apart by."""

    PRODUCT = "product"
    ITEM = "item"
    INSPECTOR = "inspector"


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

    Pictures as a whole are counted unless items are asked for, the pipelines unless inspectors are.
    """
    last = ends or datetime.now(UTC).date() + timedelta(days=1)
    first = begins or max(last, date(1, 3, 1)) - timedelta(days=_DEFAULT_DAYS)
    if not first < last <= first + timedelta(days=_MOST_DAYS):
        raise InvalidInput(f"'ends' lies behind 'begins', and at most {_MOST_DAYS:,} days: ask for another time.")
    with gateway.stores.database.begin() as connection:
        found = rows.figures(
            connection,
            period,
            first,
            last,
            product=product,
            item=item,
            inspector=inspector and inspector.replace("\0", "\ufffd"),
            by_product=By.PRODUCT in by,
            by_item=By.ITEM in by,
            by_inspector=By.INSPECTOR in by,
        )
        uncounted = rows.touched_days(connection)
    figures = [FigureFacts.of(each) for each in found]
    return Statistics(period=period, begins=first, ends=last, figures=figures, uncounted=uncounted)
