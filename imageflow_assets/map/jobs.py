"""The job by which an operator registers a survey from Dagster's UI alone."""

from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field, ValidationError

from imageflow_assets.failures import explained
from imageflow_assets.map.partitions import SURVEYS
from imageflow_clients.database import Connection
from imageflow_clients.database import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Grid
from imageflow_domain.survey import Carrier, DriverSpec, Survey, SurveySpec, SurveyState
from imageflow_surveys.plan import plan_survey


class PlanConfig(dg.Config):
    """What to survey."""

    game: str = Field(description="Name of the game: a-z, 0-9 and _.")
    save: str = Field(description="Name of its save: a-z, 0-9 and _.")
    driver: str = Field(default="city", description="city, folder, openttd or x11.")
    parameters: dict[str, Any] = Field(default={}, description="The driver's own parameters, for example {seed: 7}.")
    grid: str = Field(default="", description="COLUMNSxROWS of areas; empty for all that a folder holds.")
    source: str = Field(default="", description="For the folder driver: an absolute folder, or a prefix in uploads/.")
    masks: list[str] = Field(default=[], description="X,Y,W,H of head-up displays in every picture.")
    start: bool = Field(
        default=False,
        description="True: the sensor carries the survey to its map. False: you materialise and backfill it yourself.",
    )


@dg.op
def register_survey(
    context: dg.OpExecutionContext, config: PlanConfig, stores: dg.ResourceParam[Stores]
) -> dg.Output[str]:
    """Check what is asked for, register it as a survey, and add its partition."""
    carrier = Carrier.SENSOR if config.start else Carrier.OPERATOR

    def begin(connection: Connection, survey: Survey) -> None:
        if config.start:
            rows.set_state(connection, survey.id, SurveyState.RUNNING)

    with explained():
        survey = plan_survey(stores, _spec(config), carrier, along=begin)
    context.instance.add_dynamic_partitions(str(SURVEYS.name), [survey.id])
    blocks = ", ".join(block.key for block in survey.blocks()[:20])
    return dg.Output(
        survey.id,
        metadata={"survey": survey.id, "grid": str(survey.grid), "blocks": blocks, "carrier": carrier.value},
    )


@dg.job(
    name="plan_survey",
    description="Register a survey of a game's save; then materialise or backfill the map's assets for it.",
)
def plan_survey_job() -> None:
    register_survey()


def _spec(config: PlanConfig) -> SurveySpec:
    try:
        return SurveySpec(
            game=config.game,
            save=config.save,
            driver=DriverSpec(name=config.driver, parameters=config.parameters),
            source=str(Path(config.source)) if config.source else None,
            grid=Grid.parse(config.grid) if config.grid else None,
            masks=tuple(Rect.parse(mask) for mask in config.masks),
        )
    except ValidationError as error:
        raise InvalidInput(str(error)) from error
