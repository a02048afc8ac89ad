"""What the tests cost: a pytest plugin that writes a file for each group, and a table of all groups.

`python -m tests.times FOLDER COMMAND...` runs the command that makes the files in the folder, adds `all.json` to them,
and shows them.
"""

import json
import os
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.reaper import cpu_s, reap, tree_cpu_s

_MOST = 25


@dataclass(frozen=True, kw_only=True)
class Times:
    """What one group of tests cost."""

    tests: int
    wall_s: float
    cpu_s: float
    """Of the tests and of every process that they started: see `tests/reaper.py`."""
    slowest: dict[str, float]
    """Wall seconds of the slowest tests, fixtures that they are the first to ask for included, the slowest first."""
    costliest: dict[str, float]
    """Processor seconds in the same way, of what runs beside a test included."""


class Stopwatch:
    """Writes the times of a session to a file when it ends."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._began = time.monotonic()
        self._wall_s: dict[str, float] = {}
        self._cpu_s: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        began, used = time.monotonic(), cpu_s()
        result = yield
        self._wall_s[item.nodeid] = time.monotonic() - began
        self._cpu_s[item.nodeid] = cpu_s() - used
        return result

    def pytest_sessionfinish(self) -> None:
        times = Times(
            tests=len(self._wall_s),
            wall_s=round(time.monotonic() - self._began, 1),
            cpu_s=round(cpu_s(), 1),
            slowest=_largest(self._wall_s),
            costliest=_largest(self._cpu_s),
        )
        _write(times, self._file)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--times", type=Path, help="Write what the tests cost to this file.")


def pytest_configure(config: pytest.Config) -> None:
    file = config.getoption("--times")
    if file is not None:
        config.pluginmanager.register(Stopwatch(file))


def _largest(seconds: dict[str, float]) -> dict[str, float]:
    return {test: round(used, 1) for test, used in sorted(seconds.items(), key=lambda one: -one[1])[:_MOST]}


def read(folder: Path) -> dict[str, Times]:
    """Return the groups whose files lie in a folder."""
    return {file.stem: Times(**json.loads(file.read_text("utf-8"))) for file in sorted(folder.glob("*.json"))}


def together(groups: Sequence[Times], *, wall_s: float, cpu_s: float) -> Times:
    """Return the times of groups that ran at once, beside which other things ran."""
    return Times(
        tests=sum(group.tests for group in groups),
        wall_s=wall_s,
        cpu_s=cpu_s,
        slowest=_largest({test: seconds for group in groups for test, seconds in group.slowest.items()}),
        costliest=_largest({test: seconds for group in groups for test, seconds in group.costliest.items()}),
    )


def shown(groups: Mapping[str, Times]) -> Table:
    """Return a table of groups, with the three slowest tests of each."""
    table = Table(title="What the tests cost", title_justify="left", show_edge=False, pad_edge=False)
    for column in ("group", "tests", "wall s", "processor s", "slowest"):
        table.add_column(column, justify="left" if column in {"group", "slowest"} else "right")
    for name, times in groups.items():
        slowest = "\n".join(
            f"{seconds:6.1f} {escape(test.rpartition('/')[2][:100])}"
            for test, seconds in list(times.slowest.items())[:3]
        )
        table.add_row(name, str(times.tests), f"{times.wall_s:.0f}", f"{times.cpu_s:.0f}", slowest)
    return table


def _write(times: Times, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(times), indent=1) + "\n", encoding="utf-8")


def _main(folder: Path, command: Sequence[str]) -> int:
    began = time.monotonic()
    status = reap(command)
    wall_s, used_s = time.monotonic() - began, tree_cpu_s(os.getpid())
    groups = read(folder)
    # What outlived the group that started it is here alone, and so are the static checks.
    every = together(list(groups.values()), wall_s=round(wall_s, 1), cpu_s=round(used_s, 1))
    _write(every, folder / "all.json")
    Console(width=160).print(shown({**groups, "all, and the checks": every}))
    return status


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), sys.argv[2:]))
