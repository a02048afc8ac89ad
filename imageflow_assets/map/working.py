"""What every step of the map does first: hold its survey's lease for its run."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from imageflow_assets.failures import explained
from imageflow_assets.map.states import report_state
from imageflow_assets.runs import asked_at, partition_of_step
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.errors import NotFound
from imageflow_domain.survey import Layer
from imageflow_surveys.lease import HeldSurvey, LeasingRun, RunRefused, hold
from imageflow_surveys.runs import ONLY_MISSING_TAG, REFUSED_TAG

Context = dg.OpExecutionContext | dg.AssetExecutionContext

_LAYERS = frozenset(layer.value for layer in Layer)


@contextmanager
def working(context: Context, stores: Stores, settings: Settings) -> Iterator[HeldSurvey]:
    """Yield the survey of a step's partition with its lease; errors of the body become failures in words."""
    with explained(context.retry_number, settings.retry_waits):
        yield _held(context, stores)


def _held(context: Context, stores: Stores) -> HeldSurvey:
    survey = partition_of_step(context)
    try:
        held = hold(stores, survey, _run_of(context))
    except RunRefused:
        # by the tag, whoever settles the survey passes this run over
        context.instance.add_run_tags(context.run_id, {REFUSED_TAG: context.run_id})
        raise
    except NotFound as error:
        raise NotFound(
            f"There is no survey '{survey}': nobody planned it. Run the job plan_survey, which adds the partition of "
            "the survey that it plans, and delete this one: 'Delete partitions', in the menu beside 'Materialize' on "
            "the asset's page."
        ) from error
    if held.is_new:
        report_state(context.instance, held.survey)
    return held


def _run_of(context: Context) -> LeasingRun:
    instance, run = context.instance, context.run

    def has_ended(run_id: str) -> bool:
        other = instance.get_run_by_id(run_id)
        return other is None or other.is_finished

    selected = context.job_def.asset_layer.executable_asset_keys
    return LeasingRun(
        id=run.run_id,
        root_id=run.root_run_id or run.run_id,
        layers=tuple(Layer(name) for name in {key.to_user_string() for key in selected} & _LAYERS),
        only_missing=ONLY_MISSING_TAG in run.tags,
        created_at=lambda: asked_at(instance, run),
        has_ended=has_ended,
    )
