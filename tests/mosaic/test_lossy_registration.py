"""Real frames in every lossy format: as many are anchored as without loss, none of them wrongly."""

import numpy as np
import pytest

from tests.mosaic.lossy_sets import FORMATS, WRONG_PX, Outcome, lossy
from tests.mosaic.worlds import real

REACH_PX = 160
LEAST_ANCHORED = 0.97
"""Of the frames that can be placed in lossless form."""

NEIGHBOURS_PX = {True: 0.5, False: 1.0}
"""How far anchored neighbours may be off against each other, by whether frames were cut at whole pixels."""

CASES = [
    *[("openttd-small", format_name) for format_name in FORMATS],
    *[("openttd-keys", format_name) for format_name in ("JPEG 60", "1.25 bilinear")],
    *[("openttd-water", format_name) for format_name in ("JPEG 90", "0.75 bicubic")],
    *[("openttd-running", format_name) for format_name in ("JPEG 75", "WebP 80")],
]


@pytest.mark.parametrize(("set_name", "format_name"), CASES)
def test_a_lossy_survey_is_placed_like_the_lossless_one(set_name: str, format_name: str) -> None:
    survey = real(set_name, "drift")
    outcome = lossy(survey, format_name, reach_px=REACH_PX).placed()
    assert len(outcome.anchored & survey.placeable) >= LEAST_ANCHORED * len(survey.placeable)
    assert outcome.wrong_offsets == []
    errors = outcome.errors_px()
    assert {cell: errors[cell] for cell in outcome.anchored if errors[cell] > WRONG_PX} == {}
    assert max(outcome.neighbour_errors_px()) <= NEIGHBOURS_PX[FORMATS[format_name].factor == 1]
    assert_guesses_are_no_worse_than_given(outcome)


def assert_guesses_are_no_worse_than_given(outcome: Outcome) -> None:
    errors, given = outcome.errors_px(), outcome.given_errors_px()
    assert {cell: errors[cell] for cell in outcome.guessed if errors[cell] > given[cell] + 1} == {}
    if outcome.guessed:
        assert np.mean([errors[c] for c in outcome.guessed]) <= np.mean([given[c] for c in outcome.guessed])
