"""Markers in requests and responses of the API."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from imageflow_domain.markers import Marker

Colour = Literal["red", "orange", "yellow", "green", "teal", "blue", "violet", "grey"]


def _line(value: str) -> str:
    text = value.strip()
    if not text:
        raise ValueError("a name holds more than spaces")
    if not text.isprintable():
        raise ValueError("a name is one line of printable characters")
    return text


def _storable(value: str) -> str:
    if "\0" in value:
        raise ValueError("a note holds no NUL character")
    return value


MarkerName = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_line)]
Note = Annotated[str, Field(max_length=2000), AfterValidator(_storable)]
Pixel = Annotated[int, Field(ge=0, lt=2**31)]


class MarkerIn(BaseModel):
    """A place of a save's map to be named."""

    model_config = ConfigDict(extra="forbid")

    name: MarkerName
    note: Note = ""
    x: Pixel
    """In game pixels of the frame, as the map's links hold them."""
    y: Pixel
    colour: Colour = "red"
    frame_number: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    """Of the map that x and y were read from; left out, or null, the save's latest."""


class MarkerChange(BaseModel):
    """What is to be changed of a marker; what is left out, or null, stays."""

    model_config = ConfigDict(extra="forbid")

    name: MarkerName | None = None
    note: Note | None = None
    x: Pixel | None = None
    y: Pixel | None = None
    colour: Colour | None = None


class MarkerOut(BaseModel):
    """A named place of a save."""

    id: int
    name: str
    note: str
    x: int
    y: int
    colour: Colour
    frame_number: int
    """Maps of the save with another frame number do not show it."""
    etag: str
    """Give it as If-Match to change or delete the marker."""
    changed_at: datetime

    @classmethod
    def of(cls, marker: Marker) -> Self:
        """Spell the marker's version as an ETag, in quotes."""
        return cls.model_validate(
            {
                "id": marker.id,
                "name": marker.text.name,
                "note": marker.text.note,
                "x": marker.x_px,
                "y": marker.y_px,
                "colour": marker.text.colour,
                "frame_number": marker.frame_number,
                "etag": f'"{marker.version}"',
                "changed_at": marker.changed_at,
            }
        )


class MarkerList(BaseModel):
    """Markers of a save, by name."""

    markers: list[MarkerOut]
