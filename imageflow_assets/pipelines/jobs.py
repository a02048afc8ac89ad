"""The job that executes a live execution of a long-running pipeline, or of one with container components."""

from uuid import UUID

import dagster as dg
from pydantic import Field

from imageflow_assets.cancelling import cancelled_with_the_run
from imageflow_assets.failures import explained
from imageflow_assets.labels import EXECUTIONS
from imageflow_clients.process_meter import ProcessMeter
from imageflow_clients.settings import Settings
from imageflow_clients.step_logging import step_logging
from imageflow_clients.stores import Stores
from imageflow_domain.containers import Containers
from imageflow_domain.inference import ModelRegistry
from imageflow_domain.isolation import Isolation
from imageflow_executions.hand_over import execute_handed_over
from imageflow_pipelines.engine import Engine


class ExecutionConfig(dg.Config):
    """Which execution."""

    execution: str = Field(description="Its id.")


@dg.op
def execute_pipeline(
    context: dg.OpExecutionContext,
    config: ExecutionConfig,
    stores: dg.ResourceParam[Stores],
    models: dg.ResourceParam[ModelRegistry],
    containers: dg.ResourceParam[Containers],
    isolation: dg.ResourceParam[Isolation],
    settings: dg.ResourceParam[Settings],
) -> dg.Output[str]:
    """Execute a live execution; it has its own result, also where its pipeline fails."""
    with (
        explained(),
        cancelled_with_the_run() as cancellation,
        step_logging(),
        Engine(models=models, containers=containers, isolation=isolation, meter=ProcessMeter()) as engine,
    ):
        record = execute_handed_over(
            stores,
            UUID(config.execution),
            engine,
            run=context.run_id,
            cancellation=cancellation,
            log_lines=settings.execution_log_lines,
        )
        cancellation.check()
    error = {} if record.error is None else {"error": record.error.message}
    address = f"{settings.map_url}/api/v1/executions/{record.id}"
    shown = {"pipeline": record.request.pipeline, "state": record.state.value, **error}
    return dg.Output(record.state.value, metadata={**shown, "execution": dg.MetadataValue.url(address)})


@dg.job(
    name="execute_pipeline",
    owners=EXECUTIONS.owners,
    tags={**EXECUTIONS.tags, "dagster/max_retries": "0"},
)
def execute_pipeline_job() -> None:
    """Execute one live execution that waits for a run. The sensor execute_long_running requests it."""
    execute_pipeline()


JOBS = (execute_pipeline_job,)
