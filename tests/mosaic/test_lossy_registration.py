"""Real frames in every lossy format: as many are anchored as without loss, none of them wrongly."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from imageflow_domain.grid import Cell
from imageflow_mosaic.ambiguity import settle_ambiguous
from imageflow_mosaic.placement import place
from tests.mosaic.lossy_sets import FORMATS, LOSSLESS, WRONG_PX, Outcome, lossy
from tests.mosaic.worlds import Surveyed, real
from tests.thorough import repeated

REACH_PX = 160
LEAST_ANCHORED = 0.97
"""Of the frames that are anchored where they are only cut."""

LEAST_PLACED = 19 / 36
"""Of the frames of a set that is half water."""

NEIGHBOURS_PX = {True: 0.5, False: 1.0}
"""How far anchored neighbours may be off against each other, by whether frames were cut at whole pixels."""

CUTS = {"openttd-small": 0, "openttd-keys": 0, "openttd-water": 1, "openttd-running": 1}

EVERY_CASE = [
    *[("openttd-small", format_name) for format_name in FORMATS],
    *[("openttd-keys", format_name) for format_name in ("JPEG 60", "1.25 bilinear")],
    *[("openttd-water", format_name) for format_name in ("JPEG 90", "0.75 bicubic")],
    *[("openttd-running", format_name) for format_name in ("JPEG 75", "WebP 80")],
]
CASES = repeated(
    [
        ("openttd-small", "JPEG 60"),
        ("openttd-small", "JPEG 90 with a clock"),
        ("openttd-keys", "1.25 bilinear"),
        ("openttd-running", "WebP 80"),
    ],
    thorough=EVERY_CASE,
)
"""One format of each kind; `make soak` takes all."""


@cache
def surveyed(name: str) -> Surveyed:
    """Return a set; of those that can be placed anywhere, a corner."""
    survey = real(name, "drift")
    return survey if CUTS[name] else survey.corner()


@cache
def anchored_without_loss(name: str) -> frozenset[Cell]:
    return lossy(surveyed(name), LOSSLESS, reach_px=REACH_PX, seed=CUTS[name]).placed().anchored


@pytest.mark.parametrize(("name", "format_name"), CASES)
def test_a_lossy_survey_is_placed_like_the_lossless_one(name: str, format_name: str) -> None:
    survey, expected = surveyed(name), anchored_without_loss(name)
    outcome = lossy(survey, format_name, reach_px=REACH_PX, seed=CUTS[name]).placed()
    assert len(expected) >= LEAST_PLACED * len(survey.truth)
    assert len(outcome.anchored & expected) >= LEAST_ANCHORED * len(expected)
    assert outcome.anchored <= survey.placeable
    assert outcome.wrong_offsets == []
    errors = outcome.errors_px()
    assert {cell: errors[cell] for cell in outcome.anchored if errors[cell] > WRONG_PX} == {}
    assert max(outcome.neighbour_errors_px()) <= NEIGHBOURS_PX[FORMATS[format_name].factor == 1]
    _guesses_are_no_worse_than_given(outcome)


def test_one_lossy_pair_changes_no_guess_of_lossless_frames() -> None:
    survey = lossy(surveyed("openttd-water"), LOSSLESS, reach_px=REACH_PX, seed=1)
    pairs = survey.pairs()
    pairs[0] = replace(pairs[0], rest_x_px=0.02, sigma_px=0.05, noise=6.0)
    solution = place(survey.areas, pairs, reach_px=REACH_PX)
    assert not solution.fidelity.is_lossless
    placements = settle_ambiguous(
        solution, survey.areas, survey.pictures.__getitem__, masks=(), reach_px=survey.reach_px
    )
    errors = Outcome(survey=survey, pairs=pairs, solution=solution, placements=placements).errors_px()
    assert set(errors.values()) == {0.0}


def _guesses_are_no_worse_than_given(outcome: Outcome) -> None:
    errors, given = outcome.errors_px(), outcome.given_errors_px()
    assert {cell: errors[cell] for cell in outcome.guessed if errors[cell] > given[cell] + 1} == {}
    if outcome.guessed:
        assert np.mean([errors[c] for c in outcome.guessed]) <= np.mean([given[c] for c in outcome.guessed])
