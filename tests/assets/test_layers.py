"""A layer is planned, shared out and collected: missing blocks are made, and whole ones anew for a person who asks."""

from datetime import datetime

import dagster as dg

from imageflow_assets.map.assets import BY_LAYER
from imageflow_clients.database.maps import layers, schema
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.grid import Block, Cell
from imageflow_domain.survey import Layer, Survey
from imageflow_surveys import states
from imageflow_surveys.runs import ONLY_MISSING_TAG
from tests.assets.runs import materialise, told
from tests.surveys.cities import city, digests, planned

_FIRST, _SECOND = Block(row=0, col=0), Block(row=0, col=1)


def _whole(stores: Stores, instance: dg.DagsterInstance, save: str) -> Survey:
    """Return a survey of two blocks that was made by one run."""
    survey = planned(stores, city(save, grid="4x2", block_side=2))
    assert materialise(instance, stores, survey).success
    return states.read(stores, survey.id)


def _taken_at(stores: Stores, survey: Survey) -> dict[Cell, datetime]:
    table = schema.screenshots
    with stores.database.begin() as connection:
        found = connection.execute(table.select().where(table.c.survey_id == survey.id)).all()
    return {Cell(row=row.row, col=row.col): row.captured_at for row in found}


def _steps(result: dg.ExecuteInProcessResult) -> list[str]:
    return [str(event.step_key) for event in result.all_events if event.event_type_value == "STEP_START"]


def _limited(layer: Layer, *blocks: Block) -> dict[str, object]:
    return {layer.value: {"config": {"blocks": [block.key for block in blocks]}}}


def test_a_whole_layer_that_a_person_materialises_is_made_again(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = _whole(stores, instance, "again")
    before, tiles = _taken_at(stores, survey), digests(stores, survey)
    assert materialise(instance, stores, survey, Layer.SCREENSHOTS).success
    after = _taken_at(stores, survey)
    assert after.keys() == before.keys()
    assert all(after[cell] > before[cell] for cell in before)
    assert materialise(instance, stores, survey).success
    assert _taken_at(stores, survey) == after, "of a survey that lacks something, only that is made"
    assert digests(stores, survey) == tiles
    result = materialise(instance, stores, survey)
    assert all(taken > after[cell] for cell, taken in _taken_at(stores, survey).items()), _steps(result)


def test_a_run_that_makes_what_is_missing_leaves_a_whole_survey_alone(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _whole(stores, instance, "left_alone")
    before = _taken_at(stores, survey)
    result = materialise(instance, stores, survey, tags={ONLY_MISSING_TAG: "true"})
    assert result.success
    assert not [step for step in _steps(result) if "_share[" in step]
    assert _taken_at(stores, survey) == before
    events = result.get_asset_materialization_events()
    assert len(events) == len(Layer)
    kept = [event.step_materialization_data.materialization.metadata.get("kept") for event in events]
    assert sum(each is not None for each in kept) == 3, "coordinates, overviews, screenshot_cleanup"


def test_named_blocks_are_made_and_the_asset_waits_for_the_others(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = planned(stores, city("named", grid="4x2", block_side=2))
    key = BY_LAYER[Layer.SCREENSHOTS].key
    result = materialise(instance, stores, survey, Layer.SCREENSHOTS, config=_limited(Layer.SCREENSHOTS, _SECOND))
    assert result.success
    assert {cell.col for cell in _taken_at(stores, survey)} == {2, 3}
    assert survey.id not in instance.get_materialized_partitions(key)
    (observed,) = [event for event in result.all_events if event.event_type_value == "ASSET_OBSERVATION"]
    metadata = observed.asset_observation_data.asset_observation.metadata
    assert metadata["missing_blocks"].value == _FIRST.key
    assert materialise(instance, stores, survey, Layer.SCREENSHOTS, config=_limited(Layer.SCREENSHOTS, _FIRST)).success
    assert survey.id in instance.get_materialized_partitions(key)


def test_a_block_that_the_survey_does_not_have_is_named(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = planned(stores, city("no_block", grid="4x2", block_side=2))
    nowhere = Block(row=7, col=7)
    result = materialise(instance, stores, survey, Layer.SCREENSHOTS, config=_limited(Layer.SCREENSHOTS, nowhere))
    assert told(result) == f"'{survey.id}' has no block r07c07: its blocks are r00c00 to r00c01."


def test_a_lost_screenshot_is_named_and_healed_by_its_block(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = _whole(stores, instance, "healed")
    before, tiles = _taken_at(stores, survey), digests(stores, survey)
    lost = Cell(row=1, col=3)
    stores.objects.delete(keys.screenshot(survey.id, lost))
    result = materialise(instance, stores, survey, Layer.TILES)
    assert not result.success
    said = told(result)
    assert keys.screenshot(survey.id, lost) in said
    assert _SECOND.key in said
    limited = _limited(Layer.SCREENSHOTS, _SECOND)
    assert materialise(instance, stores, survey, Layer.SCREENSHOTS, config=limited).success
    assert {cell for cell, taken in _taken_at(stores, survey).items() if taken > before[cell]} == {
        cell for cell in before if cell.col > 1
    }
    assert materialise(instance, stores, survey, tags={ONLY_MISSING_TAG: "true"}).success
    assert digests(stores, survey) == tiles
    with stores.database.begin() as connection:
        assert layers.progress(connection, survey.id).tasks_done == layers.progress(connection, survey.id).tasks


def test_a_map_over_a_lost_tile_of_an_earlier_one_is_completed_and_withheld(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    first = _whole(stores, instance, "lost_below")
    second = planned(stores, first.spec)
    assert materialise(instance, stores, second, Layer.SCREENSHOTS, Layer.PAIR_OFFSETS, Layer.COORDINATES).success
    for tile, digest in digests(stores, first).items():
        if tile.z == first.placed().frame.native_zoom:
            stores.objects.delete(keys.tile(digest))
    result = materialise(instance, stores, second, Layer.TILES, Layer.OVERVIEWS)
    assert result.success
    withheld = states.read(stores, second.id).withheld
    assert withheld is not None
    assert "promised tiles are missing" in withheld
    (tiles,) = [
        event.step_materialization_data.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key == BY_LAYER[Layer.TILES].key
    ]
    assert str(tiles.metadata["preview"].value).startswith("There is no preview. No object at 'tiles/")
