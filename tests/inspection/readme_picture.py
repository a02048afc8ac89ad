"""`python -m tests.inspection.readme_picture`: the README's picture of drawn parts with their defects marked."""

from dataclasses import replace
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from imageflow_domain.cancellation import Cancellation
from imageflow_models.bundle import read_bundle
from imageflow_models.gate import check_model
from imageflow_models.judging import OneModel
from imageflow_models.products import DefectKind, Drawn, Split, draw
from imageflow_models.registering import shipped
from imageflow_pipelines.component import Context
from imageflow_pipelines.components.detect import Detect
from imageflow_pipelines.components.encode import Encode
from imageflow_pipelines.components.overlay import Overlay
from imageflow_pipelines.values import Box, Detection, Detections, Image
from tests.inspection.drawn import detector_pipeline

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "inspection.webp"
SCALE = 2
GAP_PX = 12


def first_with(kind: DefectKind, seeds: "count[int]") -> Drawn:
    """Return the first held-out product whose only defect is of a kind."""
    drawn = (draw(Split.HELD_OUT, seed) for seed in seeds)
    return next(product for product in drawn if [defect.kind for defect in product.defects] == [kind])


def enlarged(found: Detection) -> Detection:
    assert found.box is not None
    sides = (found.box.x_px, found.box.y_px, found.box.width_px, found.box.height_px)
    left, top, width, height = (SCALE * side for side in sides)
    return replace(found, box=Box(x_px=left, y_px=top, width_px=width, height_px=height))


def main() -> None:
    bundle = next(bundle for bundle in map(read_bundle, shipped()) if bundle.wanted.labels)
    context = Context(models=OneModel(check_model(bundle), bundle.data), cancellation=Cancellation())
    detect = Detect.from_parameters(detector_pipeline()["steps"]["defects"]["with"])
    columns = []
    for kind in DefectKind:
        product = first_with(kind, count(100_000))
        found = detect.compute({"image": Image(product.pixels)}, context)["detections"]
        assert isinstance(found, Detections)
        large = cv2.resize(product.pixels, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC)
        marks = Detections(tuple(map(enlarged, found.items)))
        columns += [Overlay(line_px=2)(Image(large), detections=(marks,)).pixels]
        columns += [np.full((large.shape[0], GAP_PX, 3), 255, np.uint8)]
    sheet = Image(np.ascontiguousarray(np.hstack(columns[:-1])))
    PICTURE.write_bytes(Encode(format="webp", quality=80)(sheet).data)


if __name__ == "__main__":
    main()
