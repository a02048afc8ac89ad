"""`python -m bench [NAME...]` runs benches, prints figures beside targets, writes `bench/results/<name>.json`.

Exit status 1 where a target was missed or a bench failed, 2 for an unknown name.
"""

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import cast

import psutil
from rich.console import Console
from rich.table import Table

from bench.figures import Figure, Result

BENCHES = {
    "registration": "finding offsets, against decoding the same shots",
    "lossy_registration": "lossy screenshots: cost against decoding, and real sets in every format",
    "calibration": "stated against observed rates of right placements",
    "lossy_calibration": "the same of lossy screenshots, and their stated uncertainty",
    "registration_peers": "placing real and simulated shots, side by side with ASHLAR",
    "arrangement": "2,000 frames in no order to one exact plane",
    "recapture": "ambiguous shots that bridging shots make exact",
    "cutting": "shots to tiles, against the encoder alone",
    "pyramid_peers": "a pyramid of 16,384 px, side by side with vips dzsave and gdal2tiles",
    "blocks": "two block runs at once, against one after the other",
    "end_to_end": "a 20 x 20 city survey from the command line to its map",
    "jobs": "a 36-shot job from the request to the map",
    "pools": "one pool raised, that stage alone",
    "beside_backfill": "a backfill of large surveys: pools used, and a batch beside it",
    "registration_pool": "the pool of offsets raised",
    "status": "a job's status beside ten million tiles",
    "hub": "changes of blocks from their commit to a thousand pages",
    "idle": "processor time of a stack that has nothing to do",
    "dagster_share": "wall time of a survey in which no asset works",
    "capture": "moving a live game and grabbing the settled picture",
    "memory": "largest process of a 400-shot survey",
    "engine": "pictures through pipelines, against the bare library calls",
    "live": "a 1080p JPEG through a net by gRPC and REST, beside the engine alone; what an execution costs",
    "history": "a page of the history among a million executions, for each filter",
    "inference": "the shipped model on held-out products; sessions against the bare runtime",
    "inspection": "a tick over a million keys; a batch on two cores, against one",
    "uploads": "200 pictures put into the bucket of a running stack by one command",
    "incremental": "a later survey of a save in which little has changed, against the first",
}
LONG = {
    "scale": "a survey of 100 x 100 areas through the running stack",
    "webui": "the map page on a survey of 100 x 100 areas, beside a bare Leaflet page",
    "probe": "real games from recipes without scroll, step and crop: px per press, and the survey by the printed YAML",
}
"""Measured only when named: each takes half an hour or more."""
RESULTS = Path(__file__).parent / "results"


def hardware() -> dict[str, str | int | float]:
    """Return the machine without its name: processor, cores, memory, Python."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _table(name: str, result: Result) -> Table:
    table = Table(title=f"{name}: {(BENCHES | LONG)[name]}", title_justify="left", show_edge=False, pad_edge=False)
    for column, justify in (("figure", "left"), ("value", "right"), ("target", "right"), ("reached", "left")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for figure in result.figures:
        table.add_row(figure.name, f"{figure.value:.4g} {figure.unit}".strip(), figure.target, _reached(figure))
    return table


def _reached(figure: Figure) -> str:
    return {True: "[green]yes[/]", False: "[red]no[/]", None: ""}[figure.reached]


def _record(name: str, result: Result) -> None:
    RESULTS.mkdir(exist_ok=True)
    figures = [asdict(figure) | {"reached": figure.reached} for figure in result.figures]
    record = {"bench": name, "skipped": result.skipped, "hardware": hardware(), "figures": figures}
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")


def _run(name: str, console: Console) -> bool:
    """Run one bench, show and record it; return whether every target was reached."""
    result = cast("Result", import_module(f"bench.{name}").run())
    _record(name, result)
    if result.skipped:
        console.print(f"{name}: not measured: {result.skipped}")
        return True
    console.print(_table(name, result))
    return all(figure.reached is not False for figure in result.figures)


def main(names: Sequence[str]) -> int:
    """Run the named benches, or all that there are; return the exit status."""
    unknown = [name for name in names if name not in BENCHES | LONG]
    if unknown:
        print(f"No bench called {', '.join(unknown)}. There are: {', '.join(BENCHES | LONG)}.", file=sys.stderr)
        return 2
    console = Console(width=max(Console().width, 120))  # a figure a line, in a pipe as well
    reached = [_run(name, console) for name in names or BENCHES]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
