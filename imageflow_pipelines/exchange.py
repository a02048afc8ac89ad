"""Values as containers exchange them: pixels as PNG files, encoded images as they are, everything else as JSON."""

import json
import math
from typing import Any, TypeAlias

import cv2
import numpy as np
from pydantic import TypeAdapter, ValidationError

from imageflow_domain.errors import InvalidInput
from imageflow_domain.faults import describe_faults
from imageflow_images.header import read_header
from imageflow_images.intake import IntakeRules, decode_rgb
from imageflow_pipelines.canonical import to_json
from imageflow_pipelines.limits import MAX_ENCODED_BYTES, MAX_FOUND, MAX_PICTURE_PX
from imageflow_pipelines.values import (
    Detection,
    Detections,
    Encoded,
    Image,
    Mask,
    Measurement,
    Measurements,
    Pixels,
    Table,
    Text,
    Transform,
    Value,
)

JsonValue: TypeAlias = Any

_RULES = IntakeRules(most_px=MAX_PICTURE_PX)
_FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1]
_ITEMS: dict[type[Detections | Measurements], TypeAdapter[Any]] = {
    Detections: TypeAdapter(tuple[Detection, ...]),
    Measurements: TypeAdapter(tuple[Measurement, ...]),
}
_TABLE: TypeAdapter[Table] = TypeAdapter(Table)
_TRANSFORM: TypeAdapter[Transform] = TypeAdapter(Transform)


class WrongValue(Exception):
    """What a container gave is no value of its output's kind; the message goes on after the name of it."""


def is_file(kind: type[Value]) -> bool:
    """Return whether values of a kind are exchanged as files."""
    return kind in (Encoded, Image, Mask)


def to_file(value: Encoded | Image | Mask) -> bytes:
    """Return a value as the content of a file: PNG for pixels."""
    if isinstance(value, Encoded):
        return value.data
    pixels = value.pixels if value.pixels.ndim == 2 else cv2.cvtColor(value.pixels, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".png", pixels, _FAST)
    return data.tobytes()


def to_data(value: Value) -> JsonValue:
    """Return a value that is no file as what `json.dumps` takes."""
    return to_json(value)


def from_file(kind: type[Value], data: bytes) -> Encoded | Image | Mask:
    """Return the value that a file holds; raise `WrongValue`."""
    if kind is Encoded:
        return _encoded(data)
    pixels = _png(data)
    if kind is Image:
        return Image(pixels)
    if pixels.ndim != 2:
        raise WrongValue("is a PNG in colour: a mask is grey")
    if not np.isin(pixels, (0, 255)).all():
        raise WrongValue("has values other than 0 and 255: a mask has no others")
    return Mask(pixels)


def from_data(kind: type[Value], data: JsonValue) -> Value:
    """Return the value that JSON holds; raise `WrongValue`."""
    try:
        if kind is Text:
            return Text(_text(data))
        if kind is Table:
            return _table(data)
        if kind is Transform:
            return _TRANSFORM.validate_json(_dumped(data), strict=True)
        items = _ITEMS[Detections if kind is Detections else Measurements].validate_json(_dumped(data), strict=True)
    except ValidationError as error:
        raise WrongValue(f"is wrong: {describe_faults(error)}") from error
    except InvalidInput as error:
        raise WrongValue(f"is wrong: {error}") from error
    if len(items) > MAX_FOUND:
        raise WrongValue(f"has {len(items):,} items, more than {MAX_FOUND:,}")
    return Detections(items) if kind is Detections else Measurements(items)


def _encoded(data: bytes) -> Encoded:
    if len(data) > MAX_ENCODED_BYTES:
        raise WrongValue(f"has {len(data):,} bytes, more than {MAX_ENCODED_BYTES:,}")
    try:
        with read_header(data):
            return Encoded(data)
    except InvalidInput as error:
        raise WrongValue(f"is no image: {error}") from error


def _png(data: bytes) -> Pixels:
    """Return the pixels of a PNG: RGB, or grey where the file is."""
    try:
        with read_header(data) as header:
            form, mode = header.format, header.mode
        if form != "PNG":
            raise WrongValue(f"is a file of the format {form}: images and masks are PNG")
        pixels = decode_rgb(data, _RULES)
    except InvalidInput as error:
        raise WrongValue(f"cannot be read: {error}") from error
    return np.ascontiguousarray(pixels[..., 0]) if mode in ("1", "L") else pixels


def _text(data: JsonValue) -> str:
    if not isinstance(data, str):
        raise WrongValue("must be text")
    return data


def _table(data: JsonValue) -> Table:
    table = _TABLE.validate_json(_dumped(data), strict=True)
    if len(table.rows) > MAX_FOUND:
        raise WrongValue(f"has {len(table.rows):,} rows, more than {MAX_FOUND:,}")
    for place, row in enumerate(table.rows):
        if len(row) != len(table.columns):
            raise WrongValue(f"has {len(row)} cells in row {place} for {len(table.columns)} columns")
        if any(isinstance(cell, float) and not math.isfinite(cell) for cell in row):
            raise WrongValue(f"has a number that is not finite in row {place}")
    return table


def _dumped(data: JsonValue) -> str:
    return json.dumps(data)
