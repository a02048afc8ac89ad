"""How a survey stands, by block, by run, and as it goes on."""

from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from imageflow_clients.database.maps import area_states
from imageflow_clients.database.maps import surveys as rows
from imageflow_domain.geometry import Offset
from imageflow_gateway.addresses import GatewayDep, LinksDep, SurveyId
from imageflow_gateway.schemas.standing import (
    BlockList,
    BlockState,
    PlacedBlockState,
    ProgressEvent,
    RunFacts,
    RunList,
    TroubleEvent,
)
from imageflow_surveys.standing import standing_of
from imageflow_surveys.survey_runs import runs_of_survey

router = APIRouter(prefix="/api/v1/surveys/{survey}", tags=["surveys"])


@router.get("/blocks", summary="How every block stands")
def read_blocks(survey: SurveyId, gateway: GatewayDep, links: LinksDep) -> BlockList:
    """Screenshots, offsets and tiles of each block, the runs that made them, and where it lies."""
    standing = standing_of(gateway.stores, survey)
    found = standing.survey
    with gateway.stores.database.begin() as connection:
        rects = area_states.block_rects(connection, survey, found.block_side, found.view)
    shift = found.mosaic.shift if found.mosaic else Offset(dx_px=0, dy_px=0)
    blocks = [
        PlacedBlockState(
            **dict(BlockState.of(one, links)),
            bounds=rects[one.block].shifted(shift) if one.block in rects else None,
        )
        for one in standing.blocks
    ]
    return BlockList(placed=found.mosaic is not None, blocks=blocks)


@router.get("/runs", summary="Runs of Dagster over a survey")
def read_runs(survey: SurveyId, gateway: GatewayDep, links: LinksDep) -> RunList:
    """Newest first; 503 where Dagster does not answer."""
    with gateway.stores.database.begin() as connection:
        rows.get(connection, survey)
    return RunList(runs=[RunFacts.of(run, links) for run in runs_of_survey(gateway.dagster, survey)])


@router.get(
    "/events",
    summary="Progress as it happens",
    response_class=Response,
    responses={
        200: {
            "model": ProgressEvent | TroubleEvent,
            "content": {"text/event-stream": {}},
            "description": "Server-sent events: `progress`, `trouble`, and `end`, whose data is the final state.",
        },
        204: {"description": "The survey has ended, and the client has seen its end: do not ask again."},
    },
)
async def watch_survey(
    survey: SurveyId,
    gateway: GatewayDep,
    links: LinksDep,
    last_event_id: Annotated[str | None, Header(description="The id of the last event that the client got.")] = None,
) -> Response:
    """`progress` carries everything at first and what has changed after; asked again with Last-Event-ID it goes on.

    Ends by itself when the survey does. Comments keep a quiet connection open.
    """
    subscription = await gateway.watching.subscribe(survey, links, last_event_id)
    if subscription is None:
        return Response(status_code=204)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(subscription, media_type="text/event-stream", headers=headers)
