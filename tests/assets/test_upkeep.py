"""The nightly upkeep, as Dagster runs it."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from sqlalchemy import update

from imageflow_assets.definitions import build_defs
from imageflow_assets.map.partitions import SURVEYS
from imageflow_assets.map.records import delete_survey
from imageflow_clients.database.maps import schema
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import Conflict, NotFound
from imageflow_domain.survey import Survey, SurveyState
from imageflow_surveys import states
from imageflow_surveys.runs import PARTITION_TAG
from tests.assets.runs import add_partition, add_run, beat
from tests.surveys.cities import city, digests, published


def _old(stores: Stores, instance: dg.DagsterInstance, seed: int, days: int) -> Survey:
    survey = published(stores, city("upkeep", seed=seed))
    with stores.database.begin() as connection:
        rows.set_state(connection, survey.id, SurveyState.COMPLETED)
    add_partition(instance, survey)
    add_run(instance, dg.DagsterRunStatus.SUCCESS, {PARTITION_TAG: survey.id})
    table = schema.surveys
    with stores.database.begin() as connection:
        then = datetime.now(UTC) - timedelta(days=days)
        connection.execute(update(table).where(table.c.id == survey.id).values(created_at=then))
    return survey


def _upkeep(stores: Stores, instance: dg.DagsterInstance, **retention: object) -> dg.ExecuteInProcessResult:
    job = build_defs(resources={"stores": stores}).resolve_job_def("keep_in_order")
    config = {
        "ops": {
            "retire_old_surveys": {"config": retention},
            "sweep_objects": {"config": {"grace_hours": 0, "dry_run": retention.get("dry_run", False)}},
        }
    }
    return job.execute_in_process(instance=instance, run_config=config)


def test_old_surveys_go_with_partition_runs_and_tiles_and_a_dry_run_changes_nothing(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    old, new = _old(stores, instance, 801, 90), _old(stores, instance, 802, 40)
    unneeded = set(digests(stores, old).values()) - set(digests(stores, new).values())
    assert unneeded

    assert _upkeep(stores, instance, keep=1, days=30, dry_run=True).output_for_node("retire_old_surveys") == 1
    assert instance.has_dynamic_partition(str(SURVEYS.name), old.id)
    assert states.read(stores, old.id)

    for _ in range(2):
        assert _upkeep(stores, instance, keep=1, days=30).success
    with stores.database.begin() as connection:
        assert [survey.id for survey in rows.find(connection, save="upkeep")] == [new.id]
    assert instance.get_dynamic_partitions(str(SURVEYS.name)) == [new.id]
    assert instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: old.id})) == []
    assert len(instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: new.id}))) == 1
    assert not any(stores.objects.exists(keys.tile(digest)) for digest in unneeded)
    assert all(stores.objects.exists(keys.tile(digest)) for digest in digests(stores, new).values())


def test_what_steps_of_a_deleted_survey_s_runs_handed_on_goes_with_them(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    gone, stays = (_old(stores, instance, number, 1) for number in (812, 813))
    kept = {}
    for survey in (gone, stays):
        run = add_run(instance, dg.DagsterRunStatus.SUCCESS, {"dagster/partition": survey.id})
        kept[survey.id] = keys.step_value(run, "screenshots.screenshots_shares", "result", "s000")
        stores.objects.put(kept[survey.id], b"1")
    delete_survey(instance, stores, gone)
    assert not stores.objects.exists(kept[gone.id])
    assert stores.objects.exists(kept[stays.id])


def test_a_survey_that_a_persons_run_is_at_work_on_is_not_deleted(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = _old(stores, instance, 811, 1)
    run = add_run(instance, dg.DagsterRunStatus.STARTED, {PARTITION_TAG: survey.id})
    beat(stores, run, ago_s=5)
    with pytest.raises(Conflict, match=f"Run {run} is at work"):
        delete_survey(instance, stores, survey)
    assert states.read(stores, survey.id)
    assert instance.has_run(run)
    beat(stores, run, ago_s=3600)  # its worker was killed, and the run was not failed
    delete_survey(instance, stores, survey)
    assert not instance.has_run(run)


def test_without_a_retention_no_survey_goes(stores: Stores, instance: dg.DagsterInstance) -> None:
    _old(stores, instance, 803, 4000)
    assert _upkeep(stores, instance).output_for_node("retire_old_surveys") == 0


def test_a_deletion_that_is_broken_off_leaves_the_survey_to_be_deleted_again(
    stores: Stores, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    survey = _old(stores, instance, 805, 1)

    def killed(*_: object) -> None:
        raise RuntimeError("killed here")

    with monkeypatch.context() as patched:
        patched.setattr(instance, "delete_dynamic_partition", killed)
        with pytest.raises(RuntimeError, match="killed here"):
            delete_survey(instance, stores, survey)
    assert states.read(stores, survey.id)
    delete_survey(instance, stores, survey)
    assert not instance.has_dynamic_partition(str(SURVEYS.name), survey.id)
    with pytest.raises(NotFound):
        states.read(stores, survey.id)


def test_the_upkeep_is_scheduled_every_night() -> None:
    schedule = build_defs().resolve_schedule_def("nightly_upkeep")
    assert (schedule.cron_schedule, schedule.default_status) == ("17 3 * * *", dg.DefaultScheduleStatus.RUNNING)
