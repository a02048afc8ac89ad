"""Whole and fractional pixels on the map plane: x right, y down."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from imageflow_domain.errors import InvalidInput


@dataclass(frozen=True, kw_only=True, order=True)
class Offset:
    """A whole-pixel displacement."""

    dx_px: int
    dy_px: int

    def __add__(self, other: "Offset") -> "Offset":
        return Offset(dx_px=self.dx_px + other.dx_px, dy_px=self.dy_px + other.dy_px)

    def __sub__(self, other: "Offset") -> "Offset":
        return Offset(dx_px=self.dx_px - other.dx_px, dy_px=self.dy_px - other.dy_px)

    def __neg__(self) -> "Offset":
        return Offset(dx_px=-self.dx_px, dy_px=-self.dy_px)


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where something believes to be, to a fraction of a pixel; the top left corner of a picture."""

    x_px: float
    y_px: float

    def __add__(self, other: "Position") -> "Position":
        return Position(x_px=self.x_px + other.x_px, y_px=self.y_px + other.y_px)


class Size(BaseModel):
    """Width and height of a picture in pixels."""

    model_config = ConfigDict(frozen=True)

    width_px: int = Field(ge=1, le=16_383)  # WebP holds no more
    height_px: int = Field(ge=1, le=16_383)


class Rect(BaseModel):
    """A rectangle of whole pixels; right and bottom are exclusive."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    x_px: int
    """From the left edge."""
    y_px: int
    """From the upper edge."""
    width_px: int = Field(ge=1)
    """To the right of it."""
    height_px: int = Field(ge=1)
    """Downwards."""

    @property
    def right_px(self) -> int:
        """The first column of pixels to the right of the rectangle."""
        return self.x_px + self.width_px

    @property
    def bottom_px(self) -> int:
        """The first row of pixels below the rectangle."""
        return self.y_px + self.height_px

    def intersection(self, other: "Rect") -> "Rect | None":
        """Return the rectangle common to both, or `None` where they do not touch."""
        left, top = max(self.x_px, other.x_px), max(self.y_px, other.y_px)
        right, bottom = min(self.right_px, other.right_px), min(self.bottom_px, other.bottom_px)
        if right <= left or bottom <= top:
            return None
        return Rect(x_px=left, y_px=top, width_px=right - left, height_px=bottom - top)

    def without(self, covers: Sequence["Rect"]) -> tuple["Rect", ...]:
        """Return what `covers` leave of this rectangle, as rectangles that do not overlap."""
        left_over = [self]
        for cover in covers:
            left_over = [rest for piece in left_over for rest in piece._around(cover)]
        return tuple(left_over)

    def _around(self, cover: "Rect") -> Iterator["Rect"]:
        """Yield the up to four rectangles that one cover leaves: above, below, left and right of it."""
        middle = self.intersection(cover)
        if middle is None:
            yield self
            return
        for left, top, right, bottom in (
            (self.x_px, self.y_px, self.right_px, middle.y_px),
            (self.x_px, middle.bottom_px, self.right_px, self.bottom_px),
            (self.x_px, middle.y_px, middle.x_px, middle.bottom_px),
            (middle.right_px, middle.y_px, self.right_px, middle.bottom_px),
        ):
            if left < right and top < bottom:
                yield Rect(x_px=left, y_px=top, width_px=right - left, height_px=bottom - top)

    def shifted(self, offset: Offset) -> "Rect":
        """Return the rectangle moved by `offset`, in its own size."""
        return self.model_copy(update={"x_px": self.x_px + offset.dx_px, "y_px": self.y_px + offset.dy_px})

    def __str__(self) -> str:
        """Spell it as `parse` reads it, and `--mask` and `--region` take it."""
        return f"{self.x_px},{self.y_px},{self.width_px},{self.height_px}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `X,Y,W,H`; raise `InvalidInput` for anything else."""
        try:
            x, y, width, height = (int(part) for part in text.split(","))
            return cls(x_px=x, y_px=y, width_px=width, height_px=height)
        except ValueError as error:
            raise InvalidInput(f"'{text}' is not X,Y,W,H in whole pixels with W and H above 0.") from error
