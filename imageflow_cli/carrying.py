"""The command line as a survey's carrier: it materialises layer after layer, in this process."""

import dagster as dg

from imageflow_assets.definitions import defs
from imageflow_assets.map.assets import BY_LAYER
from imageflow_assets.map.carrying import run_tags
from imageflow_assets.map.partitions import SURVEYS, ranges
from imageflow_cli.session import Session
from imageflow_clients.database import layers
from imageflow_domain.errors import ImageFlowError
from imageflow_domain.survey import BLOCK_LAYERS, Step, Survey
from imageflow_resources.stores import beating
from imageflow_surveys import carry
from imageflow_surveys.next_step import next_step

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Failures are printed once, by the command line itself."""


class SurveyFailed(ImageFlowError):
    """A layer of the survey could not be materialised."""


def carry_to_the_end(session: Session, survey: Survey) -> Survey:
    """Materialise every layer that a survey lacks, and return it completed.

    Raises:
        SurveyFailed: With the failed asset's own words; what was made is kept, and the survey can be resumed.
    """
    session.instance.add_dynamic_partitions(str(SURVEYS.name), [survey.id])
    with beating(session.stores, carry.carrier_name(survey.id)):
        try:
            while (step := _next(session, survey)) is not None:
                _materialise(session, survey, step)
        except KeyboardInterrupt:
            carry.give_up(session.stores, survey, f"Interrupted: `imageflow survey resume {survey.id}` goes on.")
            raise
    carry.finish(session.stores, survey)
    return carry.read(session.stores, survey.id)


def _next(session: Session, survey: Survey) -> Step | None:
    with session.stores.database.begin() as connection:
        return next_step(layers.progress(connection, survey.id))


def _materialise(session: Session, survey: Survey, step: Step) -> None:
    tags = run_tags(survey, step)
    if step.layer not in BLOCK_LAYERS:
        _run(session, survey, step, partition=survey.id, tags=tags)
        return
    for span in ranges(survey.id, step.blocks):
        _run(session, survey, step, partition=None, tags={**tags, **span.tags})


def _run(session: Session, survey: Survey, step: Step, *, partition: str | None, tags: dict[str, str]) -> None:
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=session.instance,
        asset_selection=[BY_LAYER[step.layer].key],
        partition_key=partition,
        tags=tags,
        run_config=_QUIET,
        raise_on_error=False,
    )
    if result.success:
        return
    reason = _why(result)
    carry.note_failure(session.stores, survey, step.layer, reason, result.run_id)
    carry.give_up(session.stores, survey, f"{step.layer}: {reason}")
    raise SurveyFailed(
        f"{step.layer} of '{survey.id}' failed: {reason}\n`imageflow survey resume {survey.id}` goes on."
    )


def _why(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data is not None and data.user_failure_data.description:
                return data.user_failure_data.description
            if data.error is not None:
                return data.error.message.strip().splitlines()[-1]
    return f"run {result.run_id} failed; Dagster's page of it says why"
