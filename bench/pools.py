"""One pool raised, that stage alone: surveys by job through a real `imageflow up`, their steps in real processes.

The stages of one survey follow each other, so each stage of a survey shows what its own pool does. Registering, short
beside these, has a bench of its own.
"""

import tempfile
from pathlib import Path

from bench.figures import Figure, Result
from bench.stack import running_stack
from bench.steps import seconds_of
from imageflow_domain.survey import Layer

_GAME = """
title: A city whose camera takes its time
driver: {name: city, parameters: {seed: 3, pace_s: 0.2}}
grid: {rows: 30, cols: 40}
encoding: {lossless_method: 2}
"""
_PATIENCE_S = 1800.0
_SLOTS = {Layer.SCREENSHOTS: ("CAPTURE", 3), Layer.TILES: ("TILES", 2)}
_AT_LEAST = {Layer.SCREENSHOTS: 2.5, Layer.TILES: 1.6}


def run() -> Result:
    """Return how long each stage of a 1,200-shot city takes with one slot and with more."""
    one = _stages(dict.fromkeys(_SLOTS, 1))
    more = _stages({layer: slots for layer, (_, slots) in _SLOTS.items()})
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


def _stages(slots: dict[Layer, int]) -> dict[Layer, float]:
    """Survey once; return seconds from the start of a stage's first step to the end of its last one.

    Each time in a home of its own: a later survey of a save does not encode what it finds there.
    """
    settings = {f"IMAGEFLOW_{pool}_POOL": str(slots[layer]) for layer, (pool, _) in _SLOTS.items()}
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,  # the database outlives the stack a little
        running_stack(Path(folder), settings, {"paced_city": _GAME}) as stack,
    ):
        survey, _ = stack.survey("paced_city", "bench", _PATIENCE_S)
        return {layer: seconds_of(stack.home, survey, layer) for layer in _SLOTS}
