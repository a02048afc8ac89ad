"""One of two ways."""

import operator
from typing import ClassVar, Generic, Literal, NamedTuple

from pydantic import Field

from imageflow_pipelines.component import AnyValue, Component, Needs
from imageflow_pipelines.values import Measurements

_TESTS = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}


class Branches(NamedTuple, Generic[AnyValue]):
    """One port each; exactly one of them has a value."""

    yes: AnyValue | None
    no: AnyValue | None


class Branch(Component):
    """Pass `value` on at `yes` if the measurement fulfils the condition against `limit`, else at `no`.

    Steps that hang on the other way are skipped. `aggregate` makes measurements of detections and tables.
    """

    name: ClassVar[str] = "branch"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0, bytes_per_px=0)

    measurement: str = Field(min_length=1, max_length=64)
    condition: Literal["<", "<=", "==", "!=", ">=", ">"]
    limit: float

    def __call__(self, value: AnyValue, measurements: Measurements) -> Branches[AnyValue]:
        """Raise `InvalidInput` where nothing of that name was measured."""
        if _TESTS[self.condition](measurements.value(self.measurement), self.limit):
            return Branches(yes=value, no=None)
        return Branches(yes=None, no=value)
