"""A component of ImageFlow in Python: one request a line on standard input, one answer a line on standard output."""

import json
import sys

import numpy as np
from PIL import Image


def measure(request: dict) -> dict:
    """Return the outputs that are data; write those that are files."""
    pixels = np.asarray(Image.open(request["inputs"]["image"]).convert("RGB"), dtype=np.int64)
    if min(pixels.shape[:2]) < 3:
        raise ValueError("the image has less than 3 x 3 px")
    grey = pixels @ np.array([299, 587, 114]) // 1000
    around = grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1]
    steep = np.abs(4 * grey[1:-1, 1:-1] - around)
    heat = np.pad(np.minimum(255, request["parameters"]["gain"] * steep), 1).astype(np.uint8)
    Image.fromarray(heat).save(request["outputs"]["heat"], format="PNG")
    return {"measurements": [{"name": "focus", "value": float(steep.mean()), "unit": ""}]}


def answer(**fields: object) -> None:
    """Write a line that is sent at once."""
    print(json.dumps(fields), flush=True)  # noqa: T201


answer(protocol=1)
for line in sys.stdin:
    request = json.loads(line)
    try:
        answer(id=request["id"], outputs=measure(request))
    except ValueError as refused:
        answer(id=request["id"], error=str(refused))
