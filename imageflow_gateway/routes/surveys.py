"""Surveys: which there are, how each stands, and its thumbnail."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from imageflow_clients.database.maps import jobs, layers
from imageflow_clients.database.maps import surveys as rows
from imageflow_domain import keys
from imageflow_domain.survey import SurveyState
from imageflow_gateway.addresses import GameQuery, GatewayDep, LinksDep, SaveQuery, SurveyId, SurveyQuery
from imageflow_gateway.etags import matches, quoted
from imageflow_gateway.schemas.surveys import SurveyDetail, SurveyList, SurveySummary

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
    with gateway.stores.database.begin() as connection:
        found = rows.find(connection, game=game, save=save, states=state, after=after, limit=limit + 1)
        shown = found[:limit]
        counts = layers.task_counts(connection, [survey.id for survey in shown])
    return SurveyList(
        surveys=[SurveySummary.of(survey, counts[survey.id]) for survey in shown],
        next=shown[-1].id if len(found) > limit else None,
    )


@router.get("/{survey}", summary="One survey")
def read_survey(survey: SurveyId, gateway: GatewayDep, links: LinksDep) -> SurveyDetail:
    """Its state and progress, where its map lies once it is placed, and where Dagster's UI shows it."""
    with gateway.stores.database.begin() as connection:
        found = rows.get(connection, survey)
        job = jobs.find_of_survey(connection, survey)
        return SurveyDetail.of_progress(
            found,
            layers.progress(connection, survey),
            layers.shots(connection, survey),
            job_id=job.id if job else None,
            links=links,
        )


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
    revision = gateway.maps.of_survey(survey).revision
    headers = {"etag": quoted(revision), "cache-control": "public, max-age=10"}
    if matches(if_none_match, headers["etag"]):
        return Response(status_code=304, headers=headers)
    data = gateway.stores.objects.get(
        keys.thumbnail(survey, revision), next_step=f"materialise overviews of '{survey}' again"
    )
    return Response(data, media_type="image/webp", headers=headers)
