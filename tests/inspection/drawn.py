"""Drawn products with known defects, and the pipeline and items that judge them by the shipped model."""

from pathlib import Path
from typing import Any

import yaml

EXAMPLE = Path(__file__).parents[2] / "examples" / "inspection"


def detector_pipeline() -> dict[str, Any]:
    """The example's."""
    spec: dict[str, Any] = yaml.safe_load((EXAMPLE / "part_defects.yaml").read_text())
    return spec


def detector_items() -> list[dict[str, Any]]:
    """The example's."""
    items: list[dict[str, Any]] = yaml.safe_load((EXAMPLE / "product.yaml").read_text())["items"]
    return items
