"""What Dagster shows of uploads and of surveys' states: events of the external assets `map_uploads` and `surveys`."""

from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from imageflow_assets.labels import MAP, rows_of
from imageflow_assets.map.partitions import SURVEYS
from imageflow_clients.database.maps import schema
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Survey, SurveyState

if TYPE_CHECKING:
    from imageflow_surveys.uploads import Noticed  # brings all that arranges frames in no order

map_uploads = dg.AssetSpec(
    "map_uploads",
    description="Folders of screenshots under uploads/maps/, each closed by its positions.csv or a _DONE object. An "
    "event names the survey that a folder began, or why it began none.",
    group_name=MAP.name,
    owners=MAP.owners,
    tags=MAP.tags,
    kinds={"s3"},
    metadata=rows_of(schema.uploads),
)

surveys = dg.AssetSpec(
    "surveys",
    description="Surveys as they were planned by uploads, the API, the command line or the job plan_survey. The newest "
    "event of a partition shows the survey's state: planned, running, completed, failed or cancelled, and the reason.",
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


def report_upload(instance: dg.DagsterInstance, notice: "Noticed") -> None:
    """Tell Dagster what became of an uploaded folder."""
    begun = {"reason": notice.reason or ""} if notice.survey is None else {"survey": notice.survey.id}
    instance.report_runless_asset_event(
        dg.AssetObservation(map_uploads.key, metadata={"folder": notice.folder.prefix, **begun})
    )
    if notice.survey is not None:
        instance.add_dynamic_partitions(str(SURVEYS.name), [notice.survey.id])
        report_state(instance, notice.survey)


def report_cancelled(instance: dg.DagsterInstance, stores: Stores, until: str | None) -> str | None:
    """Report to Dagster the surveys that were cancelled without it, as over the API.

    Args:
        until: What the last call returned.

    Returns:
        The instant at which the last of them was cancelled.
    """
    with stores.database.begin() as connection:
        cancelled = rows.find(connection, states=(SurveyState.CANCELLED,))
    since = {one.id: one.finished_at.astimezone(UTC).isoformat() for one in cancelled if one.finished_at is not None}
    for survey in reversed(cancelled):
        if since.get(survey.id, "") > (until or "") and _shown_state(instance, survey) != SurveyState.CANCELLED:
            report_state(instance, survey)
    return max([*since.values(), until or ""]) or None


def _shown_state(instance: dg.DagsterInstance, survey: Survey) -> object:
    of_survey = dg.AssetRecordsFilter(surveys.key, [survey.id])
    for record in instance.fetch_materializations(of_survey, limit=1).records:
        if record.asset_materialization is not None:
            return record.asset_materialization.metadata["state"].value
    return None
