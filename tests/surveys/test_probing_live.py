"""A probe of a real window, whose truth is known, and the survey by the YAML that it prints."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from game_capture.registry import open_driver
from game_capture.staging import Staging
from imageflow_domain.errors import GameMissing, GameNeverSettled, NoMap
from imageflow_domain.grid import Grid
from imageflow_domain.survey import DriverSpec
from imageflow_mosaic.movement import FrameComparer
from imageflow_surveys.game_yaml import parse_yaml
from imageflow_surveys.probing import Probed, check_text, described, probe_game
from tests.game_capture import board
from tests.game_capture.conftest import need

WORLD = board.world()
BOARD = f"""\
command: ["{sys.executable}", "{board.__file__}", "{{width}}", "{{height}}", "0", "0"]
window: [400, 260]        # small
start_wait_s: 0.5
"""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def _probe(tmp_path: Path, text: str, *, edges: bool = False) -> Probed:
    need("Xvfb", "xdotool")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    game = described(text, where="'board.yaml'", folder=tmp_path, title="board")
    staging = Staging(scratch=tmp_path / "scratch")
    return probe_game(game, staging=staging, pictures=pictures, edges=edges, on_progress=lambda *_: None)


def test_a_probe_finds_what_moves_the_camera_and_its_yaml_surveys_as_it_is(tmp_path: Path) -> None:
    probed = _probe(tmp_path, BOARD)
    report = probed.report
    moving = {tried.way.name: tried for tried in report.tried if tried.moves}
    assert moving.keys() == {"arrow keys", "Shift and arrow keys", "drags with the right button"}
    drag = moving["drags with the right button"]
    assert drag.across is not None
    assert drag.across.unit_px == pytest.approx(-1, abs=0.01)
    check_text(probed.text)
    assert "window: [400, 260]        # small" in probed.text
    content = parse_yaml(probed.text, "it")
    assert content["scroll"]["px_per_press"] == [board.STEP, board.STEP]
    assert content["crop"] == {"x_px": 0, "y_px": 0, "width_px": 240, "height_px": 260}
    spec = DriverSpec(name="x11", parameters=content)
    with open_driver(spec, staging=Staging(scratch=tmp_path / "scratch"), comparer=FrameComparer()) as driver:
        for area in driver.areas(Grid(rows=2, cols=2)):
            grabbed = driver.grab(area)
            assert grabbed.position is not None
            x, y = round(grabbed.position.x_px), round(grabbed.position.y_px)
            assert np.array_equal(grabbed.picture, WORLD[y : y + 260, x : x + 240]), area


def test_a_probe_corrects_keys_and_scale_and_finds_the_edges(tmp_path: Path) -> None:
    wrong = "scroll: {by: keys, left: Right, right: Left, px_per_press: [64, 64], pause_ms: 30}\nstep: [390, 250]\n"
    crop = "crop: {x_px: 0, y_px: 0, width_px: 240, height_px: 260}\n"
    probed = _probe(tmp_path, BOARD + wrong.replace("[390, 250]", "[230, 250]") + crop, edges=True)
    content = parse_yaml(probed.text, "it")
    assert content["scroll"] == {
        "by": "keys",
        "left": "Left",
        "right": "Right",
        "px_per_press": [40, 40],
        "pause_ms": 30,
    }
    assert content["step"] == [160, 160]
    edges = {edge.way: (edge.kind, edge.after_px) for edge in probed.report.edges}
    assert edges["right"] == ("stops", board.WORLD[0] - 400)
    assert edges["down"] == ("stops", board.WORLD[1] - 260)


def test_a_step_that_fails_names_the_last_of_the_pictures_which_have_coordinates_drawn_on(tmp_path: Path) -> None:
    steps = 'prepare: [{at: [100, 150]}, {wait_until: {at: [5, 5], colour: "#010203", timeout_s: 0.5}}]\n'
    with pytest.raises(GameNeverSettled, match=r"prepare\.1: the pixel at 5,5 is .*02-failed\.png") as raised:
        _probe(tmp_path, BOARD + steps)
    assert not list((tmp_path / "scratch").iterdir()), "the game and its display have ended"
    pictures = tmp_path / "pictures"
    assert str(pictures / "02-failed.png") in str(raised.value)
    names = sorted(path.name for path in pictures.glob("*.png"))
    assert names == ["00-start.png", "01-prepare.0-click-100-150.png", "02-failed.png"]
    plain = np.asarray(Image.open(pictures / "plain" / names[1]))
    assert np.array_equal(plain[:, :240], WORLD[:260, :240])
    drawn = np.asarray(Image.open(pictures / names[1])).astype(int)
    assert drawn.shape == (260 + 24, 400, 3)
    assert not np.array_equal(drawn[:260, 200], plain[:, 200])
    ring = drawn[150, 112]
    assert ring[0] > 200
    assert max(ring[1:]) < 100


def test_a_camera_that_nothing_moves_is_reported_with_the_picture(tmp_path: Path) -> None:
    keys = "scroll: {by: keys, left: F1, right: F2, up: F3, down: F4}\n"
    with pytest.raises(NoMap, match=r"Nothing that was tried moved the camera .*no-camera\.png") as raised:
        _probe(tmp_path, BOARD + keys)
    assert raised.value.picture.shape == (260, 400, 3)
    assert not list((tmp_path / "scratch").iterdir())


def test_a_window_of_another_size_and_a_missing_program_are_reported_as_for_a_survey(tmp_path: Path) -> None:
    with pytest.raises(NoMap, match=r"window has 400x260 px .*`window` says 640x480 px.*-failed\.png"):
        _probe(tmp_path, BOARD.replace('"{width}", "{height}"', '"400", "260"').replace("[400, 260]", "[640, 480]"))
    assert not list((tmp_path / "scratch").iterdir()), "the game and its display have ended"
    (tmp_path / "pictures").rename(tmp_path / "before")
    with pytest.raises(GameMissing, match="'no-such-game' is not installed"):
        _probe(tmp_path, "command: [no-such-game]\n")
