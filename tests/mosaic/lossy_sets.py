"""Surveys in every lossy format that registration promises to place, and how well it placed them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from imageflow_domain.geometry import Offset, Position, Rect
from imageflow_domain.grid import Cell
from imageflow_domain.placement import PairOffset, Placement, PlacementStatus
from imageflow_domain.ports import Area
from imageflow_mosaic.ambiguity import settle_ambiguous
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.fingerprint import fingerprint
from imageflow_mosaic.overlays import find_overlays, sample_of
from imageflow_mosaic.placement import Solution, place
from imageflow_mosaic.registration import register
from tests.mosaic import lossy_frames
from tests.mosaic.worlds import Surveyed, neighbours

WRONG_PX = 1.0
"""A place or an offset that is farther off on either axis is wrong."""

_MARK = Rect(x_px=640, y_px=300, width_px=220, height_px=48)
_CLOCK = Rect(x_px=800, y_px=8, width_px=160, height_px=32)

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Format:
    """What becomes of the frames of a survey."""

    change: Callable[[Pixels, int], Pixels]
    """Takes a frame and its number, which is the time that its clock shows."""
    factor: float = 1.0
    """The frames' size afterwards, as a multiple."""


def _scaled(factor: float, resampling: str) -> Format:
    return Format(
        change=lambda pixels, _: lossy_frames.scaled(pixels, factor, resampling),
        factor=factor,
    )


def _jpeg(quality: int, drawn: Callable[[Pixels, int], Pixels] = lambda pixels, _: pixels) -> Format:
    return Format(change=lambda pixels, number: lossy_frames.jpeg(drawn(pixels, number), quality))


LOSSLESS = "PNG"

FORMATS: Mapping[str, Format] = {
    "JPEG 95": _jpeg(95),
    "JPEG 90": _jpeg(90),
    "JPEG 75": _jpeg(75),
    "JPEG 60": _jpeg(60),
    "WebP 80": Format(change=lambda pixels, _: lossy_frames.webp(pixels, 80)),
    **{
        f"{factor:g} {resampling}": _scaled(factor, resampling)
        for factor in (0.75, 1.25, 1.5)
        for resampling in lossy_frames.RESAMPLING
    },
    "JPEG 90 with a cursor": _jpeg(90, lambda pixels, _: lossy_frames.with_cursor(pixels, 400, 300)),
    "JPEG 90 with a watermark": _jpeg(90, lambda pixels, _: lossy_frames.with_watermark(pixels, _MARK)),
    "JPEG 90 with a clock": _jpeg(90, lambda pixels, number: lossy_frames.with_clock(pixels, _CLOCK, 37 * number)),
}


@dataclass(frozen=True, kw_only=True)
class LossySurvey:
    """A survey whose frames are lossy, where they truly lie, and where they are believed to be."""

    pictures: Mapping[Cell, Pixels]
    truth: Mapping[Cell, Point]
    """Top left corners; fractional where frames were scaled."""
    areas: Sequence[Area]
    reach_px: int
    placeable: frozenset[Cell]
    masks: tuple[Rect, ...] = ()

    @cached_property
    def overlays(self) -> tuple[Rect, ...]:
        """What stands still in all frames."""
        return find_overlays([self.pictures[cell] for cell in sample_of(self.pictures)], self.masks)

    def pairs(self) -> list[PairOffset]:
        """Register every pair of neighbours."""
        prints = {
            cell: fingerprint(pixels, self.masks, lambda: self.overlays) for cell, pixels in self.pictures.items()
        }
        at = {area.cell: area.position for area in self.areas if area.position is not None}
        found = []
        for first, second in neighbours(at):
            expected = Offset(
                dx_px=round(at[second].x_px - at[first].x_px), dy_px=round(at[second].y_px - at[first].y_px)
            )
            match = register(prints[first], prints[second], expected, self.reach_px)
            if match is not None:
                found.append(match.between(first, second))
        return found

    def placed(self) -> "Outcome":
        """Register, solve, and settle what no offset ties."""
        pairs = self.pairs()
        solution = place(self.areas, pairs, reach_px=self.reach_px)
        placements = settle_ambiguous(
            solution,
            self.areas,
            self.pictures.__getitem__,
            masks=self.masks,
            reach_px=self.reach_px,
            overlays=() if solution.fidelity.is_lossless else self.overlays,
        )
        return Outcome(survey=self, pairs=pairs, solution=solution, placements=placements)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What registration made of a lossy survey, beside the truth."""

    survey: LossySurvey
    pairs: Sequence[PairOffset]
    solution: Solution
    placements: Sequence[Placement]

    @property
    def anchored(self) -> frozenset[Cell]:
        return frozenset(p.cell for p in self.placements if p.status is PlacementStatus.ANCHORED)

    @property
    def guessed(self) -> frozenset[Cell]:
        return frozenset(self.survey.truth) - self.anchored

    @property
    def wrong_offsets(self) -> list[PairOffset]:
        """Kept by the solution."""
        return [pair for pair in self.solution.kept if self._off_px(pair) > WRONG_PX]

    def errors_px(self) -> dict[Cell, float]:
        """How far each placement is off, on the worse axis, but for the anchored ones' common shift."""
        return self._errors({p.cell: (p.x_px, p.y_px) for p in self.placements})

    def given_errors_px(self) -> dict[Cell, float]:
        """How far each screenshot would be off where it was believed to be."""
        return self._errors({a.cell: (a.position.x_px, a.position.y_px) for a in self.survey.areas if a.position})

    def neighbour_errors_px(self) -> list[float]:
        """How far anchored neighbours are off against each other, on the worse axis."""
        placed = {p.cell: np.array((p.x_px, p.y_px)) for p in self.placements if p.cell in self.anchored}
        truth = {cell: np.array(at) for cell, at in self.survey.truth.items()}
        return [
            float(np.abs(placed[second] - placed[first] - (truth[second] - truth[first])).max())
            for first, second in neighbours(placed)
        ]

    def _errors(self, places: Mapping[Cell, Point]) -> dict[Cell, float]:
        off = {cell: np.array(at) - np.array(self.survey.truth[cell]) for cell, at in places.items()}
        held = [off[cell] for cell in self.anchored]
        shift: NDArray[np.float64] = np.median(held, axis=0) if held else np.zeros(2)
        return {cell: float(np.abs(error - shift).max()) for cell, error in off.items()}

    def _off_px(self, pair: PairOffset) -> float:
        first, second = self.survey.truth[pair.reference], self.survey.truth[pair.moving]
        return max(abs(pair.dx_px - (second[0] - first[0])), abs(pair.dy_px - (second[1] - first[1])))


def lossy(survey: Surveyed, format_name: str, *, reach_px: int, seed: int = 0) -> LossySurvey:
    """Cut each frame at a corner of its own, and store it in a format.

    Args:
        format_name: A key of `FORMATS`, or `LOSSLESS`: only cut.
        reach_px: Of the survey as it was.
    """
    kind = Format(change=lambda pixels, _: pixels) if format_name == LOSSLESS else FORMATS[format_name]
    cut = lossy_frames.cut(survey, seed)
    pictures = {cell: kind.change(cut.pictures[cell], number) for number, cell in enumerate(sorted(cut.pictures))}
    return LossySurvey(
        pictures=pictures,
        truth={cell: (kind.factor * x, kind.factor * y) for cell, (x, y) in cut.truth.items()},
        areas=[_moved(area, kind.factor) for area in cut.areas],
        reach_px=round(kind.factor * reach_px),
        placeable=survey.placeable,
        masks=survey.masks,
    )


def _moved(area: Area, factor: float) -> Area:
    at = area.position
    if at is None:
        return area
    return replace(area, position=Position(x_px=factor * at.x_px, y_px=factor * at.y_px))
