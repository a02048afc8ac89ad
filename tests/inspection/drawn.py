"""Drawn products with known defects, and the pipeline and items that judge them by the shipped model."""

from pathlib import Path
from typing import Any

import cv2
import yaml

from imageflow_models.products import Drawn

EXAMPLE = Path(__file__).parents[2] / "examples" / "inspection"


def detector_pipeline() -> dict[str, Any]:
    """The example's."""
    spec: dict[str, Any] = yaml.safe_load((EXAMPLE / "part_defects.yaml").read_text())
    return spec


def detector_items() -> list[dict[str, Any]]:
    """The example's."""
    items: list[dict[str, Any]] = yaml.safe_load((EXAMPLE / "product.yaml").read_text())["items"]
    return items


def png(product: Drawn) -> bytes:
    done, data = cv2.imencode(".png", cv2.cvtColor(product.pixels, cv2.COLOR_RGB2BGR))
    assert done
    return data.tobytes()
