"""Probing real games: recipes whose scroll, step and crop are taken away, and the survey by the YAML that comes back.

`IMAGEFLOW_BENCH_GAMES=simutrans,widelands` chooses games. Figures of the others stay as they were measured before.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from bench.figures import Figure, Result
from game_capture.x11.scrolling import Scroll
from imageflow_clients.database.maps import placements
from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores
from imageflow_domain.grid import Cell
from imageflow_domain.placement import PlacementStatus

GAMES = ("simutrans", "freeciv", "lincity", "widelands")

GRID = "3x3"
AREAS = 9
_TAKEN_AWAY = ("scroll", "step", "crop")
_SCROLL: TypeAdapter[Scroll] = TypeAdapter(Scroll)
_RECIPES = Path(__file__).parents[1] / "games"
_RESULTS = Path(__file__).parent / "results" / "probe.json"


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
        for setting in _TAKEN_AWAY:
            recipe["driver"]["parameters"].pop(setting, None)
        stripped.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
        began = time.perf_counter()
        probe = ("game", "probe", str(stripped), "--to", str(folder / "pictures"), "--write", str(written), "--json")
        report = json.loads(_imageflow(folder, *probe).stdout)
        seconds = time.perf_counter() - began
        yield Figure(name=f"{name}: a probe, edges too", value=seconds, unit="s")
        yield Figure(name=f"{name}: chosen are {report['chosen']}, of ways that move the camera", value=_moving(report))
        survey = ("survey", "run", "--config", str(written), "--grid", GRID, "--save", "probe", "--json")
        try:
            done = json.loads(_imageflow(folder, *survey).stdout.splitlines()[-1])
            anchored = _anchored(folder / "home", done["survey"])
        finally:
            EmbeddedPostgres(folder / "home" / "postgres").stop()
        yield Figure(name=f"{name}: anchored of {GRID} by the printed YAML", value=len(anchored), at_least=AREAS)
        written_scroll = yaml.safe_load(written.read_text(encoding="utf-8"))["driver"]["parameters"]["scroll"]
        scroll = _SCROLL.validate_python(written_scroll)
        for number, axis in enumerate(("across", "down")):
            yield Figure(
                name=f"{name}: px per {report['unit']}, {axis}, off where the map's pixels have it",
                value=_error_px(anchored, scroll.unit_px(number), number),
                unit="px",
                at_most=1.0,
            )


def _anchored(home: Path, survey: str) -> Mapping[Cell, tuple[int, int]]:
    """Return where the survey's pixels place its anchored screenshots."""
    stores = open_stores(Settings(home=home))
    try:
        with stores.database.begin() as connection:
            placed = placements.placements(connection, survey)
    finally:
        stores.database.close()
    return {one.cell: (one.x_px, one.y_px) for one in placed if one.status is PlacementStatus.ANCHORED}


def _error_px(anchored: Mapping[Cell, tuple[int, int]], unit_px: float, axis: int) -> float:
    """Return the largest difference between `unit_px` and the length of the units between two neighbours."""
    errors = []
    for cell, place in anchored.items():
        neighbour = anchored.get(Cell(row=cell.row + axis, col=cell.col + 1 - axis))
        if neighbour is not None:
            distance_px = abs(neighbour[axis] - place[axis])
            errors.append(abs(distance_px / max(1, round(distance_px / unit_px)) - unit_px))
    return max(errors, default=float("inf"))


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
