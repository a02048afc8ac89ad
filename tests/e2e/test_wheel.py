"""The installed wheel works outside the repository."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.e2e.stack import ROOT, environment

pytestmark = pytest.mark.e2e


def test_the_wheel_surveys_a_city_in_an_empty_folder(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    installed = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
        packed = set(archive.namelist())
    static = ROOT / "imageflow_gateway" / "static" / "app"
    built = {path.relative_to(ROOT).as_posix() for path in static.rglob("*") if path.is_file()}
    assert "imageflow_gateway/static/app/index.html" in built, "the web pages are not built: make webui"
    assert any(name.startswith("imageflow_gateway/static/app/assets/") for name in built)
    assert built <= packed
    empty = tmp_path / "somewhere else"
    empty.mkdir()
    env = environment(empty / "home", PYTHONPATH=str(installed))
    where = subprocess.run(
        [sys.executable, "-c", "import imageflow_cli; print(imageflow_cli.__file__)"],
        cwd=empty, env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.startswith(str(installed))
    done = subprocess.run(
        [sys.executable, "-m", "imageflow_cli.main", "survey", "run", "--json", "--driver", "city", "--grid", "2x2",
         "--game", "city", "--save", "wheel", "--set", "view=[320,256]", "--set", "drift_px=8"],
        cwd=empty, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"survey": "city-wheel-0001"}
