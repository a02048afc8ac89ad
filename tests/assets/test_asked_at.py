"""When a run was requested: a cancelled survey is resumed by a later request, never by an automatic retry."""

from datetime import datetime

import dagster as dg

from imageflow_assets.runs import asked_at
from tests.assets.runs import add_run


def test_a_run_that_dagster_repeats_was_asked_for_when_the_first_one_was(instance: dg.DagsterInstance) -> None:
    first = add_run(instance, dg.DagsterRunStatus.FAILURE, age_s=60)
    second = add_run(instance, dg.DagsterRunStatus.STARTED)
    by_itself, by_a_person = (
        dg.DagsterRun(job_name="map", run_id=second, root_run_id=first, parent_run_id=first, tags=tags)
        for tags in ({"dagster/retry_number": "1"}, {})
    )
    of_first, of_second = (_created(instance, run) for run in (first, second))
    assert of_first < of_second
    assert asked_at(instance, by_itself) == of_first
    assert asked_at(instance, by_a_person) == of_second


def _created(instance: dg.DagsterInstance, run: str) -> datetime:
    record = instance.get_run_record_by_id(run)
    assert record is not None
    return record.create_timestamp
