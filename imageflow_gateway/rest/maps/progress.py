"""State of a survey, by block and by run."""

from fastapi import APIRouter

from imageflow_gateway.addresses import SurveyId
from imageflow_gateway.gateway import GatewayDep, LinksDep
from imageflow_gateway.rest.maps.progress_schema import BlockList, PlacedBlockState, RunFacts, RunList
from imageflow_surveys.areas import blocks_of
from imageflow_surveys.survey_runs import list_runs

router = APIRouter(prefix="/api/v1/surveys/{survey}", tags=["surveys"])


@router.get("/blocks", summary="State of every block")
def read_blocks(survey: SurveyId, gateway: GatewayDep, links: LinksDep) -> BlockList:
    """Screenshots, offsets and tiles of each block, the runs that made them, and where it lies."""
    found = gateway.use(blocks_of)(survey)
    return BlockList(placed=found.placed, blocks=[PlacedBlockState.at(each, links) for each in found.blocks])


@router.get("/runs", summary="Runs of Dagster over a survey")
def read_runs(survey: SurveyId, gateway: GatewayDep, links: LinksDep) -> RunList:
    """Newest first; 503 where Dagster does not answer."""
    return RunList(runs=[RunFacts.of(run, links) for run in gateway.use(list_runs)(gateway.dagster, survey)])
