"""Who owns what, and which columns the rows behind an asset have: visible to people who know only Dagster's UI."""

import dagster as dg
import pytest
from dagster._core.definitions.metadata import TableMetadataSet

from imageflow_assets.definitions import defs
from imageflow_assets.inspection.assets import ASSETS
from imageflow_assets.inspection.jobs import reinspect_job
from imageflow_assets.inspection.sensors import SENSORS
from imageflow_assets.labels import column_schema
from imageflow_assets.map.assets import ASSETS as MAP_ASSETS
from imageflow_assets.map.jobs import JOBS, plan_survey_job
from imageflow_assets.map.sensors import notice_map_uploads, request_surveys
from imageflow_assets.map.upkeep import keep_in_order_job, nightly
from imageflow_assets.pipelines.jobs import execute_pipeline_job
from imageflow_assets.pipelines.sensors import execute_long_running
from imageflow_clients.database.maps import schema, tile_schema
from imageflow_resources.queue import RunLine, line_of


@pytest.mark.parametrize("asset", [*ASSETS, *MAP_ASSETS], ids=lambda asset: asset.key.to_user_string())
def test_every_asset_names_its_owner_its_kind_and_the_columns_of_its_rows(
    asset: dg.AssetsDefinition | dg.AssetSpec,
) -> None:
    node = defs.resolve_asset_graph().get(asset.key)
    assert node.owners == [f"team:{node.group_name}"]
    assert node.tags["imageflow/line"] == node.group_name
    assert node.kinds
    assert node.description
    shown = TableMetadataSet.extract(dict(node.metadata))
    assert shown.table_name in schema.metadata.tables
    assert shown.column_schema is not None
    assert all(column.description for column in shown.column_schema.columns)


def test_a_column_schema_says_type_key_and_whether_a_value_may_be_missing() -> None:
    columns = {column.name: column for column in column_schema(tile_schema.tiles).columns}
    assert (columns["layer_id"].type, columns["layer_id"].constraints.nullable) == ("bigint", False)
    assert (columns["digest"].type, columns["digest"].constraints.nullable) == ("text", True)
    assert [name for name, column in columns.items() if "primary_key" in column.tags] == ["layer_id", "z", "x", "y"]


@pytest.mark.parametrize(
    "made",
    [
        *SENSORS,
        request_surveys,
        notice_map_uploads,
        execute_long_running,
        *JOBS,
        execute_pipeline_job,
        reinspect_job,
        keep_in_order_job,
        nightly,
    ],
    ids=lambda made: made.name,
)
def test_sensors_jobs_and_schedules_say_what_they_do_and_whose_they_are(
    made: dg.SensorDefinition | dg.JobDefinition | dg.ScheduleDefinition,
) -> None:
    assert made.description
    assert made.owners
    assert made.tags["imageflow/line"] in {"map", "inspection", "executions", "upkeep"}


@pytest.mark.parametrize(
    "made", [plan_survey_job, keep_in_order_job, reinspect_job, nightly], ids=lambda made: made.name
)
def test_runs_of_short_jobs_do_not_wait_behind_surveys_and_batches(
    made: dg.JobDefinition | dg.ScheduleDefinition,
) -> None:
    assert line_of(dg.DagsterRun(job_name=made.name, tags=dict(made.tags))) is RunLine.UPKEEP


@pytest.mark.parametrize("name", ["map_of_survey", "resume_survey", "retile_surveys"])
def test_runs_of_jobs_that_make_a_map_wait_in_the_line_of_the_map(name: str) -> None:
    tags = defs.resolve_job_def(name).tags
    assert line_of(dg.DagsterRun(job_name=name, tags=dict(tags))) is RunLine.MAP
