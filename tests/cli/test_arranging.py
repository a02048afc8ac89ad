"""`imageflow survey arrange`, and `survey run` on frames in no order: what a player's folder turns out to be."""

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from pydantic import SecretStr

from tests.cli.here import Here, command_line
from tests.mosaic.worlds import ROOT

EXAMPLE = ROOT / "examples" / "openttd-small"


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, databases: Callable[[], SecretStr]) -> Iterator[Here]:
    with command_line(tmp_path_factory.mktemp("arranging") / "home", databases()) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve neighbouring frames under other names, one of them twice, and a file that is no picture."""
    made = tmp_path / "shots"
    made.mkdir()
    for number, path in enumerate(sorted(EXAMPLE.glob("*.png"))[:12]):
        shutil.copyfile(path, made / f"Unnamed {97 - number}.png")
    shutil.copyfile(made / "Unnamed 97.png", made / "Unnamed 1.png")
    (made / "notes.png").write_text("no picture")
    return made


def test_a_file_that_is_no_picture_is_named_and_can_be_left_out(cli: Here, folder: Path) -> None:
    refused = cli.run("survey", "arrange", str(folder), expect=2).stderr
    assert "notes.png" in refused
    assert "--skip-bad" in refused
    told = cli.run("survey", "arrange", str(folder), "--skip-bad").stderr
    assert "12 frames overlap, in 1 group: 12." in told
    assert "1 frame show the same as another and are left out: Unnamed 97.png (as Unnamed 1.png)." in told
    assert "1 file cannot be used: notes.png" in told


def test_written_positions_make_the_folder_a_survey_with_positions(cli: Here, folder: Path, tmp_path: Path) -> None:
    (folder / "notes.png").unlink()
    lists = tmp_path / "not" / "there"
    facts = cli.json("survey", "arrange", str(folder), "--csv", str(lists))
    (written,) = lists.iterdir()
    with written.open(newline="") as table:
        rows = list(csv.DictReader(table))
    (group,) = facts["groups"]
    assert [row["file"] for row in rows] == [frame["file"] for frame in group["frames"]]
    shutil.copyfile(written, folder / "positions.csv")
    (folder / "Unnamed 97.png").unlink()
    survey = cli.json(
        "survey",
        "run",
        "--driver",
        "folder",
        "--source",
        str(folder),
        "--game",
        "listed",
        "--save",
        "main",
        "--lossless-method",
        "0",
    )["survey"]
    shown = cli.json("survey", "show", survey)
    assert (shown["state"], shown["areas"]) == ("completed", 12)


def test_a_folder_for_positions_that_cannot_be_made_is_one_sentence(cli: Here, folder: Path) -> None:
    said = cli.run("survey", "arrange", str(folder), "--csv", str(folder / "notes.png" / "lists"), expect=4).stderr
    assert said.startswith(f"Error: '{folder / 'notes.png' / 'lists'}' cannot be made: ")


def test_a_folder_in_no_order_becomes_a_map_and_the_report_says_what_each_frame_became(cli: Here, folder: Path) -> None:
    command = (
        "survey",
        "run",
        "--driver",
        "folder",
        "--source",
        str(folder),
        "--game",
        "heap",
        "--save",
        "main",
        "--set",
        "skip_bad=true",
        "--lossless-method",
        "0",
    )
    facts = cli.json(*command)
    (group,) = facts["groups"]
    assert group["survey"] == facts["survey"] == "heap-main-0001"
    assert len(group["frames"]) == 12
    assert facts["doubles"] == [{"file": "Unnamed 97.png", "same_as": "Unnamed 1.png"}]
    assert [bad["file"] for bad in facts["left_out"]] == ["notes.png"]
    assert cli.json("survey", "show", facts["survey"])["state"] == "completed"


def test_a_folder_of_links_is_surveyed_as_its_files_are(cli: Here, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.mkdir()
    for number, path in enumerate(sorted(EXAMPLE.glob("*.png"))[:4]):
        (linked / f"Unnamed {number}.png").symlink_to(path)
    assert len(cli.json("survey", "arrange", str(linked))["groups"][0]["frames"]) == 4
    (linked / "Unnamed 9.png").symlink_to("gone.png")
    said = cli.run("survey", "arrange", str(linked), expect=2).stderr
    assert "'Unnamed 9.png' is a link to 'gone.png', where there is no file" in said
    (linked / "Unnamed 9.png").unlink()
    command = ("survey", "run", "--driver", "folder", "--source", str(linked), "--game", "linked", "--save", "main")
    facts = cli.json(*command, "--lossless-method", "0")
    assert cli.json("survey", "show", facts["survey"])["state"] == "completed"


def test_compressed_frames_one_cut_and_one_of_another_scale_are_told_with_what_to_do(cli: Here, tmp_path: Path) -> None:
    folder = tmp_path / "shots"
    (tmp_path / "lists").mkdir()
    folder.mkdir()
    for number, path in enumerate(sorted(EXAMPLE.glob("*.png"))[:6]):
        with Image.open(path) as frame:
            shown = frame.convert("RGB").crop((3 * number, 5 * number, 1004 + 3 * number, 728 + 5 * number))
        if number == 1:
            shown = shown.crop((100, 0, 900, 700))
        shown.save(folder / f"shot {number}.jpg", quality=85)
        if number == 3:
            shown.resize((1255, 910)).crop((50, 50, 1200, 900)).save(folder / "large.jpg", quality=85)
    told = cli.run("survey", "arrange", str(folder), "--csv", str(tmp_path / "lists")).stderr
    assert "6 frames overlap, in 1 group: 6." in told
    assert (
        "1 frame of group 1 have another size than 1004x728 px and are left out of its map; cut all frames to one size "
        "to use them: shot 1.jpg (800x700 px)."
    ) in told
    assert "1 frame show a place at another scale; resize them to use them: large.jpg (the same place as " in told
    assert " at 1.25 times the size)." in told
    facts = cli.json("survey", "arrange", str(folder))
    assert [one["file"] for one in facts["groups"][0]["of_another_size"]] == ["shot 1.jpg"]
    assert [(one["file"], one["scale"]) for one in facts["rescaled"]] == [("large.jpg", 1.25)]
    with (tmp_path / "lists" / "group_1.csv").open(newline="") as table:
        assert {row["file"] for row in csv.DictReader(table)} == {f"shot {number}.jpg" for number in (0, 2, 3, 4, 5)}


def test_a_folder_that_is_not_there_is_one_sentence(cli: Here, tmp_path: Path) -> None:
    said = cli.run("survey", "arrange", str(tmp_path / "nowhere"), expect=2).stderr
    assert "nowhere" in said
    assert "Traceback" not in said
