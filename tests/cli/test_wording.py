"""What the command line says: one true sentence for every mistake, and facts that are never cut or read as markup."""

import csv
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from imageflow_assets.map.jobs import PlanConfig, _spec
from imageflow_clients.settings import Settings
from imageflow_domain.errors import InvalidInput
from imageflow_domain.survey import Keep
from tests.cli.here import Here, command_line

pytestmark = pytest.mark.e2e

_CITY = ("survey", "run", "--driver", "city", "--game", "city")
_LONG = "a_name_of_a_save_that_is_about_as_long_as_any_save_may_be_called"


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    with command_line(tmp_path_factory.mktemp("wording") / "home") as cli:
        yield cli


@pytest.fixture(scope="module")
def survey(cli: Here) -> str:
    return cli.run(*_CITY, "--save", _LONG, "--grid", "2x2", "--set", "view=[320,256]").stdout.removesuffix("\n")


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for name in ("r00_c00.png", "r00_c01.jpeg"):
        Image.new("RGB", (64, 64)).save(folder / name)
    return folder


def test_a_grid_beyond_its_limit_is_one_sentence(cli: Here) -> None:
    said = cli.run(*_CITY, "--save", "big", "--grid", "1001x2", expect=2).stderr
    assert said.endswith("'1001x2' is not a grid: write COLUMNSxROWS, each 1 to 1000.\n")


def test_a_wrong_variable_is_named_without_its_value(cli: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEFLOW_GATEWAY_PORT", "very_secret")
    said = cli.run("survey", "list", expect=2).stderr
    assert "IMAGEFLOW_GATEWAY_PORT: " in said
    assert said.count("\n") == 1
    assert "very_secret" not in said
    assert "pydantic" not in said


@pytest.mark.parametrize("home", ["/etc/passwd", "/proc/x"])
def test_a_home_that_cannot_hold_anything_is_named(cli: Here, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.setenv("IMAGEFLOW_HOME", home)
    said = cli.run("survey", "list", expect=4).stderr
    assert home in said
    assert "IMAGEFLOW_HOME" in said
    stores = next(look for look in cli.json("doctor", expect=4) if look["name"] == "Stores")
    assert not stores["found"]
    assert "IMAGEFLOW_HOME" in stores["text"]


def test_doctor_names_the_folder_of_games_and_counts_its_files(
    cli: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEFLOW_GAMES", str(tmp_path))
    (tmp_path / "town.yaml").touch()
    games = next(line for line in cli.run("doctor").stdout.splitlines() if "\tGames\t" in line)
    assert games == f"ok\tGames\t1 game file in '{tmp_path}'"


def test_doctor_says_of_each_port_whether_it_is_free_in_use_or_off(cli: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("IMAGEFLOW_GATEWAY_PORT", str(port := taken.getsockname()[1]))
        monkeypatch.setenv("IMAGEFLOW_ENGINE_GRPC_PORT", "0")
        ports = {look["name"]: look for look in cli.json("doctor") if look["name"].endswith("port")}
    assert not ports["Map's port"]["found"]
    assert f"Port {port} of 127.0.0.1 is in use" in ports["Map's port"]["text"]
    assert ports["gRPC's port"]["text"] == "off, as IMAGEFLOW_ENGINE_GRPC_PORT is 0"


def test_a_configuration_that_is_no_text_is_refused(cli: Here) -> None:
    said = cli.run(
        "survey", "run", "--driver", "x11", "--config", "/bin/ls", "--game", "g", "--save", "s", expect=2
    ).stderr
    assert "'/bin/ls' is not text in UTF-8" in said


def test_only_the_folder_driver_has_a_source_and_it_needs_one(cli: Here, tmp_path: Path) -> None:
    assert "no --source" in cli.run(*_CITY, "--save", "s", "--source", str(tmp_path), expect=2).stderr
    said = cli.run("survey", "run", "--driver", "folder", "--game", "g", "--save", "s", expect=2).stderr
    assert "--source" in said


def test_ids_and_files_are_printed_as_they_are(cli: Here, survey: str, tmp_path: Path) -> None:
    assert survey == f"city-{_LONG}-0001"
    assert survey in [line.split("\t")[0] for line in cli.run("survey", "list").stdout.splitlines()]
    output = tmp_path / "a[bold].png"
    assert f"written to {output}." in cli.run("survey", "image", survey, "-o", str(output)).stderr
    assert output.exists()


@pytest.mark.parametrize(("name", "code"), [("x.jpg", 2), ("missing/x.png", 4)])
def test_a_picture_that_cannot_be_written_is_refused_before_it_is_made(
    cli: Here, survey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    monkeypatch.delattr("imageflow_surveys.image.read_tile")
    cli.run("survey", "image", survey, "-o", str(tmp_path / name), expect=code)


def test_coordinates_are_written_whole_or_not_at_all(cli: Here, survey: str, tmp_path: Path) -> None:
    path = tmp_path / "missing" / "x.csv"
    said = cli.run("survey", "coordinates", survey, "--csv", str(path), expect=4).stderr
    assert said == f"Error: '{path}' cannot be written: '{path.parent}' is not a folder.\n"
    path = tmp_path / "x.csv"
    cli.run("survey", "coordinates", survey, "--csv", str(path))
    assert len(list(csv.DictReader(path.open()))) == 4
    assert list(tmp_path.iterdir()) == [path]


def test_no_is_an_answer(cli: Here, survey: str) -> None:
    assert cli.run("survey", "delete", survey, typed="n\n", expect=1).stderr.endswith("Nothing deleted.\n")
    assert cli.json("survey", "show", survey)["state"] == "completed"


def test_an_upload_takes_pictures_and_says_what_it_leaves_out(cli: Here, frames: Path) -> None:
    (frames / "r00_c02.tif").touch()
    done = cli.run("upload", str(frames), "--game", "g", "--save", "s")
    assert "Skipped: r00_c02.tif (not of a type that is read)." in done.stderr
    assert "2 files uploaded" in done.stderr


def test_an_upload_without_pictures_is_refused(cli: Here, tmp_path: Path) -> None:
    (tmp_path / "positions.csv").write_text("file,row,col,x,y\n")
    assert "no pictures" in cli.run("upload", str(tmp_path), "--game", "g", "--save", "s", expect=2).stderr


def test_an_upload_checks_every_name_before_it_sends_one(cli: Here, frames: Path) -> None:
    for name in ("a\n.png", "b\\.png"):
        (frames / name).touch()
    said = cli.run("upload", str(frames), "--game", "g", "--save", "never", expect=2).stderr
    assert "'a\\n.png' is not a valid file name: it holds a control character" in said
    assert "'b\\.png' is not a valid file name: it holds a path separator" in said
    assert not list((cli.home / "objects").glob("uploads/maps/g/never/*/*"))


def test_the_plan_job_takes_all_that_a_survey_can_be_asked() -> None:
    spec = _spec(
        PlanConfig(game="g", save="s", keep="keep", reach_px=80, block_side=5, lossless_method=0, source="uploads/a/")
    )
    assert (spec.keep, spec.reach_px, spec.block_side, spec.source) == (Keep.KEEP, 80, 5, "uploads/a/")
    assert spec.encoding.lossless_method == 0
    assert _spec(PlanConfig(game="g", save="s", grid="101x1")).block_side == 10
    with pytest.raises(InvalidInput, match=r"block_side: Input should be less than or equal to 100\.$"):
        _spec(PlanConfig(game="g", save="s", block_side=101))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),  # noqa: S104 - compared, not bound
        ("::", "http://127.0.0.1:1"),
        ("::1", "http://[::1]:1"),
    ],
)
def test_addresses_name_a_host_that_answers(host: str, url: str) -> None:
    settings = Settings(host=host, gateway_port=1, dagster_port=1)
    assert (settings.gateway_url, settings.dagster_base_url) == (url, url)
