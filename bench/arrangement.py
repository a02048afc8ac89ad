"""Arrangement: 2,000 shuffled shots of a city to one exact plane, in a process of its own; a player's collection."""

import io
import json
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from bench.figures import Figure, Result, spending
from bench.registration import openttd
from game_capture.drivers.city import CityDriver, CityParameters
from imageflow_domain.geometry import Position
from imageflow_domain.grid import Grid
from imageflow_mosaic.arrangement import Arrangement, arrange
from imageflow_mosaic.codec import decode_picture, encode_screenshot

GRID = Grid(cols=50, rows=40)
SEED = 7
TARGET_MB = 1_500.0

Truth = Mapping[str, Position]


def run() -> Result:
    """Return what arranging costs, and how much of it is exact."""
    with tempfile.TemporaryDirectory() as folder:
        truth = _take(Path(folder))
        command = [sys.executable, "-m", "bench.arrangement", folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured = json.loads(done.stdout)
    placed = {name: Position(x_px=x, y_px=y) for name, (x, y) in measured["places"].items()}
    count = len(truth)
    name = f"{count:,} shuffled city shots 1280x1024"
    return Result(
        figures=(
            Figure(name=f"placed exactly in the largest group, {name}", value=_exact(placed, truth)),
            Figure(name=f"placed wrongly in it, {name}", value=len(placed) - _exact(placed, truth), at_most=0),
            Figure(name=f"groups, {name}", value=measured["groups"]),
            Figure(name=f"strays and doubles, {name}", value=measured["left"]),
            Figure(name=f"wall, two threads, {name}", value=measured["wall_s"], unit="s"),
            Figure(name=f"CPU a shot, {name}", value=1e3 * measured["cpu_s"] / count, unit="ms"),
            Figure(name=f"pairs compared pixel by pixel a shot, {name}", value=measured["compared"] / count),
            Figure(name=f"peak memory, {name}", value=measured["peak_mb"], unit="MB", at_most=TARGET_MB),
            *_collection(),
        )
    )


def _collection() -> tuple[Figure, ...]:
    """Arrange the shuffled example frames, as they are and compressed with loss."""
    shots = openttd()
    cells = sorted(shots.stored)
    names = {f"{number}": cells[at] for number, at in enumerate(np.random.default_rng(SEED).permutation(len(cells)))}
    lossless = {name: shots.stored[cell] for name, cell in names.items()}
    lossy = {name: _compressed(data) for name, data in lossless.items()}
    return (
        *_arranged(lossless, f"{len(cells)} shuffled OpenTTD shots 1024x768"),
        *_arranged(lossy, f"{len(cells)} shuffled OpenTTD shots 1024x768, JPEG 75"),
    )


def _arranged(stored: Mapping[str, bytes], name: str) -> tuple[Figure, ...]:
    with spending() as spent:
        found = arrange(list(stored), lambda file: decode_picture(stored[file]))
    return (
        Figure(name=f"in one group, {name}", value=len(found.groups[0].pictures), at_least=len(stored)),
        Figure(name=f"CPU, {name}", value=spent.cpu_s, unit="s"),
    )


def _compressed(picture: bytes) -> bytes:
    """Cut a few pixels off, so that no two shots lie whole blocks apart, and compress with loss."""
    pixels = decode_picture(picture)
    left, top = (int(part) for part in np.random.default_rng(len(picture)).integers(0, 25, 2))
    height, width = pixels.shape[:2]
    data = io.BytesIO()
    Image.fromarray(pixels[top : height - 24 + top, left : width - 24 + left]).save(data, "JPEG", quality=75)
    return data.getvalue()


def _take(folder: Path) -> Truth:
    """Store the city's shots under names that mean nothing; return where each truly lies."""
    driver = CityDriver(CityParameters(seed=SEED))
    areas = driver.areas(GRID)
    numbers = np.random.default_rng(SEED).permutation(len(areas))
    truth = {}
    with driver:
        for area, number in zip(areas, numbers, strict=True):
            name = f"{number:05d}.webp"
            (folder / name).write_bytes(encode_screenshot(driver.grab(area).picture))
            truth[name] = driver.truth(area)
    return truth


def _exact(placed: Truth, truth: Truth) -> int:
    """How many places differ from the truth by the shift that most have."""
    off = Counter((at.x_px - truth[name].x_px, at.y_px - truth[name].y_px) for name, at in placed.items())
    return off.most_common(1)[0][1]


def _measure(folder: Path) -> None:
    """Arrange a folder's shots, and print what it took and what came of it."""
    compared = 0

    def on_progress(what: str, done: int, total: int) -> None:  # noqa: ARG001 - what arrange calls
        nonlocal compared
        compared += what == "comparing"

    names = [path.name for path in folder.iterdir()]
    with spending() as spent:
        found = arrange(names, lambda name: decode_picture((folder / name).read_bytes()), (), on_progress)
    print(json.dumps(_facts(found) | {"wall_s": spent.wall_s, "cpu_s": spent.cpu_s, "compared": compared}))


def _facts(found: Arrangement) -> dict[str, object]:
    return {
        "groups": len(found.groups),
        "left": len(found.strays) + len(found.doubles),
        "places": {one.name: (one.position.x_px, one.position.y_px) for one in found.groups[0].pictures},
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


if __name__ == "__main__":
    _measure(Path(sys.argv[1]))
