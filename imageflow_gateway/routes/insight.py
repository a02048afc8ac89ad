"""What lies behind a map: lineage at a place, how far it can be trusted, and what changed since an earlier survey."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query

from imageflow_gateway.addresses import GatewayDep, LinksDep, SurveyId, SurveyQuery
from imageflow_gateway.schemas.changes import ChangeList
from imageflow_gateway.schemas.lineage import LineageFacts
from imageflow_gateway.schemas.trust import TrustFacts
from imageflow_surveys import states
from imageflow_surveys.changes import Changes, changes_between, check_comparable
from imageflow_surveys.lineage import lineage_at
from imageflow_surveys.origin import origin_of
from imageflow_surveys.trust_report import trust_report

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
    found = states.read(gateway.stores, survey)
    lineage = lineage_at(gateway.stores, found, x, y)
    origin = origin_of(gateway.stores, gateway.dagster, found, lineage)
    return LineageFacts.of(found, x, y, lineage, origin, links)


@router.get("/trust", summary="How far a survey can be trusted")
def read_trust(survey: SurveyId, gateway: GatewayDep) -> TrustFacts:
    """Shares, findings, loops, seams, and the worst screenshots beside what they should continue."""
    found = states.read(gateway.stores, survey)
    report = gateway.reports.get(
        (found.id, found.placed().placement, found.finished_at), lambda: trust_report(gateway.stores, found)
    )
    return TrustFacts.of(found, report)


@router.get("/changes", summary="What changed since an earlier survey")
async def read_changes(
    survey: SurveyId,
    gateway: GatewayDep,
    since: SurveyQuery,
    limit: Annotated[int, Query(ge=1, le=1000, description="Places to return.")] = 200,
) -> ChangeList:
    """Changed places, largest first; 409 where the two lie in different frames and cannot be compared."""
    stores = gateway.stores
    here = await to_thread.run_sync(states.read, stores, survey)
    there = await to_thread.run_sync(states.read, stores, since)
    check_comparable(here, there)
    key = (here.id, here.published().revision, there.id, there.published().revision)

    def compare() -> Changes:
        return gateway.changes.get(key, lambda: changes_between(stores, here, there))

    return ChangeList.of(await to_thread.run_sync(compare, limiter=gateway.capacity.comparisons), survey, since, limit)
