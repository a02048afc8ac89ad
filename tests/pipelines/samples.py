"""What each released component is frozen with: parameters that use it fully, inputs, a digest of what it gives."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from imageflow_domain.cancellation import Cancellation
from imageflow_pipelines.canonical import digest
from imageflow_pipelines.component import Component, Context
from imageflow_pipelines.values import (
    Box,
    Detection,
    Detections,
    Encoded,
    Image,
    Measurement,
    Measurements,
    Point,
    Table,
    Text,
    Transform,
)
from tests.images.kinds import deep_png, exif, picture
from tests.pipelines.models import registry
from tests.pipelines.pictures import code, encoded, grey, marker, mask_of, scene, speckled


@dataclass(frozen=True, kw_only=True)
class Sample:
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any]


_FOUND = Detections(
    (
        Detection(label="dent", score=0.75, box=Box(x_px=10, y_px=20, width_px=30, height_px=20)),
        Detection(
            label="code", score=1, outline=(Point(x_px=50, y_px=5), Point(x_px=80, y_px=9), Point(x_px=60, y_px=30))
        ),
    )
)
_MEASURED = Measurements((Measurement(name="count", value=2), Measurement(name="length", value=12.5, unit="mm")))
_BLOBS = mask_of((5, 5, 10, 10), (30, 40, 25, 8), (70, 10, 4, 4), (74, 14, 3, 3))

SAMPLES: dict[str, tuple[Sample, ...]] = {
    "decode@1": (
        Sample(inputs={"picture": encoded(scene(), ".jpg")}),
        Sample(inputs={"picture": encoded(scene(), ".png")}),
        Sample(inputs={"picture": encoded(grey(7), ".bmp")}),
    ),
    "decode@2": (
        Sample(inputs={"picture": encoded(scene(), ".jpg")}),
        Sample(inputs={"picture": encoded(grey(7), ".bmp")}),
        Sample(inputs={"picture": Encoded(deep_png(scene().pixels.astype(np.uint16) * 251))}),
        Sample(inputs={"picture": Encoded(picture("PNG", exif=exif(6)))}),
    ),
    "encode@1": (
        Sample(parameters={"quality": 75}, inputs={"image": scene()}),
        Sample(parameters={"format": "png"}, inputs={"image": _BLOBS}),
        Sample(parameters={"format": "webp", "quality": 100}, inputs={"image": scene()}),
    ),
    "resize@1": (
        Sample(parameters={"width_px": 40, "height_px": 30}, inputs={"image": scene()}),
        Sample(parameters={"width_px": 131}, inputs={"image": scene()}),
        Sample(
            parameters={"width_px": 50, "height_px": 50, "mode": "pad", "interpolation": "linear"},
            inputs={"image": scene()},
        ),
    ),
    "crop@1": (Sample(parameters={"x_px": 3, "y_px": 4, "width_px": 20, "height_px": 10}, inputs={"image": scene()}),),
    "rotate@1": (
        Sample(parameters={"degrees": 90}, inputs={"image": scene()}),
        Sample(parameters={"degrees": 12.5, "fill": 9}, inputs={"image": scene()}),
    ),
    "perspective@1": (
        Sample(
            parameters={"corners": [[10, 5], [80, 12], [90, 60], [2, 50]], "width_px": 60, "height_px": 40},
            inputs={"image": scene()},
        ),
    ),
    "colour@1": tuple(
        Sample(parameters={"space": space}, inputs={"image": scene()}) for space in ("grey", "hsv", "lab", "ycrcb")
    ),
    "equalise@1": (
        Sample(inputs={"image": scene()}),
        Sample(parameters={"method": "local", "tiles": 4}, inputs={"image": scene()}),
    ),
    "blur@1": tuple(
        Sample(parameters={"method": method, "radius_px": 3}, inputs={"image": scene()})
        for method in ("gauss", "box", "median")
    ),
    "sharpen@1": (Sample(parameters={"amount": 1.5}, inputs={"image": scene()}),),
    "threshold@1": (
        Sample(inputs={"image": scene()}),
        Sample(parameters={"method": "otsu", "dark": True}, inputs={"image": scene()}),
    ),
    "binarise@1": (
        Sample(parameters={"window_px": 15}, inputs={"image": scene()}),
        Sample(parameters={"method": "mean", "k": 0.05, "bright_writing": True}, inputs={"image": scene()}),
    ),
    "morphology@1": tuple(
        Sample(parameters={"operation": operation, "shape": shape, "radius_px": 2}, inputs={"mask": _BLOBS})
        for operation, shape in (("dilate", "disc"), ("erode", "square"), ("open", "cross"), ("outline", "disc"))
    ),
    "edges@1": (Sample(inputs={"image": scene()}),),
    "contours@1": (Sample(parameters={"min_area_px": 1}, inputs={"mask": _BLOBS}),),
    "contours@2": (Sample(parameters={"min_area_px": 1}, inputs={"mask": _BLOBS}),),
    "blobs@1": (Sample(parameters={"mm_per_px": 0.25, "min_area_mm2": 2}, inputs={"mask": _BLOBS}),),
    "dimensions@1": (Sample(parameters={"mm_per_px": 0.25}, inputs={"mask": _BLOBS}),),
    "template_match@1": (
        Sample(
            parameters={"most": 3, "min_score": 0.2},
            inputs={"image": scene(), "template": Image(scene().pixels[20:34, 40:60].copy())},
        ),
    ),
    "feature_match@1": (
        Sample(
            inputs={
                "image": Image(np.pad(speckled(160, 120, 1), 40, constant_values=30)),
                "reference": Image(speckled(160, 120, 1)),
            }
        ),
    ),
    "align@1": (
        Sample(
            parameters={"model": "part@1", "motion": "rigid", "most_angle_deg": 30},
            inputs={"image": Image(np.pad(speckled(72, 54, 3), 20, constant_values=90))},
        ),
        Sample(
            parameters={"model": "part@1", "motion": "perspective", "min_score": 0.5},
            inputs={"image": Image(np.pad(np.rot90(speckled(72, 54, 3)), 20, constant_values=90))},
        ),
    ),
    "to_original@1": (
        Sample(
            inputs={
                "transforms": (
                    Transform(((0.0, -2.0, 40.0), (2.0, 0.0, 10.0), (0.0, 0.0, 1.0))),
                    Transform(((0.5, 0.0, 0.0), (0.0, 0.5, 3.0), (0.0, 0.0, 1.0))),
                ),
                "detections": _FOUND,
                "measurements": _MEASURED,
            }
        ),
    ),
    "marker_scale@1": (
        Sample(parameters={"marker_mm": 12, "mm_per_px": 0.25, "marker": 7}, inputs={"image": Image(marker(7, 60))}),
    ),
    "barcodes@1": (Sample(inputs={"image": Image(code("imageflow 0042"))}),),
    "barcodes@2": (
        Sample(inputs={"image": Image(code("042100005264", "UPCA"))}),
        Sample(inputs={"image": Image(code("04252614", "UPCE"))}),
        Sample(inputs={"image": Image(code("(01)04012345123456(10)ABC123(21)X7", "DataMatrix", gs1=True))}),
        Sample(
            parameters={"formats": ["databar"]}, inputs={"image": Image(code("(01)04012345123456(10)A", "DataBarExp"))}
        ),
        Sample(inputs={"image": Image(code("a\x1db<GS>c"))}),
    ),
    "classify@1": (Sample(parameters={"model": "colours@1", "most": 2}, inputs={"image": scene()}),),
    "detect@1": (Sample(parameters={"model": "boxes@1"}, inputs={"image": scene()}),),
    "anomaly@1": (Sample(parameters={"model": "heat@1", "threshold": 0.8}, inputs={"image": scene()}),),
    "overlay@1": (
        Sample(
            inputs={
                "image": scene(200, 160),
                "detections": (_FOUND,),
                "mask": mask_of((5, 5, 40, 40), width_px=200, height_px=160),
                "measurements": _MEASURED,
                "text": Text("lot 7"),
            }
        ),
    ),
    "branch@1": (
        Sample(
            parameters={"measurement": "count", "condition": ">", "limit": 1},
            inputs={"value": _FOUND, "measurements": _MEASURED},
        ),
    ),
    "merge@1": (Sample(inputs={"values": (Text("first"), Text("second"))}),),
    "aggregate@1": (
        Sample(inputs={"rows": (_FOUND, Table(("a",), ((1.5,), (2.5,))))}),
        Sample(parameters={"function": "mean", "column": "a"}, inputs={"rows": (Table(("a",), ((1.5,), (2.5,))),)}),
    ),
}


def compute(component: type[Component], sample: Sample) -> dict[str, Any]:
    context = Context(models=registry(), cancellation=Cancellation())
    return component.from_parameters(sample.parameters).compute(sample.inputs, context)


def golden(component: type[Component]) -> str:
    """Return the digest of what a component gives for its samples."""
    sha = hashlib.sha256()
    for sample in SAMPLES[component.reference()]:
        for port, value in compute(component, sample).items():
            sha.update(f"{port} {digest(value) if value is not None else 'nothing'}\n".encode())
    return sha.hexdigest()[:32]
