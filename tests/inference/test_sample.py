"""A sample is what was written, and distinguishes answers that are close from those that are not."""

import numpy as np
import pytest

from imageflow_clients.inference.sample import MOST_PICTURES, Sample
from imageflow_domain.errors import InvalidInput

GIVEN = np.random.default_rng(7).random((6, 3, 8, 10), np.float32)
BOXES = np.full((6, 2, 4), 3, np.float32)
SCORES = np.full((6, 2, 1), 0.5, np.float32)


def whole() -> Sample:
    return Sample.of({"image": GIVEN}, {"boxes": BOXES, "scores": SCORES})


def test_a_sample_is_read_as_it_was_written_whatever_its_tensors_are_called() -> None:
    sample = Sample.decode(Sample.of({"file": GIVEN}, {"answers": BOXES, "a/b": SCORES}).encode())
    np.testing.assert_array_equal(sample.inputs["file"], GIVEN[:MOST_PICTURES])
    np.testing.assert_array_equal(sample.answers["answers"], BOXES[:MOST_PICTURES])
    np.testing.assert_array_equal(sample.answers["a/b"], SCORES[:MOST_PICTURES])
    for place, picture in enumerate(sample.pictures()):
        np.testing.assert_array_equal(picture.inputs["file"], GIVEN[place : place + 1])


def test_boxes_may_differ_by_a_share_of_the_longer_side_and_scores_by_themselves() -> None:
    sample = whole()
    close = {"boxes": sample.answers["boxes"] + np.float32(0.09), "scores": sample.answers["scores"]}
    sample.check(close, 0.01, who="It")
    with pytest.raises(InvalidInput, match=r"It answers otherwise .*'scores' differs by 0.09 and may by 0.01"):
        sample.check({**close, "scores": sample.answers["scores"] + np.float32(0.09)}, 0.01, who="It")
    with pytest.raises(InvalidInput, match="'boxes' differs"):
        sample.check({**close, "boxes": sample.answers["boxes"] + np.float32(0.11)}, 0.01, who="It")


def test_numbers_that_are_none_and_other_shapes_are_no_answers() -> None:
    sample = whole()
    broken = sample.answers["scores"].copy()
    broken[0, 0, 0] = np.nan
    with pytest.raises(InvalidInput, match="'scores' differs by nan"):
        sample.check({**sample.answers, "scores": broken}, 0.01, who="It")
    with pytest.raises(InvalidInput, match=r"of shape \(4, 1, 1\) instead of \(4, 2, 1\)"):
        sample.check({**sample.answers, "scores": broken[:, :1]}, 0.01, who="It")
