"""How a survey stands by stage and block, from rows and from what Dagster tells of runs."""

from datetime import UTC, datetime, timedelta

import pytest

from imageflow_clients.dagster import DagsterRun
from imageflow_clients.database import layers
from imageflow_clients.stores import Stores
from imageflow_domain.grid import Block
from imageflow_domain.survey import Layer, Survey
from imageflow_surveys import carry
from imageflow_surveys.blocks import capture_blocks, register_blocks
from imageflow_surveys.runs import LAYER_TAG, SURVEY_TAG, Run
from imageflow_surveys.standing import Stand, Standing, standing_of
from imageflow_surveys.survey_runs import SurveyRun, maker, runs_of_survey
from tests.surveys.cities import carried, city, planned

NOW = datetime.now(UTC)
"""When this module was read: the tests run hours later at most."""
GRID = {"grid": "4x4", "block_side": 2}
"""Four blocks."""


def _run(survey: str, layer: Layer, blocks: tuple[Block, ...], status: str = "STARTED", name: str = "r1") -> SurveyRun:
    run = DagsterRun(
        id=name,
        status=status,
        tags=Run(survey=survey, layers=(layer,), blocks=blocks).tags(None),
        assets=(layer.value,),
        started_at=NOW - timedelta(minutes=1),
        ended_at=None if status == "STARTED" else NOW + timedelta(hours=12),
    )
    return SurveyRun(run=run, layers=(layer,), blocks=blocks)


def _states(standing: Standing, layer: Layer) -> dict[str, Stand]:
    return {one.block.key: one.layers[layer].state for one in standing.blocks}


def _stages(standing: Standing) -> dict[Layer, tuple[Stand, int, int]]:
    return {stage.layer: (stage.state, stage.done, stage.total) for stage in standing.stages}


@pytest.fixture
def survey(stores: Stores) -> Survey:
    return planned(stores, city("stands", **GRID))


def test_a_planned_survey_has_everything_missing(stores: Stores, survey: Survey) -> None:
    standing = standing_of(stores, survey.id, ())
    assert set(_states(standing, Layer.SCREENSHOTS).values()) == {Stand.MISSING}
    assert _stages(standing) == {
        layer: (Stand.MISSING, 0, 4 if layer in ("screenshots", "pair_offsets", "tiles") else 1) for layer in Layer
    }
    assert (standing.tasks_done, standing.tasks) == (0, 15)


def test_blocks_are_done_running_and_missing_by_rows_and_runs(stores: Stores, survey: Survey) -> None:
    first, second, third, fourth = survey.blocks()
    capture_blocks(stores, survey, [first])
    made = _run(survey.id, Layer.SCREENSHOTS, (first,), "SUCCESS", "made")
    alive = _run(survey.id, Layer.SCREENSHOTS, (second, third), name="alive")
    standing = standing_of(stores, survey.id, (alive, made))
    assert _states(standing, Layer.SCREENSHOTS) == {
        first.key: Stand.DONE,
        second.key: Stand.RUNNING,
        third.key: Stand.RUNNING,
        fourth.key: Stand.MISSING,
    }
    by_block = {one.block: one.layers[Layer.SCREENSHOTS] for one in standing.blocks}
    assert [by_block[block].run_id for block in survey.blocks()] == ["made", "alive", "alive", None]
    assert by_block[first].at is not None
    stage = standing.stages[0]
    assert (stage.state, stage.done, stage.run_ids) == (Stand.RUNNING, 1, ("alive",))


def test_a_failed_run_tells_its_reason_on_its_own_blocks_alone(stores: Stores, survey: Survey) -> None:
    first, second, *_ = survey.blocks()
    carry.begin(stores, survey.id)
    carry.note_failure(stores, survey, Layer.SCREENSHOTS, "The game died.", "lost")
    standing = standing_of(stores, survey.id, (_run(survey.id, Layer.SCREENSHOTS, (first,), "FAILURE", "lost"),))
    assert _states(standing, Layer.SCREENSHOTS)[first.key] is Stand.FAILED
    assert _states(standing, Layer.SCREENSHOTS)[second.key] is Stand.MISSING
    assert (standing.stages[0].state, standing.stages[0].reason) == (Stand.FAILED, "The game died.")
    # Dagster has forgotten the run: it may have been over any block
    forgotten = standing_of(stores, survey.id, ())
    assert set(_states(forgotten, Layer.SCREENSHOTS).values()) == {Stand.FAILED}
    with stores.database.begin() as connection:
        layers.forget_failures(connection, survey.id)
    assert set(_states(standing_of(stores, survey.id, ()), Layer.SCREENSHOTS).values()) == {Stand.MISSING}


def test_without_dagster_the_first_stage_that_is_not_whole_is_taken_for_the_running_one(
    stores: Stores, survey: Survey
) -> None:
    capture_blocks(stores, survey, survey.blocks())
    carry.begin(stores, survey.id)
    stages = _stages(standing_of(stores, survey.id, None))
    assert stages[Layer.SCREENSHOTS] == (Stand.DONE, 4, 4)
    assert stages[Layer.PAIR_OFFSETS] == (Stand.RUNNING, 0, 4)
    assert stages[Layer.COORDINATES][0] is Stand.MISSING


def test_a_finished_survey_is_done_and_agrees_with_its_progress(stores: Stores) -> None:
    survey = carried(stores, planned(stores, city("stands_done", **GRID)))
    standing = standing_of(stores, survey.id, ())
    assert {state for state, _, _ in _stages(standing).values()} == {Stand.DONE}
    assert standing.tasks_done == standing.tasks
    with stores.database.begin() as connection:
        progress = layers.progress(connection, survey.id)
        count = layers.task_counts(connection, [survey.id])[survey.id]
    assert (count.done, count.tasks, count.tiles) == (progress.tasks_done, progress.tasks, progress.tiles_cut)
    assert (standing.tasks_done, standing.tasks) == (progress.tasks_done, progress.tasks)


def test_tasks_are_counted_as_progress_counts_them_at_every_step(stores: Stores, survey: Survey) -> None:
    def check() -> None:
        with stores.database.begin() as connection:
            progress = layers.progress(connection, survey.id)
            count = layers.task_counts(connection, [survey.id])[survey.id]
        assert (count.done, count.tasks, count.tiles) == (progress.tasks_done, progress.tasks, progress.tiles_cut)

    check()
    capture_blocks(stores, survey, survey.blocks()[:2])
    check()
    capture_blocks(stores, survey, survey.blocks()[2:])
    register_blocks(stores, survey, survey.blocks())
    check()


def test_the_maker_of_a_block_is_the_run_that_was_at_work_then() -> None:
    block = Block(row=0, col=0)
    early = _run("city-a-0001", Layer.TILES, (block,), "SUCCESS", "early")
    assert maker([early], Layer.TILES, block, NOW) is early
    assert maker([early], Layer.TILES, block, NOW + timedelta(hours=13)) is None
    assert maker([early], Layer.TILES, Block(row=1, col=0), NOW) is None
    assert maker([early], Layer.SCREENSHOTS, block, NOW) is None


def test_runs_that_a_person_began_in_dagster_s_ui_are_known_by_their_partition() -> None:
    class Told:
        """Answers as Dagster's webserver does, from memory."""

        def runs(self, tags: dict[str, str], *, limit: int) -> tuple[DagsterRun, ...]:
            by_hand = {"dagster/partition/survey": "city-a-0001", "dagster/partition/block": "r01c02"}
            carried_ = {SURVEY_TAG: "city-a-0001", LAYER_TAG: "coordinates"}
            every = (
                DagsterRun(id="hand", status="STARTED", tags=by_hand, assets=("tiles",), started_at=NOW, ended_at=None),
                DagsterRun(
                    id="sensor",
                    status="QUEUED",
                    tags=carried_,
                    assets=("coordinates",),
                    started_at=None,
                    ended_at=None,
                ),
                DagsterRun(id="other", status="STARTED", tags=by_hand, assets=("x",), started_at=NOW, ended_at=None),
            )
            return tuple(run for run in every if tags.items() <= run.tags.items())

    found = runs_of_survey(Told(), "city-a-0001")  # type: ignore[arg-type]
    assert [(run.run.id, run.layers, run.blocks) for run in found] == [
        ("sensor", (Layer.COORDINATES,), ()),
        ("hand", (Layer.TILES,), (Block(row=1, col=2),)),
    ]
