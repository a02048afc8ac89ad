"""Probing real games: recipes whose scroll, step and crop are taken away, and the survey by the YAML that comes back.

`IMAGEFLOW_BENCH_GAMES=simutrans,widelands` chooses games. Figures of the others stay as they were measured before.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from bench.figures import Figure, Result
from game_capture.x11.scrolling import Scroll
from imageflow_clients.embedded_postgres import EmbeddedPostgres

GAMES = {"simutrans": (64.0, 32.0), "freeciv": (504.0, 405.0), "lincity": (0.5, 0.5), "widelands": (1.0, 1.0)}
"""Pixels that one press of the recipe's keys, or one pixel of its drag, moves the camera."""

GRID = "3x3"
AREAS = 9
_SCROLL: TypeAdapter[Scroll] = TypeAdapter(Scroll)
_TAKEN_AWAY = ("scroll", "step", "crop")
_RECIPES = Path(__file__).parents[1] / "games"
_RESULTS = Path(__file__).parent / "results" / "probe.json"
_ANCHORED = re.compile(r"(\d+) of (\d+) screenshots are anchored")


def run() -> Result:
    """Probe each game and survey it by the YAML that the probe wrote."""
    chosen = [name for name in os.environ.get("IMAGEFLOW_BENCH_GAMES", "").split(",") if name]
    chosen = chosen or [name for name in GAMES if (_RECIPES / f"{name}.yaml").exists()]
    figures = [figure for name in chosen for figure in _probed(name)]
    kept = [figure for name, figure in _kept() if name not in chosen]
    return Result(figures=(*kept, *figures))


def _probed(name: str) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        folder.chmod(0o711)  # Freeciv runs as nobody, who must enter it
        stripped, written = folder / f"{name}.yaml", folder / "probed" / f"{name}.yaml"
        for place in (folder, written.parent):
            place.mkdir(exist_ok=True)
            if (_RECIPES / name).is_dir():
                shutil.copytree(_RECIPES / name, place / name)
        recipe = yaml.safe_load((_RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
        scroll = recipe["driver"]["parameters"]["scroll"]
        for setting in _TAKEN_AWAY:
            recipe["driver"]["parameters"].pop(setting, None)
        stripped.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
        began = time.perf_counter()
        probe = ("game", "probe", str(stripped), "--to", str(folder / "pictures"), "--write", str(written), "--json")
        report = json.loads(_imageflow(folder, *probe).stdout)
        seconds = time.perf_counter() - began
        found = yaml.safe_load(written.read_text(encoding="utf-8"))["driver"]["parameters"]["scroll"]
        yield Figure(name=f"{name}: a probe, edges too", value=seconds, unit="s")
        yield Figure(name=f"{name}: chosen are {report['chosen']}, of ways that move the camera", value=_moving(report))
        if _is_same(scroll, found):
            for axis, true_px in zip(("across", "down"), GAMES[name], strict=True):
                yield Figure(
                    name=f"{name}: error of px per {report['unit']}, {axis}",
                    value=abs(abs(report["ways"][-1][axis]["unit_px"]) - true_px),
                    unit="px",
                    at_most=1.0,
                )
        survey = ("survey", "run", "--config", str(written), "--grid", GRID, "--save", "probe")
        try:
            match = _ANCHORED.search(_imageflow(folder, *survey).stderr)
        finally:
            EmbeddedPostgres(folder / "home" / "postgres").stop()
        anchored = int(match[1]) if match else 0
        yield Figure(name=f"{name}: anchored of {GRID} by the printed YAML", value=anchored, at_least=AREAS)


def _is_same(recipe: dict[str, Any], found: dict[str, Any]) -> bool:
    """Whether the probe chose the way to scroll that the recipe has, however far it goes and long it pauses."""
    ways = [_SCROLL.validate_python(scroll) for scroll in (recipe, found)]
    one, other = (way.model_dump(exclude={way.scale, "pause_ms"}) for way in ways)
    return one == other


def _moving(report: dict[str, Any]) -> float:
    return float(sum(bool(way["across"] and way["down"]) for way in report["ways"][:-1]))


def _imageflow(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [sys.executable, "-m", "imageflow_cli.main", *arguments],
        env={**os.environ, "IMAGEFLOW_HOME": str(home / "home")},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return done


def _kept() -> Iterator[tuple[str, Figure]]:
    """Yield the figures of an earlier run, each with its game's name."""
    if not _RESULTS.exists():
        return
    for kept in json.loads(_RESULTS.read_text(encoding="utf-8"))["figures"]:
        kept.pop("reached")
        figure = Figure(**kept)
        yield figure.name.partition(":")[0], figure
