"""A survey's state, as Dagster shows it: the newest event of the external asset `surveys`."""

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from imageflow_assets.labels import MAP, rows_of
from imageflow_assets.map.partitions import SURVEYS
from imageflow_clients.database import schema
from imageflow_domain.survey import Survey

map_uploads = dg.AssetSpec(
    "map_uploads",
    description="Folders of screenshots under uploads/maps/, each closed by its positions.csv or a _DONE object. An "
    "event tells which survey a folder began, or why it began none.",
    group_name=MAP.name,
    owners=MAP.owners,
    tags=MAP.tags,
    kinds={"s3"},
    metadata=rows_of(schema.uploads),
)

surveys = dg.AssetSpec(
    "surveys",
    description="Surveys as they were planned by uploads, the API, the command line or the job plan_survey. The newest "
    "event of a partition tells the survey's state: planned, running, completed, failed or cancelled, and the reason.",
    partitions_def=SURVEYS,
    deps=[map_uploads],
    group_name=MAP.name,
    owners=MAP.owners,
    tags=MAP.tags,
    kinds={"postgres"},
    metadata=rows_of(schema.surveys),
)


def report_state(instance: dg.DagsterInstance, survey: Survey) -> None:
    """Tell Dagster the state of a survey; what was made of the survey stays fresh."""
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            surveys.key,
            partition=survey.id,
            metadata={
                "state": survey.state.value,
                "reason": survey.reason or "",
                "not_published": survey.withheld or "",
                "driver": survey.spec.driver.name,
                "grid": str(survey.grid),
                "areas": survey.grid.rows * survey.grid.cols,
            },
            tags={DATA_VERSION_TAG: "planned"},  # what a survey was asked to do never changes
        )
    )


def introduce(instance: dg.DagsterInstance, found: Sequence[Survey]) -> None:
    """Tell Dagster the state of surveys that it has not heard of."""
    known = instance.get_materialized_partitions(surveys.key)
    for survey in found:
        if survey.id not in known:
            report_state(instance, survey)
