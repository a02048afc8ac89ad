"""What a product is inspected for: items with criteria, in versions that never change once they are published."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from imageflow_domain.dated_text import check_bound
from imageflow_domain.errors import Fault, InvalidMaster
from imageflow_domain.faults import describe_faults, faults_of
from imageflow_domain.ids import Name
from imageflow_domain.text_pattern import TextPattern

MOST_ITEMS = 64


def _printable(value: str) -> str:
    if not value.isprintable():  # PostgreSQL keeps no NUL, and the others are invisible
        raise ValueError("holds signs that cannot be printed")
    return value


def _line(value: str) -> str:
    # PostgreSQL keeps no NUL, and no line holds a line feed.
    if not all(sign.isprintable() or (unicodedata.category(sign) == "Cc" and sign not in "\0\n") for sign in value):
        raise ValueError("holds what no line of text does, such as NUL or a line feed: leave it out")
    return value


_Bound = Annotated[str, AfterValidator(check_bound)]
_Line = Annotated[str, AfterValidator(_printable)]
_Label = Annotated[_Line, Field(min_length=1, max_length=64)]
_Measure = Annotated[float, Field(ge=-1e9, le=1e9)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Visual(_Frozen):
    """Passes with at most `most` defects among the detections of the pipeline's output `output`.

    A detection is a defect if its label is one of `labels` (any, if none is named), its score is at least `min_score`,
    and the longer side of its box is at least `min_size_mm`, where that is given.
    """

    output: Name = "defects"
    labels: Annotated[tuple[_Label, ...], Field(max_length=64)] = ()
    min_score: float = Field(default=0.5, ge=0, le=1)
    min_size_mm: float | None = Field(default=None, gt=0, le=100_000)
    mm_per_px: float | None = Field(default=None, gt=0, le=1000)
    """Side of a pixel, by calibration."""
    most: int = Field(default=0, ge=0, le=10_000)

    @model_validator(mode="after")
    def _size_has_its_scale(self) -> Self:
        if (self.min_size_mm is None) != (self.mm_per_px is None):
            raise ValueError("min_size_mm and mm_per_px are given both, or neither")
        return self


class Tolerance(_Frozen):
    """A length, and how far it may be off: from `nominal_mm - minus_mm` to `nominal_mm + plus_mm`, both included."""

    measurement: _Label
    nominal_mm: float = Field(ge=0, le=100_000)
    plus_mm: float = Field(ge=0, le=100_000)
    minus_mm: float = Field(ge=0, le=100_000)


class Dimension(_Frozen):
    """Passes if every length among the measurements of the pipeline's output `output` is within its tolerance."""

    output: Name = "dimensions"
    tolerances: Annotated[tuple[Tolerance, ...], Field(min_length=1, max_length=64)]


class Range(_Frozen):
    """A measured value, and between which it must lie, bounds included."""

    measurement: _Label
    least: _Measure | None = None
    most: _Measure | None = None
    unit: _Line = Field(default="", max_length=16)

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.least is None and self.most is None:
            raise ValueError("least, most or both are given")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError("least is above most: nothing can pass")
        return self


class Function(_Frozen):
    """Passes if every value among the measurements of the pipeline's output `output` is in its range."""

    output: Name = "values"
    ranges: Annotated[tuple[Range, ...], Field(min_length=1, max_length=64)]


class DateRule(_Frozen):
    """When a date of a pattern must lie: from `not_before` to `not_after`, both included.

    A bound is a day such as 2026-12-31, or `today`, `today+30`, `today-30`: counted from the day (UTC) on which the
    batch was closed, so that judging it again gives the same verdict. A date without a day is the whole month: one of
    its days is enough.
    """

    date: Name = "date"
    """Its name in the pattern."""
    not_before: _Bound | None = None
    not_after: _Bound | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.not_before is None and self.not_after is None:
            raise ValueError("not_before, not_after or both are given")
        return self


class Text(_Frozen):
    """Passes if a line of the text or code in the pipeline's output `output` is what was expected.

    `equals` compares the whole line, `contains` looks for it inside, `like` knows `*` for anything and
    `?` for one sign. `pattern` says what each sign may be, and has dates, about which there may be rules.
    """

    output: Name = "text"
    expected: Annotated[str, AfterValidator(_line), Field(min_length=1, max_length=1000)]
    """Control characters, such as the separator GS of GS1, may stand in it; NUL and line feed may not."""
    match: Literal["equals", "contains", "like", "pattern"] = "equals"
    ignore_case: bool = False
    # Criteria of before have no such field: left out where it is not set, it leaves their identities as they are.
    separators: bool = Field(default=False, exclude_if=lambda is_set: not is_set)
    """Control characters belong to the line and only a line feed ends it. Without it, separators end lines, too."""

    dates: Annotated[tuple[DateRule, ...], Field(max_length=16)] = Field(default=(), exclude_if=lambda rules: not rules)

    @model_validator(mode="after")
    def _dates_stand_in_the_pattern(self) -> Self:
        if self.match != "pattern":
            if self.dates:
                raise ValueError("dates stand in a pattern: write match: pattern")
            return self
        if self.ignore_case:
            raise ValueError("a pattern says itself which case it takes, such as [Aa]: leave ignore_case out")
        known = TextPattern.parse(self.expected).formats
        for rule in self.dates:
            if rule.date not in known:
                raise ValueError(f"the pattern has no date '{rule.date}': it has {', '.join(known) or 'none'}")
        return self

    @property
    def keeps_separators(self) -> bool:
        """Whether they belong to the line: by the setting, or as `expected` holds some."""
        return self.separators or not self.expected.isprintable()


Criteria = Visual | Dimension | Function | Text


class ItemType(StrEnum):
    """How an item is judged: it says which criteria the item has."""

    VISUAL = "VISUAL"
    DIMENSION = "DIMENSION"
    FUNCTION = "FUNCTION"
    TEXT = "TEXT"


CRITERIA: Mapping[ItemType, type[Criteria]] = {
    ItemType.VISUAL: Visual,
    ItemType.DIMENSION: Dimension,
    ItemType.FUNCTION: Function,
    ItemType.TEXT: Text,
}


def criteria_schema(kind: ItemType) -> dict[str, Any]:
    """Return the JSON Schema that the criteria of items of this type are checked by."""
    return CRITERIA[kind].model_json_schema()


class Item(_Frozen):
    """One thing that every picture of a product is inspected for."""

    code: Name
    name: _Line = Field(min_length=1, max_length=255)
    type: ItemType
    pipeline: str = Field(pattern=r"^[a-z0-9_]{1,64}@[1-9][0-9]{0,8}$", description="As name@version.")
    criteria: dict[str, Any]
    required: bool = True
    """Without it the item is judged and counted, but decides nothing."""

    @model_validator(mode="after")
    def _criteria_fit_the_type(self) -> Self:
        try:
            object.__setattr__(self, "criteria", self.rule.model_dump(mode="json"))
        except ValidationError as error:
            raise ValueError(f"criteria of {self.type}: {describe_faults(error)}") from error
        return self

    @property
    def rule(self) -> Criteria:
        """The criteria as the type reads them."""
        return CRITERIA[self.type].model_validate(self.criteria)


class MasterState(StrEnum):
    """A draft may be changed; what is published never is."""

    DRAFT = "draft"
    PUBLISHED = "published"


@dataclass(frozen=True, kw_only=True)
class Product:
    """A kind of thing that is inspected; masters, batches and statistics name it by its `code`."""

    code: str
    name: str
    description: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Master:
    """A version of what a product is inspected for."""

    product: str
    version: int
    state: MasterState
    revision: int
    """Raised by each change of the draft: each change names the revision that it is based on."""
    items: tuple[Item, ...]
    """In the order in which they are inspected."""
    updated_at: datetime
    published_at: datetime | None


def read_items(data: Any) -> tuple[Item, ...]:
    """Return items from plain data, defaults filled in; raise `InvalidMaster` with every fault and its path."""
    try:
        items = _Items.model_validate({"items": data}).items
    except ValidationError as error:
        raise InvalidMaster("The items are not right:", faults_of(error)) from error
    codes = [item.code for item in items]
    twice = [
        Fault(path=f"items.{place}.code", reason=f"there is a '{code}' before it: codes must differ")
        for place, code in enumerate(codes)
        if code in codes[:place]
    ]
    if twice:
        raise InvalidMaster("The items are not right:", twice)
    return items


class _Items(_Frozen):
    items: Annotated[tuple[Item, ...], Field(max_length=MOST_ITEMS)]
