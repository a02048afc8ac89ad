"""What the words of a game's configuration have in common."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from imageflow_domain.geometry import Rect


class Words(BaseModel):
    """Part of a game's configuration. The text under a field is what its users read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


def _below(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or not path.isprintable():
        raise ValueError("must be a path below its folder, such as saves/town.sav")
    return str(PurePosixPath(path))


Milliseconds = Annotated[int, Field(ge=0, le=60_000)]
Count = Annotated[int, Field(ge=1, le=10_000)]
Button = Annotated[int, Field(ge=1, le=9)]
"""1 left, 2 middle, 3 right."""
Coordinate = Annotated[int, Field(ge=0, le=8191)]
Place = tuple[Coordinate, Coordinate]
"""Pixels from the display's left and upper edge."""
Word = Annotated[str, Field(min_length=1, max_length=4096)]
FilePath = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_below)]
"""A relative path that stays in its folder."""


def places_of(words: BaseModel, path: str) -> Iterator[tuple[str, Rect]]:
    """Yield the places and rectangles of the display that words name, with their paths; a place is one pixel.

    Args:
        path: Of the words themselves.
    """
    for name, field in type(words).model_fields.items():
        value, here = getattr(words, name), f"{path}.{name}"
        if isinstance(value, Rect):
            yield here, value
        elif isinstance(value, BaseModel):
            yield from places_of(value, here)
        elif isinstance(value, tuple) and Place in (field.annotation, *get_args(field.annotation)):
            yield here, Rect(x_px=value[0], y_px=value[1], width_px=1, height_px=1)
        elif isinstance(value, tuple):
            for number, one in enumerate(value):
                if isinstance(one, BaseModel):
                    yield from places_of(one, f"{here}.{number}")
