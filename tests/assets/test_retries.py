"""A run survives passing failures, continues where it stopped, and reports its result."""

from dataclasses import replace

import dagster as dg

from imageflow_assets.runs import why_it_ended
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import InvalidInput, StoreUnavailable
from imageflow_domain.survey import Layer, Survey
from tests.assets.runs import materialise
from tests.surveys.cities import city, planned, published
from tests.surveys.stand_ins import FailingStore, Moment


def _materialization(result: dg.ExecuteInProcessResult) -> dg.AssetMaterialization:
    return result.get_asset_materialization_events()[0].step_materialization_data.materialization


def _shown(result: dg.ExecuteInProcessResult, name: str) -> object:
    return _materialization(result).metadata[name].value


def test_a_store_that_is_down_for_a_moment_costs_no_attempt(
    stores: Stores, instance: dg.DagsterInstance, settings: Settings
) -> None:
    survey = planned(stores, city("moment"))
    down = Moment(StoreUnavailable("the disk is full"), at_call=4)
    failing = FailingStore(settings.home, down, concerns=lambda key: survey.id in key)
    result = materialise(instance, replace(stores, objects=failing), survey, Layer.SCREENSHOTS)
    assert result.success
    assert len([event for event in result.all_events if event.is_step_up_for_retry]) == 1
    assert (_shown(result, "screenshots"), _shown(result, "taken_by_this_run"), down.calls) == (9, 6, 10)


def _screenshots(
    instance: dg.DagsterInstance, stores: Stores, settings: Settings, survey: Survey, failure: Moment
) -> dg.ExecuteInProcessResult:
    """Materialise screenshots on a store that fails where a value is handed from step to step."""
    failing = FailingStore(settings.home, failure, concerns=lambda key: key.startswith(f"{keys.STEP_VALUES}/"))
    return materialise(instance, replace(stores, objects=failing), survey, Layer.SCREENSHOTS)


def test_a_store_that_is_down_while_a_value_is_handed_on_costs_no_attempt(
    stores: Stores, instance: dg.DagsterInstance, settings: Settings
) -> None:
    survey = planned(stores, city("handed_on"))
    down = Moment(StoreUnavailable("the disk is full"), at_call=1)
    result = _screenshots(instance, stores, settings, survey, down)
    assert result.success
    assert [event.step_key for event in result.all_events if event.is_step_up_for_retry] == [
        "screenshots.screenshots_shares"
    ]


def test_a_value_that_cannot_be_handed_on_says_why_in_the_stores_own_words(
    stores: Stores, instance: dg.DagsterInstance, settings: Settings
) -> None:
    survey = planned(stores, city("not_handed_on"))
    full = Moment(InvalidInput("the disk is full"), at_call=1)
    result = _screenshots(instance, stores, settings, survey, full)
    assert not result.success
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert why_it_ended(instance, run) == "the disk is full"


def test_a_layer_that_is_missing_is_not_tried_again(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = planned(stores, city("nothing_yet"))
    result = materialise(instance, stores, survey, Layer.COORDINATES)
    assert not result.success
    assert not [event for event in result.all_events if event.is_step_up_for_retry]


def test_a_person_sees_the_map_and_what_is_least_sure(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = published(stores, city("seen"))
    again = {layer: materialise(instance, stores, survey, layer) for layer in (Layer.COORDINATES, Layer.OVERVIEWS)}
    assert all(result.success for result in again.values())
    assert (_shown(again[Layer.COORDINATES], "anchored"), _shown(again[Layer.COORDINATES], "frame")) == (9, 1)
    table = _materialization(again[Layer.COORDINATES]).metadata["least_sure"]
    assert isinstance(table, dg.TableMetadataValue)
    assert len(table.records) == 9
    assert "data:image/webp;base64," in str(_shown(again[Layer.OVERVIEWS], "mosaic"))
    for result in again.values():
        checks = result.get_asset_check_evaluations()
        assert checks
        assert all(check.passed for check in checks), checks
