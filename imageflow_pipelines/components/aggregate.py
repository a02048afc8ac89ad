"""Many things to one number."""

import math
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from imageflow_domain.errors import InvalidInput
from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Detection, Detections, Measurement, Measurements, Table


class Aggregate(Component):
    """Count rows, or take sum, mean, least or largest of a `column`, into the measurement `into`.

    Detections are a table too, with the columns score, x_px, y_px, width_px and height_px; of them only those with
    `label` count, if one is given. Several tables are one after the other. Without rows, count and sum are 0 and the
    others are `otherwise`.
    """

    name: ClassVar[str] = "aggregate"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0, bytes_per_px=0)

    function: Literal["count", "sum", "mean", "least", "largest"] = "count"
    column: str | None = Field(default=None, max_length=64)
    label: str | None = Field(default=None, max_length=64)
    into: str = Field(default="count", min_length=1, max_length=64)
    unit: str = Field(default="", max_length=16)
    otherwise: float = 0

    @model_validator(mode="after")
    def _has_its_column(self) -> Self:
        if (self.column is None) != (self.function == "count"):
            raise ValueError("name a column for every function but count, and none for count")
        return self

    def __call__(self, rows: tuple[Table | Detections, ...]) -> Measurements:
        """Raise `InvalidInput` for a column that is not there, or holds words."""
        if self.function == "count":
            value = float(sum(self._count(each) for each in rows))
        else:
            value = self._reduced([cell for each in rows for cell in self._cells(each)])
        return Measurements((Measurement(name=self.into, value=value, unit=self.unit),))

    def _count(self, rows: Table | Detections) -> int:
        return len(rows.rows) if isinstance(rows, Table) else len(self._wanted(rows))

    def _cells(self, rows: Table | Detections) -> list[float]:
        column = self.column or ""
        if isinstance(rows, Table):
            cells = rows.column(column)
            if any(isinstance(cell, str) for cell in cells):
                raise InvalidInput(f"Column '{column}' holds words: only numbers can be reduced.")
            return [float(cell) for cell in cells]
        return [_field(detection, column) for detection in self._wanted(rows)]

    def _wanted(self, detections: Detections) -> list[Detection]:
        return [item for item in detections.items if self.label in (None, item.label)]

    def _reduced(self, cells: list[float]) -> float:
        if self.function == "sum":
            return math.fsum(cells)
        if not cells:
            return self.otherwise
        match self.function:
            case "mean":
                return math.fsum(cells) / len(cells)
            case "least":
                return min(cells)
            case _:
                return max(cells)


def _field(detection: Detection, column: str) -> float:
    if column == "score":
        return detection.score
    if column not in ("x_px", "y_px", "width_px", "height_px"):
        raise InvalidInput(f"Detections have no column '{column}': score, x_px, y_px, width_px or height_px.")
    if detection.box is None:
        raise InvalidInput(f"'{detection.label}' concerns the whole picture and has no {column}.")
    return float(getattr(detection.box, column))
