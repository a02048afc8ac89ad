"""The sensor that requests runs for live executions. It runs by default."""

import dagster as dg

from imageflow_assets.labels import EXECUTIONS, sensor
from imageflow_assets.pipelines.jobs import execute_pipeline_job
from imageflow_assets.runs import why_it_ended
from imageflow_assets.waiting import Waiting, look
from imageflow_clients.stores import Stores
from imageflow_domain.executions import Priority
from imageflow_domain.work import Action, Work, decide
from imageflow_executions.hand_over import MOST_RUNS, HandedOver, give_up, list_handed_over
from imageflow_executions.history import cancel_execution

EXECUTION_TAG = "imageflow/execution"
"""Execution and attempt that a run is for."""

_PRIORITIES = {Priority.LOW: "-1", Priority.NORMAL: "0", Priority.HIGH: "1"}


@sensor(EXECUTIONS, job=execute_pipeline_job, minimum_interval_seconds=15)
def execute_long_running(
    context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Stores]
) -> dg.SensorResult | dg.SkipReason:
    """Request one run for each live execution of a long-running pipeline, or of one with container components."""

    def read() -> list[Waiting[HandedOver]]:
        return [Waiting(row=each, key=each.key, partition=each.key) for each in list_handed_over(stores)]

    requests = [
        request for asked in look(context.instance, EXECUTION_TAG, read) for request in _due(context, stores, asked)
    ]
    return dg.SensorResult(run_requests=requests) if requests else dg.SkipReason("No execution waits for a run.")


def _due(context: dg.SensorEvaluationContext, stores: Stores, asked: Waiting[HandedOver]) -> tuple[dg.RunRequest, ...]:
    """Return the request for the run that an execution needs; end one whose runs were cancelled or all failed."""
    waiting, tries = asked.row, len(asked.runs)
    action = decide(Work(tries=tries, most_tries=MOST_RUNS), asked.ends)
    if action is Action.REQUEST:
        return (_run_of(waiting, tries),)
    if action is Action.CANCEL:
        cancel_execution(stores, waiting.execution)
    elif action is not Action.WAIT:
        give_up(stores, waiting.execution, why_it_ended(context.instance, asked.runs[0]))
    return ()


def _run_of(waiting: HandedOver, tries: int) -> dg.RunRequest:
    config = {"execution": str(waiting.execution)}
    return dg.RunRequest(
        run_key=f"{waiting.key}/{tries}",
        run_config={"ops": {"execute_pipeline": {"config": config}}},
        tags={EXECUTION_TAG: waiting.key, "dagster/priority": _PRIORITIES[waiting.priority]},
    )
