"""Values as JSON for people, and as bytes for digests: equal values have equal bytes, on any machine."""

import hashlib
import json
from dataclasses import asdict
from typing import Any

import numpy as np

from imageflow_pipelines.values import (
    Detections,
    Encoded,
    Image,
    Mask,
    Measurements,
    Table,
    Text,
    Transform,
    Value,
    kind_name,
)

JsonValue = Any


def to_json(value: Value) -> JsonValue:
    """Return a value as what `json.dumps` takes. Pictures are given by size and digest: pixels belong in files."""
    match value:
        case Encoded(data):
            return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        case Image() | Mask():
            return {"width_px": value.width_px, "height_px": value.height_px, "sha256": digest(value)}
        case Detections(items):
            return [asdict(item) for item in items]
        case Measurements(items):
            return [asdict(item) for item in items]
        case Text(text):
            return text
        case Table(columns, rows):
            return {"columns": list(columns), "rows": [list(row) for row in rows]}
        case Transform(matrix):
            return {"matrix": [list(row) for row in matrix]}


def digest(value: Value) -> str:
    """Return the SHA-256, in hex, of a value's kind and content."""
    sha = hashlib.sha256(kind_name(type(value)).encode())
    match value:
        case Encoded(data):
            sha.update(data)
        case Image(pixels) | Mask(pixels):
            sha.update(str(pixels.shape).encode())
            sha.update(np.ascontiguousarray(pixels).data)
        case _:
            sha.update(canonical_json(to_json(value)))
    return sha.hexdigest()


def canonical_json(value: JsonValue) -> bytes:
    """Return JSON whose bytes depend on the value alone: sorted keys, no spaces, shortest floats."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
