from pathlib import Path

from tests.cli.here import command_line


def test_an_object_of_51_mb_is_refused_by_name_before_anything_is_uploaded(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for name, size in (("r00_c00.png", 1_000), ("r00_c01.png", 51_000_000)):
        with (frames / name).open("wb") as file:
            file.truncate(size)
    with command_line(tmp_path / "home") as cli:
        said = cli.run("upload", str(frames), "--game", "g", "--save", "s", expect=2).stderr
    assert said == "Error: 'r00_c01.png' is larger than 50 MB.\n"
    assert not (tmp_path / "home" / "objects").exists()
