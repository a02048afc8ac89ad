"""The jobs by which an operator plans, makes, resumes and re-encodes surveys from Dagster's UI alone."""

from typing import Any

import dagster as dg
from pydantic import Field, ValidationError

from game_capture.registry import DRIVERS
from imageflow_assets.failures import explained
from imageflow_assets.labels import MAP, SHORT
from imageflow_assets.map.assets import BY_LAYER
from imageflow_assets.map.partitions import SURVEYS
from imageflow_assets.map.states import report_state
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput
from imageflow_domain.faults import describe_faults
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import BLOCK_SIDE
from imageflow_domain.grid_text import parse_grid
from imageflow_domain.survey import Carrier, Encoding, Layer, SurveySpec
from imageflow_surveys.ordered import check_ordered
from imageflow_surveys.plan import plan_survey
from imageflow_surveys.runs import MAP_JOB, ONLY_MISSING_TAG


class PlanConfig(dg.Config):
    """What to survey."""

    game: str = Field(description="Name of the game: a-z, 0-9 and _.")
    save: str = Field(description="Name of its save: a-z, 0-9 and _.")
    driver: str = Field(default="city", description=f"One of {', '.join(sorted(DRIVERS))}.")
    parameters: dict[str, Any] = Field(default={}, description="The driver's own parameters, for example {seed: 7}.")
    grid: str = Field(default="", description="COLUMNSxROWS of areas; empty for all that a folder holds.")
    source: str = Field(default="", description="For the folder driver: an absolute folder, or a prefix in uploads/.")
    masks: list[str] = Field(default=[], description="X,Y,W,H of head-up displays in every picture.")
    reach_px: int | None = Field(
        default=None, description="Largest error of a position against its neighbour's; the driver's own if left out."
    )
    block_side: int = Field(default=BLOCK_SIDE, description="Areas on a block's side, 1 to 100.")
    keep: str = Field(
        default="",
        description="What becomes of the screenshots once no tile needs them: keep or delete; "
        "empty to delete what the driver can take again.",
    )
    lossless_method: int = Field(
        default=Encoding().lossless_method, description="WebP effort of the sharpest tiles: 0 is fast, 4 is small."
    )
    start: bool = Field(
        default=False,
        description="True: the sensor requests the run that makes the map. False: you materialise the assets yourself.",
    )


@dg.op
def register_survey(
    context: dg.OpExecutionContext, config: PlanConfig, stores: dg.ResourceParam[Stores]
) -> dg.Output[str]:
    """Check the request, register it as a survey, and add its partition."""
    carrier = Carrier.SENSOR if config.start else Carrier.OPERATOR
    with explained():
        spec = _spec(config)
        check_ordered(stores, spec)
        survey = plan_survey(stores, spec, carrier)
    context.instance.add_dynamic_partitions(str(SURVEYS.name), [survey.id])
    report_state(context.instance, survey)
    blocks = ", ".join(block.key for block in survey.blocks()[:20])
    return dg.Output(
        survey.id,
        metadata={"survey": survey.id, "grid": str(survey.grid), "blocks": blocks, "carrier": carrier.value},
    )


@dg.job(
    name="plan_survey",
    owners=MAP.owners,
    tags=SHORT,
)
def plan_survey_job() -> None:
    """Register a survey of a game's save; then materialise or backfill the map's assets for it."""
    register_survey()


map_of_survey = dg.define_asset_job(
    MAP_JOB,
    selection=[asset.key for asset in BY_LAYER.values()],
    tags=MAP.tags,
    owners=MAP.owners,
    description="Make a survey's map: what is missing of it, or all of it again where nothing is.",
)

resume_survey = dg.define_asset_job(
    "resume_survey",
    selection=[asset.key for asset in BY_LAYER.values()],
    tags={**MAP.tags, ONLY_MISSING_TAG: "true"},
    owners=MAP.owners,
    description="Go on with a survey that failed or was cancelled: only what is missing is made.",
)

retile_surveys = dg.define_asset_job(
    "retile_surveys",
    selection=[BY_LAYER[layer].key for layer in (Layer.TILES, Layer.OVERVIEWS, Layer.CLEANUP)],
    tags=MAP.tags,
    owners=MAP.owners,
    description="Compose and cut the tiles of surveys again, every one of them, and publish; a backfill takes many.",
)

JOBS = (map_of_survey, resume_survey, retile_surveys, plan_survey_job)


def _spec(config: PlanConfig) -> SurveySpec:
    try:
        return SurveySpec.model_validate(
            {
                "game": config.game,
                "save": config.save,
                "driver": {"name": config.driver, "parameters": config.parameters},
                "source": config.source or None,
                "grid": parse_grid(config.grid) if config.grid else None,
                "masks": [Rect.parse(mask) for mask in config.masks],
                "reach_px": config.reach_px,
                "block_side": config.block_side,
                "keep": config.keep or None,
                "encoding": {"lossless_method": config.lossless_method},
            }
        )
    except ValidationError as error:
        raise InvalidInput(f"The survey cannot be planned so: {describe_faults(error)}.") from error
