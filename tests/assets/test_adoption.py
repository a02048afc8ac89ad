"""Surveys that an older version completed, with assets that stand in for the map's, as they were and as they are."""

from collections.abc import Callable, Iterator, Sequence

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from pydantic import SecretStr

from imageflow_assets.map.adoption import adopt_surveys
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.survey import Survey, SurveyState
from tests.surveys.cities import city, planned

SURVEYS = dg.DynamicPartitionsDefinition(name="surveys")
BLOCKS = ("r00c00", "r00c01")
SURVEY_BLOCKS = dg.MultiPartitionsDefinition({"survey": SURVEYS, "block": dg.StaticPartitionsDefinition(BLOCKS)})
WHOLE_SURVEY = dg.MultiToSingleDimensionPartitionMapping("survey")
CHECK = dg.AssetCheckKey(dg.AssetKey("places"), "mostly_sure")


def _introduce(surveys: Sequence[Survey]) -> None:
    """Report nothing: the assets of these tests depend on no external one."""


def asset_of(
    name: str,
    partitions: dg.PartitionsDefinition,
    deps: Sequence[dg.AssetDep | dg.AssetsDefinition | str],
    **more: object,
) -> dg.AssetsDefinition:
    @dg.asset(name=name, partitions_def=partitions, deps=deps, code_version="1", **more)
    def made(context: dg.AssetExecutionContext) -> None:
        if "imageflow/fail" in context.run.tags:
            raise dg.Failure("The disk was full.")

    return made


OLD_SHOTS = asset_of("shots", SURVEY_BLOCKS, [])
OLD_PLACES = asset_of("places", SURVEYS, [dg.AssetDep(OLD_SHOTS, partition_mapping=WHOLE_SURVEY)])
OLD_TILES = asset_of("tiles", SURVEY_BLOCKS, [dg.AssetDep(OLD_PLACES, partition_mapping=WHOLE_SURVEY)])

ARRIVALS = dg.AssetSpec("arrivals", partitions_def=SURVEYS)
GAMES = dg.AssetSpec("games")
SHOTS = asset_of("shots", SURVEYS, ["arrivals", "games"])


@dg.asset(
    partitions_def=SURVEYS,
    deps=[SHOTS],
    code_version="1",
    check_specs=[dg.AssetCheckSpec(CHECK.name, asset="places", partitions_def=SURVEYS)],
)
def places(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
    yield dg.MaterializeResult(check_results=looked(context.partition_key))


TILES = asset_of("tiles", SURVEYS, [places])
CHAIN = (SHOTS, places, TILES)
GRAPH = dg.Definitions(assets=[ARRIVALS, GAMES, *CHAIN]).resolve_asset_graph()


def look(stores: Stores, survey: Survey) -> list[dg.AssetCheckResult]:
    return looked(survey.id)


def looked(survey: str) -> list[dg.AssetCheckResult]:
    sure = "unsure" not in survey
    return [dg.AssetCheckResult(check_name=CHECK.name, passed=sure, severity=dg.AssetCheckSeverity.WARN)]


LOOKS = {places.key: look}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, databases: Callable[[], SecretStr]) -> Iterator[Stores]:
    """Stores without the surveys that other tests completed."""
    opened = open_stores(Settings(home=tmp_path_factory.mktemp("adoption"), database_url=databases()))
    yield opened
    opened.database.close()


@pytest.fixture
def completed(stores: Stores, instance: dg.DagsterInstance, request: pytest.FixtureRequest) -> Iterator[Survey]:
    """A survey that an older version completed, and reported as that did; the last run on it failed."""
    survey = complete(stores, instance, getattr(request, "param", "before"))
    for asset in (OLD_SHOTS, OLD_PLACES, OLD_TILES):
        blocks = [f"{block}|{survey.id}" for block in BLOCKS] if asset.partitions_def == SURVEY_BLOCKS else [survey.id]
        for key in blocks:
            assert dg.materialize([asset], partition_key=key, instance=instance).success
    again = dg.materialize(
        [OLD_PLACES], partition_key=survey.id, instance=instance, tags={"imageflow/fail": ""}, raise_on_error=False
    )
    assert not again.success
    yield survey
    forget(stores, survey)


def complete(stores: Stores, instance: dg.DagsterInstance, save: str) -> Survey:
    survey = planned(stores, city(save, grid="1x1"))
    with stores.database.begin() as connection:
        rows.set_state(connection, survey.id, SurveyState.COMPLETED)
    instance.add_dynamic_partitions("surveys", [survey.id])
    return survey


def forget(stores: Stores, survey: Survey) -> None:
    with stores.database.begin() as connection:
        rows.remove(connection, survey)


def statuses(instance: dg.DagsterInstance, survey: Survey) -> list[StaleStatus]:
    resolver = CachingStaleStatusResolver(instance, GRAPH, LoadingContextForTest(instance))
    return [resolver.get_status(asset.key, survey.id) for asset in CHAIN]


def failed(instance: dg.DagsterInstance, asset: dg.AssetsDefinition) -> set[str]:
    status = get_and_update_asset_status_cache_value(instance, asset.key, SURVEYS)
    assert status is not None
    return set(status.deserialize_failed_partition_subsets(SURVEYS).get_partition_keys())


def events(instance: dg.DagsterInstance, asset: dg.AssetsDefinition, survey: Survey) -> list[str]:
    """Return the run of every materialisation of a survey, newest first; `""` for one that was reported."""
    wanted = dg.AssetRecordsFilter(asset_key=asset.key, asset_partitions=[survey.id])
    return [record.run_id for record in instance.fetch_materializations(wanted, limit=100).records]


def test_a_survey_of_before_is_fresh_in_all_assets_and_failed_in_none(
    stores: Stores, instance: dg.DagsterInstance, completed: Survey
) -> None:
    assert statuses(instance, completed) != [StaleStatus.FRESH] * 3
    assert failed(instance, places) == {completed.id}
    assert adopt_surveys(instance, stores, CHAIN, LOOKS, introduce=_introduce) == 0
    assert statuses(instance, completed) == [StaleStatus.FRESH] * 3
    for asset in CHAIN:
        assert failed(instance, asset) == set()
        assert completed.id in instance.get_materialized_partitions(asset.key)
    blocks = {f"{block}|{completed.id}" for block in BLOCKS}
    assert blocks < instance.get_materialized_partitions(SHOTS.key), "older events stay"


@pytest.mark.parametrize("completed", ["before", "unsure"], indirect=True)
def test_checks_say_of_a_survey_of_before_what_is_found_now(
    stores: Stores, instance: dg.DagsterInstance, completed: Survey
) -> None:
    adopt_surveys(instance, stores, CHAIN, LOOKS, introduce=_introduce)
    storage = instance.event_log_storage
    (state,) = storage.get_asset_check_partition_info([CHECK], partition_keys=[completed.id])
    assert state.is_current
    assert state.latest_execution_status.value == ("FAILED" if "unsure" in completed.id else "SUCCEEDED")


def test_assets_that_begin_the_lineage_make_nothing_stale(
    stores: Stores, instance: dg.DagsterInstance, completed: Survey
) -> None:
    version = {"dagster/data_version": "7"}
    instance.report_runless_asset_event(dg.AssetMaterialization("games", tags=version))
    instance.report_runless_asset_event(dg.AssetMaterialization("arrivals", partition=completed.id, tags=version))
    adopt_surveys(instance, stores, CHAIN, LOOKS, introduce=_introduce)
    assert statuses(instance, completed) == [StaleStatus.FRESH] * 3


def test_running_an_adopted_survey_again_leaves_it_fresh(
    stores: Stores, instance: dg.DagsterInstance, completed: Survey
) -> None:
    adopt_surveys(instance, stores, CHAIN, LOOKS, introduce=_introduce)
    dg.materialize([SHOTS], partition_key=completed.id, instance=instance)
    assert statuses(instance, completed) == [StaleStatus.FRESH] * 3


def test_an_adopted_survey_is_stale_once_what_it_was_made_of_changes(
    stores: Stores, instance: dg.DagsterInstance, completed: Survey
) -> None:
    adopt_surveys(instance, stores, CHAIN, LOOKS, introduce=_introduce)
    changed = dg.AssetMaterialization("shots", partition=completed.id, tags={"dagster/data_version": "others"})
    instance.report_runless_asset_event(changed)
    assert statuses(instance, completed)[1] is StaleStatus.STALE


@pytest.mark.parametrize("count", range(1, 9))
def test_a_call_that_is_killed_after_any_event_leaves_the_rest_to_the_next_one(
    stores: Stores, instance: dg.DagsterInstance, count: int
) -> None:
    both = [complete(stores, instance, save) for save in ("one", "unsure")]
    reported = []

    def kill(event: dg.EventLogEntry) -> None:
        reported.append(event)
        if len(reported) == count:
            raise KeyboardInterrupt

    instance.add_event_listener(RUNLESS_RUN_ID, kill)
    with pytest.raises(KeyboardInterrupt):
        adopt_surveys(instance, stores, CHAIN, LOOKS, introduce=_introduce)
    assert adopt_surveys(instance, stores, CHAIN, LOOKS, introduce=_introduce) == 0
    assert len(reported) == 2 * len(CHAIN) + 2, "three materialisations and a check of either survey"
    for survey in both:
        assert statuses(instance, survey) == [StaleStatus.FRESH] * 3
        (state,) = instance.event_log_storage.get_asset_check_partition_info([CHECK], partition_keys=[survey.id])
        assert state.is_current
        forget(stores, survey)


def test_surveys_are_reported_once_and_none_that_was_completed_since(
    stores: Stores, instance: dg.DagsterInstance, completed: Survey
) -> None:
    adopt_surveys(instance, stores, CHAIN, LOOKS, introduce=_introduce)
    before = events(instance, TILES, completed)
    later = complete(stores, instance, "later")
    assert adopt_surveys(instance, stores, CHAIN, LOOKS, introduce=_introduce) == 0
    assert events(instance, TILES, completed) == before
    assert events(instance, TILES, later) == []
    forget(stores, later)


def test_a_survey_that_this_version_made_keeps_its_runs(stores: Stores, instance: dg.DagsterInstance) -> None:
    made = complete(stores, instance, "made_now")
    run = dg.materialize(CHAIN, partition_key=made.id, instance=instance)
    adopt_surveys(instance, stores, CHAIN, LOOKS, introduce=_introduce)
    assert events(instance, TILES, made) == [run.run_id]
    forget(stores, made)


def test_a_call_ends_in_time_and_the_next_ones_do_the_rest_newest_first(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    many = [complete(stores, instance, f"many{number:02d}") for number in range(12)]
    left = adopt_surveys(instance, stores, CHAIN, LOOKS, introduce=_introduce, within_s=0)
    assert left == 2
    assert statuses(instance, many[-1]) == [StaleStatus.FRESH] * 3
    assert statuses(instance, many[0]) == [StaleStatus.MISSING] * 3
    deleted = many.pop(0)
    forget(stores, deleted)
    while adopt_surveys(instance, stores, CHAIN, LOOKS, introduce=_introduce, within_s=0):
        pass
    assert all(statuses(instance, survey) == [StaleStatus.FRESH] * 3 for survey in many)
    assert events(instance, TILES, deleted) == []
    for survey in many:
        forget(stores, survey)
