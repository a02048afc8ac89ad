"""Surveys: list, state and thumbnail."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from imageflow_domain.survey import SurveyState
from imageflow_gateway.addresses import GameQuery, SaveQuery, SurveyId, SurveyQuery
from imageflow_gateway.etags import matches, quoted
from imageflow_gateway.gateway import GatewayDep, LinksDep
from imageflow_gateway.rest.maps.surveys_schema import SurveyDetail, SurveyList, SurveySummary
from imageflow_surveys import surveys as use_cases

router = APIRouter(prefix="/api/v1/surveys", tags=["surveys"])


@router.get("", summary="List surveys")
def list_surveys(
    gateway: GatewayDep,
    game: GameQuery = None,
    save: SaveQuery = None,
    state: Annotated[list[SurveyState], Query(description="Only surveys in one of these states.")] = [],  # noqa: B006
    after: SurveyQuery | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> SurveyList:
    """Newest first; of one game, of one save of it, or in some states, where asked."""
    page = gateway.use(use_cases.list_surveys)(game=game, save=save, states=state, after=after, limit=limit)
    return SurveyList(surveys=[SurveySummary.of(each) for each in page.items], next=page.next)


@router.get("/{survey}", summary="One survey")
def read_survey(survey: SurveyId, gateway: GatewayDep, links: LinksDep) -> SurveyDetail:
    """Its state and progress, where its map lies once it is placed, and where Dagster's UI shows it."""
    return SurveyDetail.in_full(gateway.use(use_cases.survey_in_full)(survey), links)


@router.get(
    "/{survey}/thumbnail.webp",
    summary="The whole map as one small picture",
    response_class=Response,
    responses={200: {"content": {"image/webp": {}}}, 304: {"description": "The picture that the client has."}},
)
def read_thumbnail(
    survey: SurveyId, gateway: GatewayDep, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """At most 768 px on its longer side; transparent where nothing was surveyed."""
    shown = gateway.maps.of_survey(survey)
    headers = {"etag": quoted(shown.revision), "cache-control": "public, max-age=10"}
    if matches(if_none_match, headers["etag"]):
        return Response(status_code=304, headers=headers)
    return Response(gateway.maps.thumbnail(shown), media_type="image/webp", headers=headers)
