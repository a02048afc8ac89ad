"""Bad input by command line: every fault is named, the exit code says its kind, and nothing is registered."""

import io
import os
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.here import command_line
from tests.e2e.stack import Cli

pytestmark = pytest.mark.e2e

_SIZE = (320, 256)


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with command_line(tmp_path_factory.mktemp("bad input") / "home") as cli:
        yield cli


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Four frames cut out of one textured picture, 220 px apart."""
    world = np.random.default_rng(5).integers(0, 255, (700, 800, 3), np.uint8)
    world = np.repeat(np.repeat(world[::4, ::4], 4, axis=0), 4, axis=1)
    folder = tmp_path / "frames"
    folder.mkdir()
    for row in range(2):
        for col in range(2):
            x, y = col * 220, row * 180
            part = world[y : y + _SIZE[1], x : x + _SIZE[0]]
            Image.fromarray(part).save(folder / f"r{row:02d}_c{col:02d}.png")
    return folder


def _refused(cli: Cli, folder: Path, *options: str) -> str:
    before = cli.json("survey", "list")
    done = cli.run(
        "survey", "run", "--driver", "folder", "--source", str(folder), "--game", "g", "--save", "s", *options, expect=2
    )
    assert cli.json("survey", "list") == before
    return done.stderr


def _png(mode: str, size: tuple[int, int] = _SIZE) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, "PNG")
    return out.getvalue()


def _bomb() -> bytes:
    """A tiny PNG that claims to be 60,000 px a side."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


BAD: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda good: good[: len(good) // 2],
    "zero bytes": lambda _: b"",
    "no image": lambda _: b"hello, this is no picture at all",
    "another size": lambda _: _png("RGB", (64, 64)),
    "16 bits": lambda _: _png("I;16"),
    "transparent": lambda _: _png("RGBA"),
    "a bomb": lambda _: _bomb(),
}


def test_every_bad_file_is_listed_at_once_and_skip_bad_leaves_holes(cli: Cli, frames: Path) -> None:
    good = (frames / "r00_c00.png").read_bytes()
    for col, spoil in enumerate(BAD.values(), start=2):
        (frames / f"r00_c{col:02d}.png").write_bytes(spoil(good))
    said = _refused(cli, frames)
    for col in range(2, 2 + len(BAD)):
        assert f"r00_c{col:02d}.png" in said
    for name in ("r00_c00.png", "r00_c01.png", "r01_c00.png", "r01_c01.png"):
        assert f"{name}:" not in said
    assert "--skip-bad" in said
    survey = cli.json(
        "survey", "run", "--driver", "folder", "--source", str(frames), "--game", "g", "--save", "holes", "--skip-bad"
    )["survey"]
    shown = cli.json("survey", "show", survey)
    assert shown["areas"] == 4
    assert shown["state"] == "completed"


@pytest.mark.parametrize("kind", BAD)
def test_each_kind_of_bad_file_alone_is_refused(cli: Cli, frames: Path, kind: str) -> None:
    path = frames / "r01_c01.png"
    path.write_bytes(BAD[kind](path.read_bytes()))
    assert "r01_c01.png" in _refused(cli, frames)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("file,row,col,x\nr00_c00.png,0,0,0\n", "positions.csv"),
        ("file,row,col,x,y\nr00_c00.png,0,0,0,0\n", "r00_c01.png"),
        (
            "file,row,col,x,y\n" + "".join(f"r0{r}_c0{c}.png,{r},{c},{c * 220},ten\n" for r in (0, 1) for c in (0, 1)),
            "ten",
        ),
        (
            "file,row,col,x,y\n" + "".join(f"r0{r}_c0{c}.png,0,0,{c * 220},0\n" for r in (0, 1) for c in (0, 1)),
            "line 3",
        ),
        ("file,row,col,x,y\nelsewhere.png,0,0,0,0\n", "elsewhere.png"),
    ],
    ids=["wrong columns", "missing rows", "not a number", "one cell twice", "no such file"],
)
def test_positions_that_are_wrong_are_refused_by_name(cli: Cli, frames: Path, text: str, named: str) -> None:
    (frames / "positions.csv").write_text(text)
    assert named in _refused(cli, frames)


def test_a_missing_and_an_empty_folder_are_refused(cli: Cli, tmp_path: Path) -> None:
    assert "nowhere" in _refused(cli, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "empty" in _refused(cli, tmp_path / "empty")


def test_an_option_of_another_driver_is_refused(cli: Cli, frames: Path) -> None:
    assert "--seed" in _refused(cli, frames, "--seed", "3")


def test_nothing_but_one_colour_of_water_has_no_map_and_says_why(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "water"
    folder.mkdir()
    for row in range(2):
        for col in range(2):
            Image.new("RGB", _SIZE, (60, 120, 200)).save(folder / f"r{row:02d}_c{col:02d}.png")
    done = cli.run(
        "survey",
        "run",
        "--driver",
        "folder",
        "--source",
        str(folder),
        "--step",
        "220,180",
        "--game",
        "g",
        "--save",
        "w",
        expect=1,
    )
    assert "No two of the 4 screenshots of 'g-w-0001' (4 areas) are tied to one another" in done.stderr
    assert "show next to no detail (open water, plain ground)" in done.stderr
    shown = cli.json("survey", "show", "g-w-0001")
    assert shown["state"] == "failed"
    assert "anchored" not in shown


def test_a_frame_in_two_cells_is_not_glued_on(cli: Cli, frames: Path) -> None:
    (frames / "r00_c02.png").write_bytes((frames / "r00_c00.png").read_bytes())
    done = cli.run(
        "survey",
        "run",
        "--driver",
        "folder",
        "--source",
        str(frames),
        "--step",
        "220,180",
        "--game",
        "g",
        "--save",
        "d",
    )
    shown = cli.json("survey", "show", done.stdout.strip())
    assert (shown["anchored"], shown["ambiguous"]) == (4, 1)
    assert "r00_c02" in done.stderr


def test_grey_palette_and_opaque_alpha_frames_are_mapped_without_loss(cli: Cli, frames: Path, tmp_path: Path) -> None:
    grey = {path.name: Image.open(path).convert("L") for path in sorted(frames.iterdir())}
    grey["r00_c00.png"].save(frames / "r00_c00.png")
    grey["r00_c01.png"].convert("RGB").quantize(256).save(frames / "r00_c01.png")
    grey["r01_c00.png"].convert("RGBA").save(frames / "r01_c00.png")
    grey["r01_c01.png"].convert("RGB").save(frames / "r01_c01.png")
    survey = cli.run(
        "survey",
        "run",
        "--driver",
        "folder",
        "--source",
        str(frames),
        "--step",
        "220,180",
        "--game",
        "g",
        "--save",
        "m",
    ).stdout.strip()
    assert cli.json("survey", "show", survey)["anchored"] == 4
    cli.run("survey", "image", survey, "-o", str(tmp_path / "map.png"))
    shown = np.asarray(Image.open(tmp_path / "map.png").convert("RGB"))
    for (y, x), name in {(0, 0): "r00_c00.png", (180, 220): "r01_c01.png"}.items():
        here = shown[y : y + _SIZE[1], x : x + _SIZE[0]]
        assert (here == np.asarray(grey[name].convert("RGB"))).all()


def test_a_port_in_use_is_said_in_one_sentence(cli: Cli) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = cli.run("up", "--port", port, expect=4).stderr
    assert port in said
    assert "--port" in said


def test_a_command_that_is_none_is_said_before_anything_is_started(cli: Cli) -> None:
    assert "'nonsense' is no command" in cli.run("up", "--", "nonsense", expect=2).stderr


def test_other_machines_reach_the_stack_only_where_it_was_opened(cli: Cli) -> None:
    said = cli.run("up", "--host", "0.0.0.0", expect=2).stderr  # noqa: S104 - it is refused
    assert "--host is 0.0.0.0, and there are no logins yet" in said
    assert "Set IMAGEFLOW_OPEN=1" in said


def test_a_database_that_is_down_is_said_without_its_password(cli: Cli) -> None:
    env = {**cli.env, "IMAGEFLOW_DATABASE_URL": "postgresql://someone:very_secret@127.0.0.1:1/db"}
    said = Cli(home=cli.home, env=env).run("survey", "list", expect=4, timeout_s=90).stderr
    assert "very_secret" not in said
    assert "database" in said.lower()


@pytest.mark.parametrize("missing", ["Xvfb", "xdotool"])
def test_a_missing_program_is_named_with_its_package(cli: Cli, tmp_path: Path, missing: str) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for folder in [*os.environ["PATH"].split(":"), "/usr/games"]:
        for path in Path(folder).glob("*") if Path(folder).is_dir() else ():
            if path.name != missing and not (programs / path.name).exists():
                (programs / path.name).symlink_to(path)
    env = {**cli.env, "PATH": str(programs)}
    done = subprocess.run(
        [sys.executable, "-m", "imageflow_cli.main", "survey", "run", "--driver", "openttd", "--seed", "1",
         "--grid", "1x1", "--game", "openttd", "--save", "none", "--set", "map_size=64"],
        env=env, cwd=cli.home.parent, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "apt install" in done.stderr
    assert missing.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr
