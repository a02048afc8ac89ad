"""What the benches read of a survey's steps: every layer, by the time that Dagster recorded."""

import time
from pathlib import Path

import pytest

from bench.steps import StepTime, covered_s, seconds_of, steps_of, windows_of
from bench.surveying import run_survey
from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_domain.survey import BLOCK_LAYERS, Layer


def _step(begin: float, end: float) -> StepTime:
    return StepTime(layer=Layer.TILES, begin=begin, end=end, is_work=True)


def test_steps_that_ran_at_once_are_counted_once() -> None:
    steps = [_step(5, 6), _step(0, 3), _step(1, 2), _step(2, 4)]
    assert windows_of(steps) == ((0, 4), (5, 6))
    assert covered_s(steps) == 5
    assert covered_s([]) == 0


@pytest.mark.e2e
def test_every_layer_of_a_survey_by_command_line_has_its_steps(tmp_path: Path) -> None:
    begin = time.time()
    options = ("--driver", "city", "--game", "city", "--save", "steps", "--grid", "2x2", "--set", "view=[320,256]")
    survey = run_survey(tmp_path / "home", options).survey
    steps = steps_of(tmp_path / "home", survey)
    with pytest.raises(RuntimeError, match="has no step of tiles"):
        seconds_of(tmp_path / "home", survey, Layer.TILES, since=time.time())
    tiles_s = seconds_of(tmp_path / "home", survey, Layer.TILES)
    EmbeddedPostgres(tmp_path / "home" / "postgres").stop()
    counts = {layer: [step.is_work for step in steps if step.layer is layer] for layer in Layer}
    for layer in Layer:
        assert sorted(counts[layer]) == ([False, False, True] if layer in BLOCK_LAYERS else [True])
    assert all(begin < step.begin <= step.end < time.time() for step in steps)
    assert 0 < tiles_s < covered_s(steps)
