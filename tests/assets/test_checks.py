"""Each check of an asset fails when a real survey is spoilt in the way that it watches for, and names the fault."""

from collections.abc import Callable
from zlib import crc32

import dagster as dg
import pytest
from sqlalchemy import Connection, delete, update

from imageflow_assets.map.checks import OF_COORDINATES, OF_OVERVIEWS, results
from imageflow_clients.database.maps import schema, tile_schema, tiles
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.survey import Layer, Survey
from tests.assets.runs import materialise
from tests.surveys.cities import city, digests, published

_WARN, _ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
_SEVERITIES = {
    "loops_close": _ERROR,
    "shots_placed": _ERROR,
    "decisive_offsets_kept": _ERROR,
    "mostly_anchored": _WARN,
    "one_group": _WARN,
    "positions_hold": _WARN,
    "tiles_whole": _ERROR,
}
_PAIRS, _PLACES, _TILES = schema.pair_offsets, schema.coordinates, tile_schema.tiles

Evaluate = Callable[[str, Survey], dg.AssetCheckResult]


@pytest.fixture
def evaluate(stores: Stores) -> Evaluate:
    """Look at a survey as the step of the check's asset does."""

    def run(name: str, survey: Survey) -> dg.AssetCheckResult:
        (look,) = [look for look in (*OF_COORDINATES, *OF_OVERVIEWS) if look.__name__ == name]
        (result,) = results(stores, survey, [look])
        return result

    return run


@pytest.fixture
def survey(stores: Stores, request: pytest.FixtureRequest) -> Survey:
    """A published survey of this test's own, to be spoilt."""
    seed = crc32(request.node.name.encode()) % 100_000
    return published(stores, city(f"check_{seed}", grid="4x4", seed=seed))


def _shown(evaluation: dg.AssetCheckResult) -> str:
    return str(evaluation.metadata["offenders"].value)


def _expect(evaluation: dg.AssetCheckResult, *, passed: bool) -> None:
    assert evaluation.passed is passed
    assert evaluation.severity is _SEVERITIES[str(evaluation.check_name)]


def _cells(first: tuple[int, int], second: tuple[int, int]) -> tuple[str, str]:
    return f"r{first[0]:02d}_c{first[1]:02d}", f"r{second[0]:02d}_c{second[1]:02d}"


@pytest.mark.parametrize("name", _SEVERITIES)
def test_a_sound_survey_passes(stores: Stores, evaluate: Evaluate, name: str) -> None:
    evaluation = evaluate(name, published(stores, city(f"sound_{name}", grid="4x4")))
    _expect(evaluation, passed=True)
    assert _shown(evaluation) == "none"


def test_every_check_is_tried_here() -> None:
    assert {look.__name__ for look in (*OF_COORDINATES, *OF_OVERVIEWS)} == set(_SEVERITIES)


def test_an_offset_that_is_off_by_one_pixel_opens_its_loops(stores: Stores, evaluate: Evaluate, survey: Survey) -> None:
    first, second = (1, 1), (1, 2)
    with stores.database.begin() as connection:
        changed = connection.execute(
            update(_PAIRS)
            .where(
                _PAIRS.c.survey_id == survey.id,
                _PAIRS.c.reference_row == first[0],
                _PAIRS.c.reference_col == first[1],
                _PAIRS.c.moving_row == second[0],
                _PAIRS.c.moving_col == second[1],
            )
            .values(dx_px=_PAIRS.c.dx_px + 1)
        )
    assert changed.rowcount == 1
    evaluation = evaluate("loops_close", survey)
    _expect(evaluation, passed=False)
    for line in _shown(evaluation).splitlines():
        assert all(cell in line for cell in _cells(first, second)), line


def test_a_screenshot_without_a_place_is_named(stores: Stores, evaluate: Evaluate, survey: Survey) -> None:
    lost, unplaced = (2, 3), (0, 1)
    with stores.database.begin() as connection:
        here = _PLACES.c.survey_id == survey.id
        connection.execute(delete(_PLACES).where(here, _PLACES.c.row == lost[0], _PLACES.c.col == lost[1]))
        connection.execute(
            update(_PLACES)
            .where(here, _PLACES.c.row == unplaced[0], _PLACES.c.col == unplaced[1])
            .values(status="unplaced")
        )
    evaluation = evaluate("shots_placed", survey)
    _expect(evaluation, passed=False)
    assert _shown(evaluation).splitlines() == ["- r00_c01", "- r02_c03"]


@pytest.mark.parametrize("decisive", [True, False])
def test_only_a_decisive_offset_that_the_solve_dropped_is_an_error(
    stores: Stores, evaluate: Evaluate, survey: Survey, decisive: bool
) -> None:
    with stores.database.begin() as connection:
        connection.execute(
            update(_PAIRS)
            .where(
                _PAIRS.c.survey_id == survey.id,
                _PAIRS.c.reference_row == 0,
                _PAIRS.c.reference_col == 0,
                _PAIRS.c.moving_row == 0,
                _PAIRS.c.moving_col == 1,
            )
            .values(residual_px=7.25, decisive=decisive)
        )
    evaluation = evaluate("decisive_offsets_kept", survey)
    _expect(evaluation, passed=not decisive)
    assert (evaluation.metadata["offenders_in_all"].value, "1 verified offsets" in str(evaluation.description)) == (
        int(decisive),
        True,
    )
    if decisive:
        assert _shown(evaluation) == "- r00_c00 - r00_c01: off by 7.2 px"


@pytest.mark.parametrize(("unsure", "passed"), [(1, True), (2, False)])
def test_more_than_a_tenth_of_unsure_screenshots_is_a_warning(
    stores: Stores, evaluate: Evaluate, survey: Survey, unsure: int, passed: bool
) -> None:
    with stores.database.begin() as connection:
        for col in range(unsure):
            connection.execute(
                update(_PLACES)
                .where(_PLACES.c.survey_id == survey.id, _PLACES.c.row == 3, _PLACES.c.col == col)
                .values(status="ambiguous", confidence=0.5 - col / 10)
            )
    evaluation = evaluate("mostly_anchored", survey)
    _expect(evaluation, passed=passed)
    worst_first = [f"- r03_c{col:02d}: ambiguous, {0.5 - col / 10:.2f} sure" for col in reversed(range(unsure))]
    assert _shown(evaluation).splitlines() == worst_first


def test_a_second_group_is_a_warning_but_a_lone_screenshot_is_none(
    stores: Stores, evaluate: Evaluate, survey: Survey
) -> None:
    def move(row: int, group: int) -> None:
        with stores.database.begin() as connection:
            connection.execute(
                update(_PLACES)
                .where(_PLACES.c.survey_id == survey.id, _PLACES.c.col == 0, _PLACES.c.row == row)
                .values(group_number=group, status="ambiguous")
            )

    move(0, 2)
    _expect(evaluate("one_group", survey), passed=True)
    move(1, 1)
    move(2, 1)
    evaluation = evaluate("one_group", survey)
    _expect(evaluation, passed=False)
    assert _shown(evaluation) == "- group 1: 2 screenshots"


def test_screenshots_that_were_found_far_from_where_they_were_believed_to_lie_are_a_warning(
    stores: Stores, evaluate: Evaluate, survey: Survey
) -> None:
    def find(col: int, off_px: int) -> None:
        with stores.database.begin() as connection:
            connection.execute(
                update(_PLACES)
                .where(_PLACES.c.survey_id == survey.id, _PLACES.c.col == col, _PLACES.c.row == 3)
                .values(found_off_x_px=off_px, found_off_y_px=-1)
            )

    find(0, survey.reach_px)
    evaluation = evaluate("positions_hold", survey)
    _expect(evaluation, passed=True)
    assert _shown(evaluation) == f"- r03_c00: found {survey.reach_px}, -1 px off"
    find(1, survey.reach_px + 1)
    evaluation = evaluate("positions_hold", survey)
    _expect(evaluation, passed=False)
    assert _shown(evaluation).splitlines()[0] == f"- r03_c01: found {survey.reach_px + 1}, -1 px off"


def test_tiles_without_a_row_without_an_object_or_that_are_torn_are_named(
    stores: Stores, evaluate: Evaluate, survey: Survey
) -> None:
    made = digests(stores, survey)
    zoom = survey.published().frame.native_zoom
    no_row, no_object, broken = sorted(tile for tile in made if tile.z == zoom)[:3]
    with stores.database.begin() as connection:
        connection.execute(
            delete(_TILES).where(
                _TILES.c.layer_id == _layer(connection, survey),
                _TILES.c.z == zoom,
                _TILES.c.x == no_row.x,
                _TILES.c.y == no_row.y,
            )
        )
    stores.objects.delete(keys.tile(made[no_object]))
    whole = stores.objects.get(keys.tile(made[broken]), next_step="")
    stores.objects.put(keys.tile(made[broken]), whole[: len(whole) // 2])
    evaluation = evaluate("tiles_whole", survey)
    _expect(evaluation, passed=False)
    assert set(_shown(evaluation).splitlines()) == {
        f"- {zoom}/{no_row.x}/{no_row.y}: no row",
        f"- {zoom}/{no_object.x}/{no_object.y}: its object is missing",
        f"- {zoom}/{broken.x}/{broken.y}: its object has {len(whole) // 2} bytes of {len(whole)}",
    }


def test_an_overview_that_is_missing_is_named(stores: Stores, evaluate: Evaluate, survey: Survey) -> None:
    with stores.database.begin() as connection:
        connection.execute(delete(_TILES).where(_TILES.c.layer_id == _layer(connection, survey), _TILES.c.z == 0))
    evaluation = evaluate("tiles_whole", survey)
    _expect(evaluation, passed=False)
    assert _shown(evaluation) == "- 0/0/0: no row"


def test_the_steps_of_the_assets_record_their_checks_also_where_they_fail(
    stores: Stores, instance: dg.DagsterInstance, survey: Survey
) -> None:
    with stores.database.begin() as connection:
        connection.execute(update(_PAIRS).where(_PAIRS.c.survey_id == survey.id).values(dx_px=_PAIRS.c.dx_px + 1))
        connection.execute(update(schema.blocks).where(schema.blocks.c.survey_id == survey.id).values(cut_at=None))
    result = materialise(instance, stores, survey, Layer.COORDINATES)
    assert result.success
    found = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert found.keys() == _SEVERITIES.keys() - {"tiles_whole"}
    assert {one.partition for one in found.values()} == {survey.id}
    summary = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(dg.AssetKey("coordinates"), "loops_close")]
    )
    (record,) = summary.values()
    assert record.status.value == ("SUCCEEDED" if found["loops_close"].passed else "FAILED")


def _layer(connection: Connection, survey: Survey) -> int:
    return tiles.layer_of(connection, survey.id, survey.published().revision).id
