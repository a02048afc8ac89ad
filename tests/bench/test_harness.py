"""The bench's own rules: what a figure says of its target, what is printed and recorded, and what is refused."""

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from bench import __main__ as harness
from bench.figures import Figure, Result, spending


@pytest.mark.parametrize(
    ("figure", "reached", "target"),
    [
        (Figure(name="ratio", value=1.2, at_most=1.25), True, "<= 1.25"),
        (Figure(name="ratio", value=1.3, at_most=1.25), False, "<= 1.25"),
        (Figure(name="share", value=96, unit="%", at_least=95), True, ">= 95 %"),
        (Figure(name="share", value=94, unit="%", at_least=95), False, ">= 95 %"),
        (Figure(name="time", value=3, unit="s"), None, ""),
    ],
)
def test_a_figure_knows_whether_its_target_is_reached(figure: Figure, reached: bool | None, target: str) -> None:
    assert figure.reached is reached
    assert figure.target == target


def test_spending_counts_processor_time_and_the_clock() -> None:
    with spending() as spent:
        sum(range(300_000))
    assert spent.cpu_s > 0
    assert spent.wall_s > 0


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    return tmp_path


def stand_in(monkeypatch: pytest.MonkeyPatch, result: Result) -> None:
    """Register a bench called `sample` that reports `result`."""
    module = ModuleType("bench.sample")
    module.run = lambda: result  # type: ignore[attr-defined]  # what a bench's module is
    monkeypatch.setitem(sys.modules, "bench.sample", module)
    monkeypatch.setitem(harness.BENCHES, "sample", "a sample")


def test_a_missed_target_is_printed_recorded_and_ends_with_status_1(
    monkeypatch: pytest.MonkeyPatch, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in(monkeypatch, Result(figures=(Figure(name="waiting", value=0.2, unit="s", at_most=0.1),)))
    assert harness.main(["sample"]) == 1
    printed = capsys.readouterr().out
    assert "waiting" in printed
    assert "no" in printed
    record = json.loads((results / "sample.json").read_text())
    assert record["figures"][0]["value"] == 0.2
    assert record["figures"][0]["reached"] is False
    assert set(record["hardware"]) == {"processor", "cores", "memory_gib", "python", "system"}


def test_a_reached_target_ends_with_status_0(monkeypatch: pytest.MonkeyPatch, results: Path) -> None:
    stand_in(monkeypatch, Result(figures=(Figure(name="waiting", value=0.05, unit="s", at_most=0.1),)))
    assert harness.main(["sample"]) == 0


def test_a_bench_that_cannot_run_says_why(
    monkeypatch: pytest.MonkeyPatch, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in(monkeypatch, Result(skipped="OpenTTD is not installed."))
    assert harness.main(["sample"]) == 0
    assert "OpenTTD is not installed." in capsys.readouterr().out


def test_an_unknown_name_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert harness.main(["speed"]) == 2
    message = capsys.readouterr().err
    assert "speed" in message
    assert all(name in message for name in harness.BENCHES)


def test_the_record_names_neither_host_nor_path() -> None:
    words = json.dumps(harness.hardware())
    assert str(Path.home()) not in words
    assert str(Path.cwd()) not in words
