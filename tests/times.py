"""What the tests cost: a pytest plugin that writes a file for each group, and `python -m tests.times` that shows them.

`make test` gives each group a file under `build/test-times`, and shows them all at its end.
"""

import json
import resource
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_SLOWEST = 25


@dataclass(frozen=True, kw_only=True)
class Times:
    """What one group of tests cost."""

    tests: int
    wall_s: float
    cpu_s: float
    """Of the tests and of every process that they started and waited for."""
    slowest: dict[str, float]
    """Wall seconds of the slowest tests, their own fixtures included, the slowest first."""


class Stopwatch:
    """Writes the times of a session to a file when it ends."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._began = time.monotonic()
        self._tests: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._tests[report.nodeid] += report.duration  # type: ignore[assignment]

    def pytest_sessionfinish(self) -> None:
        times = Times(
            tests=len(self._tests),
            wall_s=round(time.monotonic() - self._began, 1),
            cpu_s=round(_cpu_s(resource.RUSAGE_SELF) + _cpu_s(resource.RUSAGE_CHILDREN), 1),
            slowest={test: round(seconds, 1) for test, seconds in self._tests.most_common(_SLOWEST)},
        )
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(asdict(times), indent=1) + "\n", encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--times", type=Path, help="Write what the tests cost to this file.")


def pytest_configure(config: pytest.Config) -> None:
    file = config.getoption("--times")
    if file is not None:
        config.pluginmanager.register(Stopwatch(file))


def _cpu_s(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def show(folder: Path) -> Table:
    """Return a table of the groups whose files lie in a folder, with the three slowest tests of each."""
    table = Table(title="What the tests cost", title_justify="left", show_edge=False, pad_edge=False)
    for column in ("group", "tests", "wall s", "processor s", "slowest"):
        table.add_column(column, justify="left" if column in {"group", "slowest"} else "right")
    groups = {file.stem: Times(**json.loads(file.read_text("utf-8"))) for file in sorted(folder.glob("*.json"))}
    for name, times in groups.items():
        slowest = "\n".join(
            f"{seconds:6.1f} {escape(test.rpartition('/')[2][:100])}"
            for test, seconds in list(times.slowest.items())[:3]
        )
        table.add_row(name, str(times.tests), f"{times.wall_s:.0f}", f"{times.cpu_s:.0f}", slowest)
    total = sum(times.cpu_s for times in groups.values())
    table.add_row("all", str(sum(times.tests for times in groups.values())), "", f"{total:.0f}", "")
    return table


if __name__ == "__main__":
    Console(width=160).print(show(Path(sys.argv[1])))
