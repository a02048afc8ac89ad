"""What lies behind a map: lineage at a place, how far it can be trusted, and what changed since an earlier survey."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query

from imageflow_gateway.addresses import SurveyId, SurveyQuery
from imageflow_gateway.gateway import GatewayDep, LinksDep
from imageflow_gateway.rest.maps.changes_schema import ChangeList
from imageflow_gateway.rest.maps.lineage_schema import LineageFacts
from imageflow_gateway.rest.maps.trust_schema import TrustFacts
from imageflow_surveys.origin import trace_place

router = APIRouter(prefix="/api/v1/surveys/{survey}", tags=["surveys"])


@router.get("/lineage", summary="What a place was made from")
def read_lineage(
    survey: SurveyId,
    gateway: GatewayDep,
    links: LinksDep,
    x: Annotated[int, Query(ge=0, lt=2**31, description="In game pixels of the frame.")],
    y: Annotated[int, Query(ge=0, lt=2**31)],
) -> LineageFacts:
    """The tile, the screenshots under the place with the offsets that tie them, and the runs that made all of it."""
    return LineageFacts.of(gateway.use(trace_place)(gateway.dagster, survey, x, y), x, y, links)


@router.get("/trust", summary="How far a survey can be trusted")
def read_trust(survey: SurveyId, gateway: GatewayDep) -> TrustFacts:
    """Shares, findings, loops, seams, and the worst screenshots beside what they should continue."""
    return TrustFacts.of(gateway.reports.of(survey))


@router.get("/changes", summary="What changed since an earlier survey")
async def read_changes(
    survey: SurveyId,
    gateway: GatewayDep,
    since: SurveyQuery,
    limit: Annotated[int, Query(ge=1, le=1000, description="Places to return.")] = 200,
) -> ChangeList:
    """Changed places, largest first; 409 where the two lie in different frames and cannot be compared."""
    pair = await to_thread.run_sync(gateway.comparisons.pair, survey, since)
    changes = await to_thread.run_sync(gateway.comparisons.of, pair, limiter=gateway.capacity.comparisons)
    return ChangeList.of(changes, survey, since, limit)
