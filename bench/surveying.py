"""Whole surveys for benches: the command line in a fresh home, watched from outside."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_SAMPLE_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Watched:
    """One `imageflow survey run`."""

    survey: str
    wall_s: float
    peak_mb: dict[str, float]
    """Largest resident set of each process by its name, in MB."""
    cpu_s: tuple[tuple[float, float], ...]
    """What all of its processes together had used, in seconds, at moments in seconds since 1970."""


def run_survey(home: Path, options: Sequence[str]) -> Watched:
    """Run a survey in its own process, `home` being IMAGEFLOW_HOME; raise `RuntimeError` with its words if it fails."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "imageflow_cli.main", "survey", "run", "--json", *options]
    child = subprocess.Popen(
        command,
        env={**os.environ, "IMAGEFLOW_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    peaks: dict[str, float] = {}
    used: list[tuple[float, float]] = []
    while child.poll() is None:
        cpu_s = 0.0
        for process in _family(child.pid):
            try:
                name, megabytes = process.name(), process.memory_info().rss / 1e6
                cpu_s += sum(process.cpu_times()[:4])  # its own and that of the children that have ended
            except psutil.NoSuchProcess:
                continue
            peaks[name] = max(peaks.get(name, 0.0), megabytes)
        used.append((time.time(), cpu_s))
        time.sleep(_SAMPLE_S)
    wall_s = time.perf_counter() - begin
    out, err = child.communicate()
    if child.returncode != 0:
        raise RuntimeError(err)
    return Watched(survey=json.loads(out.splitlines()[-1])["survey"], wall_s=wall_s, peak_mb=peaks, cpu_s=tuple(used))


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
