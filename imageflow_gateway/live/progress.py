"""Progress of a survey, pushed as it happens."""

from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from imageflow_gateway.addresses import SurveyId
from imageflow_gateway.gateway import LinksDep
from imageflow_gateway.live.live_gateway import LiveGatewayDep
from imageflow_gateway.live.progress_schema import ProgressEvent, TroubleEvent

router = APIRouter(prefix="/api/v1/surveys/{survey}", tags=["surveys"])


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
    gateway: LiveGatewayDep,
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
