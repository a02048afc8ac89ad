"""`imageflow survey run` of what gives no map: the reason, the picture, and the documented exit code."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import SecretStr

from imageflow_domain.grid import Cell
from imageflow_mosaic.codec import Pixels
from tests.cli.here import Here, command_line
from tests.mosaic.worlds import land, view

WIDTH, HEIGHT = 320, 240


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, databases: Callable[[], SecretStr]) -> Iterator[Here]:
    with command_line(tmp_path_factory.mktemp("no_map") / "home", databases()) as made:
        yield made


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which commands are given; what may pass by itself is not tried again."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("IMAGEFLOW_RETRY_WAITS", "")
    return folder


def _folder(folder: Path, frames: Mapping[Cell, Pixels], believed: Mapping[Cell, tuple[int, int]]) -> str:
    folder.mkdir()
    lines = ["file,row,col,x,y"]
    for cell, frame in frames.items():
        Image.fromarray(frame).save(folder / f"{cell}.png")
        x, y = believed[cell]
        lines.append(f"{cell}.png,{cell.row},{cell.col},{x},{y}")
    (folder / "positions.csv").write_text("\n".join(lines))
    return str(folder)


def _grid(rows: int, cols: int) -> dict[Cell, tuple[int, int]]:
    return {Cell(row=row, col=col): (200 * col, 150 * row) for row in range(rows) for col in range(cols)}


def _run(folder: str, save: str) -> Sequence[str]:
    return (
        "survey",
        "run",
        "--driver",
        "folder",
        "--source",
        folder,
        "--game",
        "g",
        "--save",
        save,
        "--lossless-method",
        "0",
    )


def test_a_panel_over_the_map_ends_with_code_5_and_a_picture_to_open(cli: Here, here: Path, tmp_path: Path) -> None:
    corners = _grid(1, 5)
    world = land(HEIGHT, 2000)
    panel = np.random.default_rng(1).integers(0, 256, (HEIGHT, 96, 3)).astype(np.uint8)
    frames = {cell: view(world, x, y, WIDTH, HEIGHT) for cell, (x, y) in corners.items()}
    for frame in frames.values():
        frame[:, :96] = panel
    told = cli.run(*_run(_folder(tmp_path / "frames", frames, corners), "panel"), expect=5).stderr
    assert "a panel lies over the map. Cover it with --mask 0,0,96,240." in told
    assert "kept as 'surveys/g-panel-0001/no_map.png'" in told
    picture = here / "g-panel-0001-no-map.png"
    assert f"Open '{picture}' to see it." in told
    with Image.open(picture) as opened:
        assert np.array_equal(np.asarray(opened), frames[Cell(row=0, col=3)])
    (listed,) = [one for one in cli.json("survey", "list") if one["survey"] == "g-panel-0001"]
    assert listed["state"] == "failed"


def test_a_survey_of_which_nothing_is_anchored_is_never_completed(cli: Here, here: Path, tmp_path: Path) -> None:
    corners = _grid(1, 3)
    frames = {cell: land(HEIGHT, WIDTH, seed=cell.col) for cell in corners}
    told = cli.run(*_run(_folder(tmp_path / "frames", frames, corners), "apart"), expect=1).stderr
    assert "No two of the 3 screenshots of 'g-apart-0001' (3 areas) are tied to one another" in told
    facts = cli.json("survey", "show", "g-apart-0001")
    assert (facts["state"], facts["revision"]) == ("failed", None)


def test_screenshots_that_were_found_elsewhere_are_shown_with_numbers(cli: Here, here: Path, tmp_path: Path) -> None:
    corners = _grid(3, 3)
    world = land(800, 1000)
    frames = {cell: view(world, x, y, WIDTH, HEIGHT) for cell, (x, y) in corners.items()}
    believed = {cell: (x + 190, y - 170) if cell.row == 2 else (x, y) for cell, (x, y) in corners.items()}
    folder = _folder(tmp_path / "frames", frames, believed)
    told = cli.run(*_run(folder, "edge"), "--reach", "40").stderr
    assert "9 of 9 screenshots are anchored" in told
    assert "3 of 9 screenshots were searched for and found up to 190 px from where they were believed" in told
    assert "r02_c00: found -190, 170 px off" in told
    assert cli.json("survey", "show", "g-edge-0001")["searched"] == "3 found up to 190 px off"


@pytest.mark.parametrize(("command", "code", "said"), [("no-such-game", 4, "apt install"), ("false", 5, "ended")])
def test_a_game_that_is_missing_or_dies_ends_with_its_code(
    cli: Here, here: Path, command: str, code: int, said: str
) -> None:
    config = here / "game.yaml"
    config.write_text(
        f"command: ['{command}']\nwindow: [320, 240]\nstep: [200, 150]\nstart_wait_s: 0\n"
        "scroll: {by: keys, px_per_press: [50, 50]}\n"
    )
    save = command.replace("-", "_")
    told = cli.run(
        *("survey", "run", "--driver", "x11", "--config", str(config), "--grid", "2x2", "--game", "x", "--save", save),
        expect=code,
    ).stderr
    assert said in told
