"""Jobs over the API: a game file by name, and no more than grid, seed and a savegame's name from the request."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from imageflow_clients.database import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput, NotFound
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Grid
from imageflow_domain.survey import Carrier, Keep, SurveyState
from imageflow_surveys.games import JobRequest, list_games, load_game, survey_spec
from imageflow_surveys.jobs import begin_job, job_status
from tests.surveys.cities import carried

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
        {"parameters": {"load": "/etc/passwd"}},
        {"masks": []},
        {"command": "sh"},
    ],
)
def test_a_path_an_unknown_field_or_a_wrong_value_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        _request(**more)


def test_an_unknown_game_lists_the_known_ones(games: Path) -> None:
    assert list_games(games) == ("frames", "town")
    with pytest.raises(NotFound, match=r"no game 'village'.*known are frames, town"):
        survey_spec(games, _request(game_id="village"))


def test_an_unknown_savegame_lists_the_known_ones(games: Path) -> None:
    with pytest.raises(NotFound, match="no savegame 'winter': known are spring"):
        survey_spec(games, _request(savegame="winter"))


def test_a_grid_beyond_the_partitions_is_refused_in_words(games: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be surveyed so: a grid of 200x200 areas is larger than 100x100"):
        survey_spec(games, _request(grid={"rows": 200, "cols": 200}))


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


def test_a_job_begins_a_running_survey_of_the_sensor_and_tells_how_far_it_is(stores: Stores, games: Path) -> None:
    begun = begin_job(stores, games, _request(save_data_id="job"))
    assert begun.survey.id == "town-job-0001"
    assert (begun.survey.state, begun.survey.carrier) == (SurveyState.RUNNING, Carrier.SENSOR)
    assert (begun.progress.tasks_done, begun.progress.shots_planned) == (0, 9)
    assert job_status(stores, begun.job.id) == begun
    carried(stores, begun.survey)
    done = job_status(stores, begun.job.id)
    assert (done.progress.tasks_done, done.progress.shots_taken) == (done.progress.tasks, 9)


def test_every_job_begins_a_survey_of_its_own(stores: Stores, games: Path) -> None:
    first, second = (begin_job(stores, games, _request(save_data_id="two_jobs")) for _ in range(2))
    assert first.job.id != second.job.id
    assert (first.survey.id, second.survey.id) == ("town-two_jobs-0001", "town-two_jobs-0002")


def test_a_job_that_cannot_be_surveyed_leaves_neither_job_nor_survey(stores: Stores, games: Path) -> None:
    with pytest.raises(InvalidInput, match="load"):
        begin_job(stores, games, _request(save_data_id="no_job", savegame="spring"))  # a city has no savegames
    with stores.database.begin() as connection:
        assert rows.find(connection, game="town", save="no_job") == ()


def test_an_unknown_job_is_named(stores: Stores) -> None:
    with pytest.raises(NotFound, match="There is no job 987654"):
        job_status(stores, 987654)
