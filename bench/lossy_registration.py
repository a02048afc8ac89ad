"""Registration of lossy screenshots: its cost against decoding them, and real sets in every lossy format."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO

import cv2
import numpy as np
from PIL import Image

from bench.figures import Figure, Result, spending
from imageflow_mosaic.codec import Pixels, decode_picture
from tests.mosaic.lossy_sets import FORMATS, LOSSLESS, WRONG_PX, Outcome, lossy
from tests.mosaic.worlds import REAL_SETS, real

ROUNDS = 3
REACH_PX = 160
CUTS = (1,)
"""Seeds of the corners that frames are cut at."""

TARGET_DECODINGS = 20.0
TARGET_ANCHORED_PERCENT = 97.0
NEIGHBOURS_PX = {True: 0.5, False: 1.0}
"""By whether frames were cut at whole pixels."""


def run() -> Result:
    """Return what a JPEG costs to register, and for each format how many frames are placed, and how well."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # several threads spin while they wait, which would count as work
    try:
        return Result(figures=(*_cost(), *_matrix()))
    finally:
        cv2.setNumThreads(threads)


def _cost() -> Iterator[Figure]:
    for name in ("openttd-small", "openttd-water"):
        survey = lossy(real(name, "drift"), "JPEG 90", reach_px=REACH_PX)
        stored = [_jpeg(pixels) for pixels in survey.pictures.values()]
        count = len(stored)
        decoding_s = _least_cpu_s(partial(_decode, stored))
        registering_s = _least_cpu_s(survey.placed)
        yield Figure(
            name=f"registration CPU a frame / decoding it from JPEG 90, {name}",
            value=registering_s / decoding_s,
            at_most=TARGET_DECODINGS,
        )
        yield Figure(name=f"registration CPU a frame, {name}", value=1e3 * registering_s / count, unit="ms")
        yield Figure(name=f"decoding a frame, {name}", value=1e3 * decoding_s / count, unit="ms")


def _decode(stored: Sequence[bytes]) -> None:
    for data in stored:
        decode_picture(data)


def _jpeg(pixels: Pixels) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=90, subsampling=2)
    return out.getvalue()


def _least_cpu_s(work: Callable[[], object]) -> float:
    spent_s = []
    for _ in range(ROUNDS):
        with spending() as spent:
            work()
        spent_s.append(spent.cpu_s)
    return min(spent_s)


@dataclass(kw_only=True)
class _Tally:
    """What was counted of one format, over all sets."""

    expected: int = 0
    anchored: int = 0
    wrong: int = 0
    wrong_offsets: int = 0
    flagged_less: int = 0
    worse: int = 0
    apart_px: float = 0.0
    guessed_px: list[float] = field(default_factory=list)
    given_px: list[float] = field(default_factory=list)

    def add(self, outcome: Outcome, lossless: Outcome) -> None:
        errors, given = outcome.errors_px(), outcome.given_errors_px()
        expected = lossless.anchored & outcome.survey.placeable
        self.expected += len(expected)
        self.anchored += len(expected & outcome.anchored)
        self.wrong += sum(errors[cell] > WRONG_PX for cell in outcome.anchored)
        self.wrong_offsets += len(outcome.wrong_offsets)
        self.flagged_less += len(outcome.anchored - outcome.survey.placeable)
        self.worse += sum(errors[cell] > given[cell] + 1 for cell in outcome.guessed)
        self.apart_px = max(self.apart_px, *outcome.neighbour_errors_px())
        self.guessed_px += [errors[cell] for cell in outcome.guessed]
        self.given_px += [given[cell] for cell in outcome.guessed]

    def figures(self, format_name: str) -> Sequence[Figure]:
        apart_px = NEIGHBOURS_PX[FORMATS[format_name].factor == 1]
        return (
            Figure(
                name=f"anchored of {self.expected} that are without loss, {format_name}",
                value=100 * self.anchored / self.expected,
                unit="%",
                at_least=TARGET_ANCHORED_PERCENT,
            ),
            Figure(name=f"anchored wrongly, {format_name}", value=self.wrong, at_most=0),
            Figure(name=f"wrong offsets kept, {format_name}", value=self.wrong_offsets, at_most=0),
            Figure(name=f"neighbours apart, {format_name}", value=self.apart_px, unit="px", at_most=apart_px),
            Figure(name=f"anchored that nothing can place, {format_name}", value=self.flagged_less, at_most=0),
            Figure(name=f"guesses worse than given, {format_name}", value=self.worse, at_most=0),
            Figure(
                name=f"error of {len(self.guessed_px)} guesses / of given positions, {format_name}",
                value=float(np.sum(self.guessed_px) / np.sum(self.given_px)),
                at_most=1.0,
            ),
        )


def _matrix() -> Iterator[Figure]:
    tallies = {format_name: _Tally() for format_name in FORMATS}
    for name in REAL_SETS:
        survey = real(name, "drift")
        for seed in CUTS:
            lossless = lossy(survey, LOSSLESS, reach_px=REACH_PX, seed=seed).placed()
            for format_name, tally in tallies.items():
                tally.add(lossy(survey, format_name, reach_px=REACH_PX, seed=seed).placed(), lossless)
    for format_name, tally in tallies.items():
        yield from tally.figures(format_name)
