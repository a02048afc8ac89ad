"""Drawn lids with known truth: a white lid of known size on black, with dark spots where it is damaged."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import numpy as np
import zxingcpp

from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.inference.opening import open_models
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.inspection import Batch
from imageflow_domain.masters import Master
from imageflow_inspection.intake import IntakeCursor, notice_batches
from imageflow_inspection.masters import create_draft, create_product, publish_master
from imageflow_inspection.take_in import take_in

MM_PER_PX = 0.5


def lid(*, width_px: int = 100, height_px: int = 60, spots: int = 0, code: str = "") -> bytes:
    """Return a PNG of 240 x 200 px: a lid, that many spots of 6 x 6 px on it, a QR code below."""
    pixels = np.zeros((200, 240), np.uint8)
    pixels[10 : 10 + height_px, 20 : 20 + width_px] = 255
    for place in range(spots):
        pixels[20:26, 30 + 12 * place : 36 + 12 * place] = 0
    if code:
        drawn = np.array(zxingcpp.create_barcode(code, zxingcpp.BarcodeFormat.QRCode).to_image(scale=3))
        side = min(drawn.shape[0], 110)
        pixels[85 : 85 + side, 125 : 125 + side] = drawn[:side, :side]
    done, data = cv2.imencode(".png", pixels)
    assert done
    return data.tobytes()


def lid_pipeline(version: int = 1, *, level: int = 128) -> dict[str, Any]:
    """Measures the lid, finds dark spots on it, and counts them."""
    return {
        "pipeline": "lids",
        "version": version,
        "steps": {
            "decode": {"use": "decode@1", "from": {"picture": "inputs.picture"}},
            "upper": {
                "use": "crop@1",
                "with": {"x_px": 0, "y_px": 0, "width_px": 240, "height_px": 80},
                "from": {"image": "decode.image"},
            },
            "white": {"use": "threshold@1", "with": {"level": level}, "from": {"image": "upper.image"}},
            "size": {"use": "dimensions@1", "with": {"mm_per_px": MM_PER_PX}, "from": {"mask": "white.mask"}},
            "inside": {
                "use": "crop@1",
                "with": {"x_px": 24, "y_px": 14, "width_px": 80, "height_px": 40},
                "from": {"image": "decode.image"},
            },
            "dark": {
                "use": "threshold@1",
                "with": {"level": level, "dark": True},
                "from": {"image": "inside.image"},
            },
            "spots": {
                "use": "blobs@1",
                "with": {"mm_per_px": MM_PER_PX, "label": "spot"},
                "from": {"mask": "dark.mask"},
            },
            "codes": {"use": "barcodes@1", "from": {"image": "decode.image"}},
        },
        "outputs": {
            "defects": "spots.detections",
            "values": "spots.measurements",
            "dimensions": "size.measurements",
            "text": "codes.text",
        },
    }


def items(pipeline: str = "lids@1", *, length_mm: float = 50.0, most_spots: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "code": "spots",
            "name": "No spots",
            "type": "VISUAL",
            "pipeline": pipeline,
            "criteria": {"labels": ["spot"], "most": most_spots},
        },
        {
            "code": "length",
            "name": "Length",
            "type": "DIMENSION",
            "pipeline": pipeline,
            "criteria": {
                "tolerances": [{"measurement": "length", "nominal_mm": length_mm, "plus_mm": 0.5, "minus_mm": 0.5}]
            },
        },
        {
            "code": "count",
            "name": "Few spots",
            "type": "FUNCTION",
            "pipeline": pipeline,
            "criteria": {"ranges": [{"measurement": "count", "most": 3}]},
            "required": False,
        },
    ]


def published(stores: Stores, product: str = "lid", wanted: list[dict[str, Any]] | None = None) -> Master:
    """A product with a published master."""
    publish_pipeline(stores, lid_pipeline())
    create_product(stores, product, "A lid")
    return next_master(stores, product, wanted or items())


def next_master(stores: Stores, product: str, wanted: list[dict[str, Any]]) -> Master:
    draft = create_draft(stores, product, wanted)
    models = open_models(Settings(), stores.objects)
    return publish_master(stores, product, draft.version, revision=draft.revision, models=models)


def upload(stores: Stores, product: str, batch: str, pictures: Sequence[bytes]) -> None:
    for place, data in enumerate(pictures):
        stores.objects.put(keys.inspection_upload_file(product, batch, f"p{place:04d}.png"), data)


def taken(stores: Stores, name: str, pictures: Sequence[bytes], *, product: str = "lid") -> Batch:
    """A batch of lids that is ready to be inspected."""
    upload(stores, product, name, pictures)
    later = datetime.now(UTC) + timedelta(hours=1)
    (batch,) = notice_batches(stores, IntakeCursor(), now=later).closed
    take_in(stores, batch.id)
    return batch
