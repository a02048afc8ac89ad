"""What the words of a game's configuration have in common."""

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


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
