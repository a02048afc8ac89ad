"""Drawn products as files, to try an inspection on: pictures, and the truth about them."""

import csv
from collections.abc import Iterable
from pathlib import Path

import cv2

from imageflow_domain.errors import StoreUnavailable
from imageflow_models.products import Drawn, Split, draw

TRUTH = "truth.csv"


def draw_batch(folder: Path, seeds: Iterable[int]) -> None:
    """Draw held-out products into a folder, made if missing: `part_SEED.png`, and their defects in `truth.csv`.

    Raises `StoreUnavailable` where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / TRUTH).open("w", newline="") as file:
            truth = csv.writer(file)
            truth.writerow(("file", "defects"))
            for seed in seeds:
                product = draw(Split.HELD_OUT, seed)
                name = f"part_{seed:06d}.png"
                (folder / name).write_bytes(to_png(product))
                truth.writerow((name, " ".join(defect.kind.value for defect in product.defects)))
    except OSError as error:
        raise StoreUnavailable(f"'{folder}' cannot be written ({error.strerror}): name another folder.") from error


def to_png(product: Drawn) -> bytes:
    """Return a product's picture as a PNG file."""
    done, data = cv2.imencode(".png", cv2.cvtColor(product.pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    assert done  # noqa: S101 - eight bits and three channels are always taken
    return data.tobytes()
