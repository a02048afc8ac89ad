"""Values as files: what people and programs get of them, with a media type."""

import hashlib
from dataclasses import dataclass

from imageflow_domain.errors import InvalidInput
from imageflow_images.header import read_header
from imageflow_pipelines.canonical import canonical_json, to_json
from imageflow_pipelines.components.encode import Encode
from imageflow_pipelines.values import Encoded, Image, Mask, Value, kind_name

UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True, kw_only=True)
class ValueFile:
    """A value as a file."""

    kind: str
    """Of the value, such as 'image' or 'measurements'."""
    media_type: str
    """Pixels are PNG, encoded images what they are; all else is JSON."""
    data: bytes

    @property
    def sha256(self) -> str:
        """In hex, of `data`."""
        return hashlib.sha256(self.data).hexdigest()


def file_of(value: Value) -> ValueFile:
    """Return a value as a file: pixels without loss, encoded images as they are, everything else as canonical JSON."""
    kind = kind_name(type(value))
    match value:
        case Encoded(data):
            return ValueFile(kind=kind, media_type=media_type_of(data), data=data)
        case Image() | Mask():
            return ValueFile(kind=kind, media_type="image/png", data=Encode(format="png")(value).data)
        case _:
            return ValueFile(kind=kind, media_type="application/json", data=canonical_json(to_json(value)))


def media_type_of(data: bytes) -> str:
    """Return the media type of an encoded image by its header; `UNKNOWN_TYPE` for bytes that are no image."""
    try:
        with read_header(data) as header:
            return f"image/{(header.format or '').lower()}"
    except InvalidInput:
        return UNKNOWN_TYPE
