"""One pool raised, that stage alone: surveys by job through a real `imageflow up`, their runs in real workers.

The stages of one survey follow each other, so each stage of a survey shows what its own pool does. Registration is
short beside the other two: it is shown over three times as many screenshots, the same for one slot and for more.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench.figures import Figure, Result
from bench.stack import running_stack
from imageflow_clients.settings import Settings
from imageflow_domain.survey import Layer

_PACED = """
title: A city whose camera takes its time
driver: {name: city, parameters: {seed: 3, pace_s: 0.2}}
grid: {rows: 30, cols: 40}
encoding: {lossless_method: 2}
"""
_LARGE = """
title: A city large enough that registering it takes a minute
driver: {name: city, parameters: {seed: 3}}
grid: {rows: 60, cols: 60}
encoding: {lossless_method: 0}
"""
_PATIENCE_S = 1800.0
_POSTGRES_END_S = 60.0
_SLOTS = {Layer.SCREENSHOTS: ("CAPTURE", 3), Layer.PAIR_OFFSETS: ("COORDS", 2), Layer.TILES: ("TILES", 2)}
_AT_LEAST = {Layer.SCREENSHOTS: 2.5, Layer.PAIR_OFFSETS: 1.6, Layer.TILES: 1.6}


def run() -> Result:
    """Return how long each stage takes with one slot and with more: offsets of 3,600 shots, the others of 1,200."""
    more_slots = {layer: slots for layer, (_, slots) in _SLOTS.items()}
    with tempfile.TemporaryDirectory() as folder:
        one = _stages(Path(folder), dict.fromkeys(_SLOTS, 1))
        more = _stages(Path(folder), more_slots)
    with tempfile.TemporaryDirectory() as folder:
        one[Layer.PAIR_OFFSETS], more[Layer.PAIR_OFFSETS] = _registration(Path(folder))
    figures = []
    for layer, (_, slots) in _SLOTS.items():
        figures += [
            Figure(name=f"{layer}: one slot", value=one[layer], unit="s"),
            Figure(name=f"{layer}: {slots} slots", value=more[layer], unit="s"),
            Figure(
                name=f"{layer}: one slot / {slots} slots",
                value=one[layer] / more[layer],
                at_least=_AT_LEAST[layer],
            ),
        ]
    return Result(figures=tuple(figures))


def _stages(folder: Path, slots: Mapping[Layer, int]) -> dict[Layer, float]:
    """Survey once; return seconds from the start of a stage's first run to the end of its last one."""
    with running_stack(folder, _pools(slots), {"paced_city": _PACED}) as stack:
        survey, _ = stack.survey("paced_city", "bench", _PATIENCE_S)
        return {layer: _seconds(stack.home, survey, layer) for layer in (Layer.SCREENSHOTS, Layer.TILES)}


def _registration(folder: Path) -> tuple[float, float]:
    """Take screenshots once; return the seconds of registering them with one slot, and with more."""
    games = {"large_city": _LARGE}
    taken = folder / "taken"
    taken.mkdir()
    with running_stack(taken, {}, games) as stack:
        job = stack.take("large_city", "bench", _PATIENCE_S)
    _await_postgres_end(stack.home)
    seconds = []
    for slots in (1, _SLOTS[Layer.PAIR_OFFSETS][1]):
        placed = folder / f"placed_{slots}"
        subprocess.run(["cp", "-a", taken, placed], check=True)  # with the owners, which PostgreSQL insists on
        with running_stack(placed, _pools({Layer.PAIR_OFFSETS: slots}), games) as stack:
            begun = time.time()
            survey = stack.place(job, _PATIENCE_S)
            seconds.append(_seconds(stack.home, survey, Layer.PAIR_OFFSETS, since=begun))
        _await_postgres_end(stack.home)
        shutil.rmtree(placed)
    return seconds[0], seconds[1]


def _pools(slots: Mapping[Layer, int]) -> dict[str, str]:
    return {f"IMAGEFLOW_{_SLOTS[layer][0]}_POOL": str(number) for layer, number in slots.items()}


def _await_postgres_end(home: Path) -> None:
    """Wait until the embedded server, which outlives its last client a little, changes its files no more."""
    deadline = time.monotonic() + _POSTGRES_END_S
    while any(home.rglob("postmaster.pid")):
        if time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL of '{home}' has not ended.")
        time.sleep(0.2)


def _seconds(home: Path, survey: str, layer: Layer, since: float = 0) -> float:
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    import dagster as dg

    from imageflow_resources.storage import load_instance
    from imageflow_surveys.runs import SURVEY_TAG, layers_of

    with load_instance(Settings(home=home)) as instance:
        records = instance.get_run_records(dg.RunsFilter(tags={SURVEY_TAG: survey}))
        runs = [
            record
            for record in records
            if layer in layers_of(record.dagster_run.tags) and record.create_timestamp.timestamp() >= since
        ]
        starts = [record.start_time for record in runs if record.start_time is not None]
        ends = [record.end_time for record in runs if record.end_time is not None]
    if len(ends) != len(runs) or not runs:
        raise RuntimeError(f"Not all runs of {layer} of '{survey}' have ended.")
    return max(ends) - min(starts)
