"""A game's YAML is corrected while its survey is under way: how it is driven changes, what areas show does not."""

from pathlib import Path

import pytest
from PIL import Image

from imageflow_clients.database.maps import layers
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput, ObjectDamaged, WrongSettings
from imageflow_domain.geometry import Rect
from imageflow_domain.recipe import Recipe
from imageflow_domain.survey import Carrier, DriverSpec, Layer, Survey, SurveySpec
from imageflow_surveys import states
from imageflow_surveys.files_beside import reader_of
from imageflow_surveys.games import read_content
from imageflow_surveys.plan import plan_survey
from imageflow_surveys.remove import remove_survey
from imageflow_surveys.reread import reread

YAML = """
title: A board
driver:
  name: x11
  parameters:
    command: [board, "{scratch}/town.sav"]
    files: {saves/town.sav: town.sav}
    window: [640, 480]
    scroll: {by: keys, px_per_press: [40, 40], pause_ms: 30}
    step: [400, 320]
    prepare: [{if_shown: dialog.png, then: [{key: Escape}]}]
    environment: {PASSWORD: abc}
grid: {rows: 2, cols: 2}
"""


@pytest.fixture
def game(tmp_path: Path) -> Path:
    folder = tmp_path / "mygame"
    folder.mkdir()
    (folder / "town.sav").write_bytes(b"the first town")
    Image.new("RGB", (8, 8), "red").save(folder / "dialog.png")
    (folder / "board.yaml").write_text(YAML)
    return folder / "board.yaml"


def _begun(stores: Stores, game: Path, save: str, grid: object = None, **besides: object) -> Survey:
    content = read_content(game)
    driver = DriverSpec.model_validate(content["driver"])
    spec = SurveySpec.model_validate(
        {
            "game": "board",
            "save": save,
            "driver": driver.model_copy(update={"parameters": {**driver.parameters, **besides}}),
            "grid": grid or content["grid"],
            "recipe": Recipe(path=str(game), content=content),
        }
    )
    return plan_survey(stores, spec, Carrier.COMMAND_LINE)


def _corrected(game: Path, before: str, after: str) -> None:
    text = game.read_text()
    assert before in text
    game.write_text(text.replace(before, after))


def test_files_beside_the_yaml_are_stored_with_the_survey_and_go_with_it(stores: Stores, game: Path) -> None:
    survey = _begun(stores, game, "files")
    for file in game.parent.iterdir():
        file.unlink()
    read = reader_of(stores, survey.spec)
    assert read("town.sav") == b"the first town"
    assert read("dialog.png").startswith(b"\x89PNG")
    assert survey.spec.recipe is not None
    key = survey.spec.recipe.files["town.sav"]
    stores.objects.put(key, b"something else")
    with pytest.raises(ObjectDamaged, match=r"the game's file 'town\.sav'"):
        read("town.sav")
    remove_survey(stores, survey)
    assert not stores.objects.exists(key)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "town.sav").unlink(), r"There is no file 'town\.sav'"),
        (lambda folder: (folder / "dialog.png").write_text("no picture"), r"The picture 'dialog\.png' is no JPEG, PNG"),
        (
            lambda folder: ((folder / "town.sav").unlink(), (folder / "town.sav").symlink_to("/etc/passwd")),
            "'town.sav' leads out of",
        ),
    ],
)
def test_nothing_is_registered_where_a_file_is_missing_or_wrong(
    stores: Stores, game: Path, spoil: object, said: str
) -> None:
    assert callable(spoil)
    spoil(game.parent)
    with pytest.raises(InvalidInput, match=said):
        _begun(stores, game, "unregistered")
    with stores.database.begin() as connection:
        assert not rows.find(connection, save="unregistered")


def test_what_drives_the_game_is_taken_over_and_told(stores: Stores, game: Path) -> None:
    survey = _begun(stores, game, "corrected", start_wait_s=7)
    assert reread(stores, survey.id).changes == ()
    _corrected(game, "pause_ms: 30", "pause_ms: 90")
    _corrected(game, "PASSWORD: abc", "PASSWORD: secret")
    _corrected(game, "then: [{key: Escape}]}]", "then: [{key: Escape}]}, {key: p}]\n    reach_px: 99")
    (game.parent / "town.sav").write_bytes(b"the second town")
    changes = [str(change) for change in reread(stores, survey.id).changes]
    assert changes == [
        "scroll.pause_ms: 30 -> 90",
        "prepare: 1 entries -> 2 entries",
        "environment.PASSWORD: changed",
        "reach_px: not set -> 99",
        "town.sav: the file as it was -> another content",
    ]
    now = states.read(stores, survey.id)
    assert now.spec.driver.parameters["scroll"]["pause_ms"] == 90
    assert now.spec.driver.parameters["start_wait_s"] == 7, "was given besides the file"
    assert now.reach_px == 99
    assert reader_of(stores, now.spec)("town.sav") == b"the second town"
    assert reread(stores, survey.id).changes == ()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("window: [640, 480]", "window: [800, 480]", r"window: \[640, 480\] -> \[800, 480\]"),
        ("step: [400, 320]", "step: [360, 320]", "step: "),
        ("step: [400, 320]", "step: [400, 320]\n    crop: {x_px: 0, y_px: 0, width_px: 640, height_px: 440}", "crop: "),
        ("rows: 2", "rows: 3", "grid.rows: 2 -> 3"),
        ("name: x11", "name: folder", "driver"),
        ("px_per_press: [40, 40]", "px_per_press: [48, 40]", "would lie elsewhere"),
        ("key: Escape", "key: Escpae", "did you mean Escape"),
        ("town.sav: town.sav", "town.sav: city.sav", "There is no file 'city.sav'"),
    ],
)
def test_what_areas_show_stays_and_so_does_a_survey_whose_yaml_is_wrong(
    stores: Stores, game: Path, before: str, after: str, said: str
) -> None:
    survey = _begun(stores, game, "fixed")
    _corrected(game, before, after)
    with pytest.raises(InvalidInput, match=said):
        reread(stores, survey.id)
    assert states.read(stores, survey.id).spec == survey.spec


def test_what_a_file_says_for_surveys_to_come_stops_none_that_is_under_way(stores: Stores, game: Path) -> None:
    survey = _begun(stores, game, "own_grid", grid={"rows": 1, "cols": 3})
    _corrected(game, "rows: 2", "rows: 4")
    _corrected(game, "title: A board", "title: The board\nkeep: keep\nsavegames: {spring: town.sav}")
    assert reread(stores, survey.id).changes == ()
    assert states.read(stores, survey.id).spec.grid == survey.spec.grid


def test_masks_change_until_screenshots_are_compared(stores: Stores, game: Path) -> None:
    survey = _begun(stores, game, "masked")
    mask = Rect(x_px=0, y_px=0, width_px=100, height_px=30)
    _corrected(game, "grid:", f"masks: [{mask.model_dump()}]\ngrid:")
    assert [change.path for change in reread(stores, survey.id).changes] == ["masks"]
    assert states.read(stores, survey.id).spec.masks == (mask,)
    with stores.database.begin() as connection:
        layers.mark_block(connection, survey.id, Layer.PAIR_OFFSETS, survey.blocks()[0])
    _corrected(game, "'width_px': 100", "'width_px': 200")
    with pytest.raises(InvalidInput, match="were compared without what a mask hides already"):
        reread(stores, survey.id)


def test_a_yaml_that_is_gone_leaves_the_survey_as_it_was_begun(stores: Stores, game: Path, tmp_path: Path) -> None:
    survey = _begun(stores, game, "gone")
    game.rename(tmp_path / "mygame" / "moved.yaml")
    assert not reread(stores, survey.id).found
    _corrected(tmp_path / "mygame" / "moved.yaml", "pause_ms: 30", "pause_ms: 31")
    assert len(reread(stores, survey.id, tmp_path / "mygame" / "moved.yaml").changes) == 1


def test_a_file_that_is_gone_is_taken_as_it_was_stored(stores: Stores, game: Path) -> None:
    survey = _begun(stores, game, "gone")
    assert survey.spec.recipe is not None
    (game.parent / "town.sav").unlink()
    assert reread(stores, survey.id).changes == ()
    _corrected(game, "pause_ms: 30", "pause_ms: 90")
    assert [change.path for change in reread(stores, survey.id).changes] == ["scroll.pause_ms"]
    spec = states.read(stores, survey.id).spec
    assert spec.recipe is not None
    assert spec.recipe.files == survey.spec.recipe.files
    assert reader_of(stores, spec)("town.sav") == b"the first town"
    _corrected(game, "saves/town.sav: town.sav", "saves/town.sav: village.sav")
    with pytest.raises(InvalidInput, match=r"There is no file 'village\.sav'"):
        reread(stores, survey.id)


def test_a_setting_that_is_there_twice_is_a_mistake(game: Path) -> None:
    game.write_text("title: A\ntitle: B\n")
    with pytest.raises(InvalidInput, match="in line 2, column 1: 'title' is there twice"):
        read_content(game)
    game.write_text("titel: A\ndriver: {name: city}\n")
    with pytest.raises(WrongSettings, match=r"titel: is no setting here .*did you mean title\?"):
        read_content(game)
