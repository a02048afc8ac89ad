"""How a survey stands by stage and block, from its rows: marks, attempts, the lease and the worker's heartbeat."""

from datetime import timedelta

import pytest
from sqlalchemy import func, update

from imageflow_clients.dagster import DagsterRun
from imageflow_clients.database.core import heartbeats
from imageflow_clients.database.core.schema import run_heartbeats
from imageflow_clients.database.maps import attempts, layers, leases
from imageflow_clients.database.maps.leases import Lease
from imageflow_clients.stores import Stores
from imageflow_domain.grid import Block
from imageflow_domain.survey import Layer, Survey, SurveyState
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks, register_blocks
from imageflow_surveys.survey_progress import LayerProgress, LayerState, SurveyProgress, read_progress
from imageflow_surveys.survey_runs import runs_of_survey
from tests.surveys.cities import carried, city, planned
from tests.surveys.states import in_state

GRID = {"grid": "4x4", "block_side": 2}
"""Four blocks."""

SHOTS = Layer.SCREENSHOTS


def _states(progress: SurveyProgress, layer: Layer) -> dict[str, LayerState]:
    return {one.block.key: one.layers[layer].state for one in progress.blocks}


def _stages(progress: SurveyProgress) -> dict[Layer, tuple[LayerState, int, int]]:
    return {stage.layer: (stage.state, stage.done, stage.total) for stage in progress.stages}


def _of(progress: SurveyProgress, block: Block, layer: Layer = SHOTS) -> LayerProgress:
    return next(one.layers[layer] for one in progress.blocks if one.block == block)


@pytest.fixture
def survey(stores: Stores) -> Survey:
    return planned(stores, city("stands", **GRID))


def _work(stores: Stores, survey: Survey, run_id: str) -> None:
    """Let a run hold the survey's lease, its worker alive."""
    in_state(stores, survey, SurveyState.RUNNING)
    lease = Lease(survey_id=survey.id, run_id=run_id, root_run_id=run_id, again=False, reopened=(), done_before=0)
    with stores.database.begin() as connection:
        leases.take(connection, lease)
        heartbeats.beat(connection, run_id, survey.id)


def _begin(stores: Stores, survey: Survey, run_id: str, *blocks: Block | None, layer: Layer = SHOTS) -> None:
    with stores.database.begin() as connection:
        for block in blocks:
            attempts.begin(connection, survey.id, layer, block, run_id)


def _fail(stores: Stores, survey: Survey, run_id: str, block: Block | None, layer: Layer = SHOTS) -> None:
    with stores.database.begin() as connection:
        attempts.fail(connection, survey.id, layer, block, run_id, "The game died.")


def test_a_planned_survey_has_everything_missing(stores: Stores, survey: Survey) -> None:
    progress = read_progress(stores, survey.id)
    assert set(_states(progress, SHOTS).values()) == {LayerState.MISSING}
    assert _stages(progress) == {
        layer: (LayerState.MISSING, 0, 4 if layer in ("screenshots", "pair_offsets", "tiles") else 1) for layer in Layer
    }
    assert (progress.tasks_done, progress.tasks) == (0, 15)


def test_blocks_are_done_running_and_missing_by_marks_and_attempts(stores: Stores, survey: Survey) -> None:
    first, second, third, fourth = survey.blocks()
    _work(stores, survey, "r1")
    _begin(stores, survey, "r1", first, second, third)
    capture_blocks(stores, survey, [first])
    progress = read_progress(stores, survey.id)
    assert _states(progress, SHOTS) == {
        first.key: LayerState.DONE,
        second.key: LayerState.RUNNING,
        third.key: LayerState.RUNNING,
        fourth.key: LayerState.MISSING,
    }
    assert [_of(progress, block).run_id for block in survey.blocks()] == ["r1", "r1", "r1", None]
    assert _of(progress, first).at is not None
    stage = progress.stages[0]
    assert (stage.state, stage.done, stage.run_id) == (LayerState.RUNNING, 1, "r1")
    assert [stage.run_id for stage in progress.stages[1:]] == [None] * 5


def test_a_layer_without_blocks_runs_and_fails_as_a_block_does(stores: Stores, survey: Survey) -> None:
    _work(stores, survey, "r1")
    _begin(stores, survey, "r1", None, layer=Layer.COORDINATES)
    stage = read_progress(stores, survey.id).stages[2]
    assert (stage.layer, stage.state, stage.run_id) == (Layer.COORDINATES, LayerState.RUNNING, "r1")
    _fail(stores, survey, "r1", None, Layer.COORDINATES)
    stage = read_progress(stores, survey.id).stages[2]
    assert (stage.state, stage.reason, stage.run_id) == (LayerState.FAILED, "The game died.", "r1")


def test_a_block_that_failed_names_its_reason_and_run_until_it_is_begun_again(stores: Stores, survey: Survey) -> None:
    first, second, *_ = survey.blocks()
    _work(stores, survey, "r1")
    _begin(stores, survey, "r1", first, second)
    _fail(stores, survey, "r1", first)
    progress = read_progress(stores, survey.id)
    assert _of(progress, first) == LayerProgress(state=LayerState.FAILED, at=None, reason="The game died.", run_id="r1")
    assert _of(progress, second).state is LayerState.RUNNING
    assert (progress.stages[0].state, progress.stages[0].reason) == (LayerState.RUNNING, "The game died.")
    _begin(stores, survey, "r1", first)
    assert _of(read_progress(stores, survey.id), first).state is LayerState.RUNNING


def test_what_an_earlier_run_left_undone_is_to_do_while_another_is_at_work(stores: Stores, survey: Survey) -> None:
    first, second, *_ = survey.blocks()
    _work(stores, survey, "r1")
    _begin(stores, survey, "r1", first, second)
    _fail(stores, survey, "r1", first)
    _work(stores, survey, "r2")
    progress = read_progress(stores, survey.id)
    assert set(_states(progress, SHOTS).values()) == {LayerState.MISSING}
    assert (progress.stages[0].reason, progress.stages[0].run_id) == (None, None)


def test_nothing_runs_once_the_worker_is_silent(stores: Stores, survey: Survey) -> None:
    first, *_ = survey.blocks()
    _work(stores, survey, "r1")
    _begin(stores, survey, "r1", first)
    beats = run_heartbeats
    with stores.database.begin() as connection:
        silence = timedelta(seconds=states.SILENCE_S + 1)
        connection.execute(update(beats).where(beats.c.run_id == "r1").values(seen_at=func.now() - silence))
    assert _of(read_progress(stores, survey.id), first).state is LayerState.MISSING
    with stores.database.begin() as connection:
        heartbeats.beat(connection, "r1", survey.id)
    assert _of(read_progress(stores, survey.id), first).state is LayerState.RUNNING


def test_a_block_whose_worker_was_killed_fails_with_its_survey_s_reason(stores: Stores, survey: Survey) -> None:
    first, second, third, _ = survey.blocks()
    _work(stores, survey, "r1")
    _begin(stores, survey, "r1", first, second, third)
    _fail(stores, survey, "r1", second)
    capture_blocks(stores, survey, [third])
    in_state(stores, survey, SurveyState.FAILED, "Its worker was killed three times.")
    progress = read_progress(stores, survey.id)
    assert [(_of(progress, block).state, _of(progress, block).reason) for block in survey.blocks()] == [
        (LayerState.FAILED, "Its worker was killed three times."),
        (LayerState.FAILED, "The game died."),
        (LayerState.DONE, None),
        (LayerState.MISSING, None),
    ]
    assert (progress.stages[0].state, progress.stages[0].run_id) == (LayerState.FAILED, "r1")


def test_what_a_cancelled_survey_had_begun_is_to_do(stores: Stores, survey: Survey) -> None:
    first, *_ = survey.blocks()
    _work(stores, survey, "r1")
    _begin(stores, survey, "r1", first)
    states.cancel(stores, survey.id, "No more.")
    assert _of(read_progress(stores, survey.id), first).state is LayerState.MISSING


def test_a_survey_of_an_older_version_stands_by_its_marks_and_names_no_run(stores: Stores) -> None:
    survey = carried(stores, planned(stores, city("stands_done", **GRID)))
    progress = read_progress(stores, survey.id)
    assert {state for state, _, _ in _stages(progress).values()} == {LayerState.DONE}
    assert {one.run_id for block in progress.blocks for one in block.layers.values()} == {None}
    assert progress.tasks_done == progress.tasks
    with stores.database.begin() as connection:
        counted = layers.progress(connection, survey.id)
        count = layers.task_counts(connection, [survey.id])[survey.id]
    assert (count.done, count.tasks, count.tiles) == (counted.tasks_done, counted.tasks, counted.tiles_cut)
    assert (progress.tasks_done, progress.tasks) == (counted.tasks_done, counted.tasks)


def test_tasks_are_counted_as_progress_counts_them_at_every_step(stores: Stores, survey: Survey) -> None:
    def check() -> None:
        with stores.database.begin() as connection:
            counted = layers.progress(connection, survey.id)
            count = layers.task_counts(connection, [survey.id])[survey.id]
        assert (count.done, count.tasks, count.tiles) == (counted.tasks_done, counted.tasks, counted.tiles_cut)

    check()
    capture_blocks(stores, survey, survey.blocks()[:2])
    check()
    capture_blocks(stores, survey, survey.blocks()[2:])
    register_blocks(stores, survey, survey.blocks())
    check()


def test_runs_of_a_survey_are_those_over_its_partition_that_make_the_map_s_assets() -> None:
    def run(name: str, *assets: str) -> DagsterRun:
        tags = {"dagster/partition": "city-a-0001"}
        return DagsterRun(id=name, status="STARTED", tags=tags, assets=assets, started_at=None, ended_at=None)

    every = (run("part", "tiles", "screenshots"), run("other", "batch_report"), run("job"))

    class Told:
        """Answers as Dagster's webserver does, from memory."""

        def runs(self, tags: dict[str, str], *, limit: int) -> tuple[DagsterRun, ...]:
            return tuple(one for one in every if tags.items() <= one.tags.items())[:limit]

    found = runs_of_survey(Told(), "city-a-0001")  # type: ignore[arg-type]
    assert [(one.run.id, one.layers) for one in found] == [
        ("part", (Layer.SCREENSHOTS, Layer.TILES)),
        ("job", tuple(Layer)),
    ]
    assert runs_of_survey(Told(), "city-b-0001") == ()  # type: ignore[arg-type]
