"""Statistics in the API."""

from datetime import date
from typing import Self

from pydantic import BaseModel

from imageflow_domain.inspection import Figures, Period
from imageflow_inspection.statistics import Counted


class FigureFacts(BaseModel):
    """Counts of one period; a key that was not asked for is empty."""

    begins: date
    product: str
    item: str
    """Empty for pictures as a whole."""
    inspector: str
    """Empty for the pipelines."""
    judged: int
    passed: int
    failed: int
    undecided: int
    corrected: int
    """Of people's verdicts, those that differ from the pipelines'."""
    correction_rate: float
    """`corrected` / `judged`."""
    seconds: float

    @classmethod
    def of(cls, figures: Figures) -> Self:
        """Add the share of corrections, which is 0 where nothing was judged."""
        return cls(
            begins=figures.begins,
            product=figures.product,
            item=figures.item,
            inspector=figures.inspector,
            judged=figures.judged,
            passed=figures.passed,
            failed=figures.failed,
            undecided=figures.undecided,
            corrected=figures.corrected,
            correction_rate=figures.correction_rate,
            seconds=figures.seconds,
        )


class Statistics(BaseModel):
    """Counts by period, in order."""

    period: Period
    begins: date
    ends: date
    figures: list[FigureFacts]
    uncounted: int
    """Days of products in which something changed since they were counted last."""

    @classmethod
    def of(cls, period: Period, counted: Counted) -> Self:
        """List the days that were counted, those that were chosen by default included."""
        return cls(
            period=period,
            begins=counted.begins,
            ends=counted.ends,
            figures=[FigureFacts.of(each) for each in counted.figures],
            uncounted=counted.uncounted,
        )
