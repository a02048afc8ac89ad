"""The import contracts hold every package, and each of them finds what it forbids."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.architecture import ROOT, contracts, redrawn, rows

VIOLATIONS = {
    "Packages import downwards only, and rows do not know each other": (
        "imageflow_surveys/game_reference.py",
        "import imageflow_inspection",
    ),
    "Only assets, resources and the command line know Dagster": ("imageflow_gateway/app.py", "import dagster"),
    "Only the gateway knows HTTP frameworks, and the edge knows no protocol": (
        "imageflow_edge/admission.py",
        "import starlette",
    ),
    "Capture knows no HTTP, store or database": ("game_capture/display.py", "import httpx"),
    "Domain, images, mosaic and pipelines do no I/O": ("imageflow_mosaic/plane.py", "import subprocess"),
    "Drivers do not import each other": ("game_capture/drivers/folder.py", "import game_capture.drivers.city"),
    "Components do not import each other": (
        "imageflow_pipelines/components/crop.py",
        "import imageflow_pipelines.components.resize",
    ),
}
"""By contract: the file in which a line breaks it, and that line."""


def test_the_page_shows_the_packages_as_the_contracts_have_them() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert redrawn(page) == page, "run `make reference`"


def test_every_package_is_in_a_row() -> None:
    packages = {path.parent.name for path in ROOT.glob("imageflow_*/__init__.py")} | {"game_capture"}
    assert {package for row in rows() for package in row} == packages


def test_each_contract_finds_a_violation(tmp_path: Path) -> None:
    assert {one["name"] for one in contracts()} == set(VIOLATIONS)
    for row in rows():
        for package in row:
            ignored = shutil.ignore_patterns("static", "__pycache__")
            shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for file, line in VIOLATIONS.values():
        with (tmp_path / file).open("a") as source:
            source.write(f"\n{line}\n")
    linter = Path(sys.executable).with_name("lint-imports")
    # The installed packages are this checkout's: those of the copy come first.
    done = subprocess.run(
        [str(linter), "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False, env={"PYTHONPATH": "."}
    )
    assert set(re.findall(r"^(.+) BROKEN$", done.stdout, re.MULTILINE)) == set(VIOLATIONS), done.stdout + done.stderr
