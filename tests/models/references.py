"""Reference images as their authors deliver them, in tests."""

import json
from pathlib import Path

import cv2
from numpy.typing import NDArray

from bench.alignment import drawn_parts

PLATE = next(part.pixels for part in drawn_parts(20) if part.design == "plate")


def reference_folder(folder: Path, pixels: "NDArray | None" = None, **card: object) -> Path:  # type: ignore[type-arg]
    """Write a reference image and its card; that of a drawn plate, unless another one is given."""
    folder.mkdir()
    done, data = cv2.imencode(".png", PLATE if pixels is None else pixels)
    assert done
    (folder / "reference.png").write_bytes(data.tobytes())
    (folder / "model.json").write_text(json.dumps({"name": folder.name, "version": 1, "task": "align", **card}))
    return folder
