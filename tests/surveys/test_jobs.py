"""Jobs over the API: a game file by name, and no more than grid, seed and a savegame's name from the request."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from sqlalchemy import select

from imageflow_clients.dagster import Dagster
from imageflow_clients.database.maps import leases, schema
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import BadFrames, Conflict, InvalidInput, JobDelayed, NotFound
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Grid
from imageflow_domain.survey import Carrier, Keep, SurveyState
from imageflow_surveys import states
from imageflow_surveys.games import JobRequest, list_games, load_game, survey_spec
from imageflow_surveys.jobs import JobStatus, begin_job, cancel_job, job_status, retry_job
from imageflow_surveys.lease import RunRefused, hold
from imageflow_surveys.planned_grid import plan_grid
from tests.surveys.cities import carried
from tests.surveys.operators import run

DOWN = Dagster(url="http://127.0.0.1:9")
"""No process listens there."""

TOWN = """
title: A small town
driver: {name: city, parameters: {seed: 3, view: [320, 256], drift_px: 8, paused: true}}
grid: {rows: 3, cols: 3}
masks: [{x_px: 0, y_px: 0, width_px: 10, height_px: 5}]
reach_px: 20
keep: keep
encoding: {lossless_method: 0}
savegames: {spring: saves/spring.sav}
"""


@pytest.fixture
def games(tmp_path: Path) -> Path:
    folder = tmp_path / "games"
    folder.mkdir()
    (folder / "town.yaml").write_text(TOWN)
    (folder / "frames.yaml").write_text("title: Frames\ndriver: {name: folder}\nsource: ../pictures\n")
    return folder


def _request(**fields: object) -> JobRequest:
    return JobRequest.model_validate({"game_id": "town", "save_data_id": "home", **fields})


def test_a_request_without_more_takes_everything_from_the_game_file(games: Path) -> None:
    spec = survey_spec(games, _request())
    assert (spec.game, spec.save) == ("town", "home")
    assert spec.driver.name == "city"
    assert spec.driver.parameters == {"seed": 3, "view": [320, 256], "drift_px": 8, "paused": True}
    assert spec.grid == Grid(rows=3, cols=3)
    assert spec.masks == (Rect(x_px=0, y_px=0, width_px=10, height_px=5),)
    assert (spec.reach_px, spec.keep, spec.encoding.lossless_method) == (20, Keep.KEEP, 0)
    assert spec.source is None


def test_grid_seed_and_savegame_may_be_asked_for(games: Path) -> None:
    asked = _request(grid={"rows": 2, "cols": 5}, seed=99, savegame="spring")
    spec = survey_spec(games, asked)
    assert spec.grid == Grid(rows=2, cols=5)
    assert spec.driver.parameters["seed"] == 99
    assert spec.driver.parameters["load"] == str(games / "saves" / "spring.sav")
    assert load_game(games, "town").driver.parameters["seed"] == 3


def test_a_folder_of_frames_lies_beside_its_game_file(games: Path) -> None:
    spec = survey_spec(games, _request(game_id="frames"))
    assert spec.source == str(games.parent / "pictures")


@pytest.mark.parametrize(
    "more",
    [
        {"savegame": "../../etc/passwd"},
        {"savegame": "/etc/passwd"},
        {"savegame": "spring.sav"},
        {"game_id": "../town"},
        {"game_id": "Town"},
        {"save_data_id": "a/b"},
        {"seed": -1},
        {"seed": 2**32},
        {"grid": {"rows": 0, "cols": 1}},
        {"grid": {"rows": 1, "cols": 1001}},
        {"source": "/etc"},
        {"driver": {"name": "x11", "parameters": {"command": ["sh"]}}},
        {"parameters": ["load"]},
        {"parameters": {str(n): n for n in range(101)}},
        {"masks": []},
        {"command": "sh"},
    ],
)
def test_a_path_an_unknown_field_or_a_wrong_value_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        _request(**more)


@pytest.mark.parametrize(
    ("driver", "parameters"),
    [
        ("openttd", {"load": "/etc/passwd"}),
        ("openttd", {"seed": 1, "start_timeout_s": 3600}),
        ("x11", {"command": ["sh"]}),
        ("x11", {"environment": {"LD_PRELOAD": "evil.so"}}),
        ("folder", {"unordered": True}),
        ("folder", {"follow_links": True}),
        ("city", {"load": "/etc/passwd"}),
    ],
)
def test_a_request_sets_no_file_program_or_command_of_a_driver(
    games: Path, driver: str, parameters: dict[str, object]
) -> None:
    (games / "mine.yaml").write_text(f"title: Mine\ndriver: {{name: {driver}}}\ngrid: {{rows: 1, cols: 1}}\n")
    with pytest.raises(InvalidInput, match="only the game's file may"):
        survey_spec(games, _request(game_id="mine", parameters=parameters))


def test_a_request_sets_what_its_driver_calls_settable_over_the_game_s_file(games: Path) -> None:
    spec = survey_spec(games, _request(seed=5, parameters={"drift_px": 4, "year": 2}))
    assert spec.driver.parameters == {
        "seed": 5, "view": [320, 256], "drift_px": 4, "paused": True, "year": 2,
    }  # fmt: skip


def test_a_game_s_folder_keeps_to_links_that_stay_inside(games: Path, stores: Stores, tmp_path: Path) -> None:
    folder = tmp_path / "linked"
    folder.mkdir()
    for col in range(2):
        Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / f"secret{col}.png")
        (folder / f"r00_c{col:02d}.png").symlink_to(tmp_path / f"secret{col}.png")
    game = f"title: T\ndriver: {{name: folder, parameters: {{step: [64, 64]}}}}\nsource: {folder}\n"
    (games / "linked.yaml").write_text(game)
    with pytest.raises(BadFrames, match=r"'r00_c00.png' is a link that leads out of the folder"):
        plan_grid(stores, survey_spec(games, _request(game_id="linked")))
    (games / "linked.yaml").write_text(game.replace("64]}", "64], follow_links: true}"))
    assert plan_grid(stores, survey_spec(games, _request(game_id="linked"))).areas == 2


def test_an_unknown_game_lists_the_known_ones(games: Path) -> None:
    assert list_games(games) == ("frames", "town")
    with pytest.raises(NotFound, match=r"no game 'village'.*known are frames, town"):
        survey_spec(games, _request(game_id="village"))


def test_an_unknown_savegame_lists_the_known_ones(games: Path) -> None:
    with pytest.raises(NotFound, match="no savegame 'winter': known are spring"):
        survey_spec(games, _request(savegame="winter"))


def test_a_game_file_that_asks_for_too_much_is_refused_in_words(games: Path) -> None:
    (games / "far.yaml").write_text("title: T\ndriver: {name: city}\nreach_px: 5000\n")
    with pytest.raises(InvalidInput, match="reach_px: must be at most 4096"):
        survey_spec(games, _request(game_id="far"))


def test_a_game_is_surveyed_by_blocks_of_ten_areas_however_many_they_are(games: Path) -> None:
    spec = survey_spec(games, _request(grid={"rows": 300, "cols": 300}))
    assert spec.grid is not None
    assert (spec.block_side, len(spec.grid.blocks(spec.block_side))) == (10, 900)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("title: [", "not right"),
        ("", "not right"),
        ("title: T\n", "driver"),
        ("title: T\ndriver: {name: city}\ncommand: sh\n", "command"),
    ],
)
def test_a_game_file_that_is_wrong_says_what(games: Path, content: str, fault: str) -> None:
    (games / "wrong.yaml").write_text(content)
    with pytest.raises(InvalidInput, match=fault):
        load_game(games, "wrong")


def _begin(stores: Stores, games: Path, request: JobRequest, key: str | None = None) -> JobStatus:
    """Ask for a job while Dagster is down; return what was kept of it."""
    with pytest.raises(JobDelayed) as delayed:
        begin_job(stores, DOWN, games, request, key=key)
    return job_status(stores, delayed.value.job_id)


def _ended(stores: Stores, survey_id: str, state: SurveyState, reason: str | None = None) -> None:
    """Settle a survey as the end of its run has it."""
    survey = states.read(stores, survey_id)
    with stores.database.begin() as connection:
        lease = leases.find(connection, survey_id)
    assert states.settle(stores, survey, lease, None if lease is None else lease.run_id, state, reason)


def test_a_job_whose_dagster_is_down_is_kept_and_says_so(stores: Stores, games: Path) -> None:
    with pytest.raises(
        JobDelayed, match=r"Job \d+ is taken.*Dagster does not answer.*by itself.*do not send"
    ) as delayed:
        begin_job(stores, DOWN, games, _request(save_data_id="job"))
    kept = job_status(stores, delayed.value.job_id)
    assert kept.survey.id == delayed.value.survey_id == "town-job-0001"
    assert (kept.survey.state, kept.survey.carrier) == (SurveyState.PLANNED, Carrier.SENSOR)
    assert (kept.progress.tasks_done, kept.job.dag_run_id) == (0, None)
    carried(stores, kept.survey)
    done = job_status(stores, kept.job.id)
    assert done.progress.tasks_done == done.progress.tasks


def test_every_job_begins_a_survey_of_its_own(stores: Stores, games: Path) -> None:
    first, second = (_begin(stores, games, _request(save_data_id="two_jobs")) for _ in range(2))
    assert first.job.id != second.job.id
    assert (first.survey.id, second.survey.id) == ("town-two_jobs-0001", "town-two_jobs-0002")


def test_the_same_request_under_the_same_key_is_one_job(stores: Stores, games: Path) -> None:
    request = _request(save_data_id="keyed", grid={"rows": 2, "cols": 2})
    first = _begin(stores, games, request, key="monday")
    again = begin_job(stores, DOWN, games, request, key="monday")
    assert (again.is_new, again.status) == (False, first)
    other = _begin(stores, games, request, key="tuesday")
    assert other.job.id != first.job.id


def test_a_key_from_before_requests_had_parameters_still_answers_its_job(stores: Stores, games: Path) -> None:
    first = _begin(stores, games, _request(save_data_id="upgraded"), key="upgraded")
    with stores.database.begin() as connection:
        asked = connection.execute(select(schema.jobs.c.request).where(schema.jobs.c.id == first.job.id)).scalar_one()
    assert asked == {
        "game_id": "town", "save_data_id": "upgraded", "grid": None, "seed": None, "savegame": None,
    }  # fmt: skip
    again = begin_job(stores, DOWN, games, _request(save_data_id="upgraded"), key="upgraded")
    assert again.status.job.id == first.job.id
    more = _request(save_data_id="upgraded", parameters={"drift_px": 4})
    with pytest.raises(Conflict):
        begin_job(stores, DOWN, games, more, key="upgraded")


def test_a_key_that_was_used_for_another_request_is_refused_in_words(stores: Stores, games: Path) -> None:
    first = _begin(stores, games, _request(save_data_id="used"), key="used")
    with pytest.raises(Conflict, match=rf"'used' was used for job {first.job.id}, which had another request"):
        begin_job(stores, DOWN, games, _request(save_data_id="used", seed=5), key="used")
    with stores.database.begin() as connection:
        assert [survey.id for survey in rows.find(connection, game="town", save="used")] == ["town-used-0001"]


def test_the_same_request_sent_many_times_at_once_is_one_job(stores: Stores, games: Path) -> None:
    request = _request(save_data_id="at_once")

    def send(_: int) -> int:
        try:
            return begin_job(stores, DOWN, games, request, key="at once").status.job.id
        except JobDelayed as delayed:
            return delayed.job_id

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(send, range(8)))) == 1
    with stores.database.begin() as connection:
        assert len(rows.find(connection, game="town", save="at_once")) == 1


def test_a_cancelled_job_stays_so_while_dagster_is_down_and_can_be_taken_up_again(stores: Stores, games: Path) -> None:
    job = _begin(stores, games, _request(save_data_id="cancelled")).job.id
    begun = run("r1", only_missing=True)
    assert hold(stores, "town-cancelled-0001", begun).survey.state is SurveyState.RUNNING
    for _ in range(2):
        cancelled = cancel_job(stores, DOWN, job)
        assert (cancelled.survey.state, cancelled.survey.reason) == (SurveyState.CANCELLED, "Cancelled over the API.")
    # its next step
    with pytest.raises(RunRefused, match="was cancelled"):
        hold(stores, "town-cancelled-0001", begun)
    again = retry_job(stores, job)
    assert (again.survey.state, again.survey.carrier, again.survey.reason) == (
        SurveyState.PLANNED,
        Carrier.SENSOR,
        None,
    )


def test_a_job_that_is_prepared_is_cancelled_for_good(stores: Stores, games: Path) -> None:
    begun = _begin(stores, games, _request(save_data_id="unbegun"))
    launched = run("r1", only_missing=True)
    assert cancel_job(stores, DOWN, begun.job.id).survey.state is SurveyState.CANCELLED
    with pytest.raises(RunRefused, match="was cancelled"):
        hold(stores, begun.survey.id, launched)
    assert states.read(stores, begun.survey.id).state is SurveyState.CANCELLED


def test_only_what_ended_can_be_taken_up_again(stores: Stores, games: Path) -> None:
    begun = _begin(stores, games, _request(save_data_id="retried"))
    job = begun.job.id
    with pytest.raises(Conflict, match="is being prepared"):
        retry_job(stores, job)
    hold(stores, begun.survey.id, run("r1", only_missing=True))
    with pytest.raises(Conflict, match="is running"):
        retry_job(stores, job)
    _ended(stores, begun.survey.id, SurveyState.FAILED, "the game died")
    with pytest.raises(Conflict, match="has failed already"):
        cancel_job(stores, DOWN, job)
    assert retry_job(stores, job).survey.state is SurveyState.PLANNED
    with pytest.raises(Conflict, match="is being prepared"):
        retry_job(stores, job)
    carried(stores, begun.survey)
    _ended(stores, begun.survey.id, SurveyState.COMPLETED)
    with pytest.raises(Conflict, match="is complete: nothing of it is missing"):
        retry_job(stores, job)
    with pytest.raises(Conflict, match="been completed already"):
        cancel_job(stores, DOWN, job)
    assert job_status(stores, job).survey.state is SurveyState.COMPLETED


def test_a_job_that_a_command_line_went_on_with_is_its_own_to_stop(stores: Stores, games: Path) -> None:
    begun = _begin(stores, games, _request(save_data_id="resumed"))
    _ended(stores, begun.survey.id, SurveyState.FAILED, "the game died")
    states.take_up(stores, begun.survey.id, Carrier.COMMAND_LINE)
    held = hold(stores, begun.survey.id, run("r1", only_missing=True)).survey
    with pytest.raises(Conflict, match=f"Run r1 is at work on '{begun.survey.id}'"):
        cancel_job(stores, DOWN, begun.job.id)
    with pytest.raises(Conflict, match=f"Run r1 is at work on '{begun.survey.id}'"):
        retry_job(stores, begun.job.id)
    assert states.read(stores, begun.survey.id) == held


def test_a_job_that_a_person_went_on_with_in_dagster_is_cancelled_over_the_api_too(stores: Stores, games: Path) -> None:
    begun = _begin(stores, games, _request(save_data_id="taken_over"))
    held = hold(stores, begun.survey.id, run("r1")).survey
    assert held.carrier is Carrier.OPERATOR
    assert cancel_job(stores, DOWN, begun.job.id).survey.state is SurveyState.CANCELLED
    again = retry_job(stores, begun.job.id).survey
    assert (again.state, again.carrier) == (SurveyState.PLANNED, Carrier.SENSOR)


def test_a_job_of_which_a_person_made_a_part_is_taken_up_again(stores: Stores, games: Path) -> None:
    begun = _begin(stores, games, _request(save_data_id="in_part"))
    hold(stores, begun.survey.id, run("r1"))
    _ended(stores, begun.survey.id, SurveyState.PLANNED, "1 of 6 tasks are done. Materialise pair_offsets next.")
    again = retry_job(stores, begun.job.id).survey
    assert (again.state, again.carrier, again.reason) == (SurveyState.PLANNED, Carrier.SENSOR, None)


def test_a_job_that_cannot_be_surveyed_leaves_neither_job_nor_survey(stores: Stores, games: Path) -> None:
    with pytest.raises(InvalidInput, match="load"):  # a city has no savegames
        begin_job(stores, DOWN, games, _request(save_data_id="no_job", savegame="spring"))
    with stores.database.begin() as connection:
        assert rows.find(connection, game="town", save="no_job") == ()


def test_an_unknown_job_is_named(stores: Stores) -> None:
    with pytest.raises(NotFound, match="There is no job 987654"):
        job_status(stores, 987654)
