"""Folders of JPEG screenshots of a real game, cut at random corners, with the positions that a player believed in."""

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from PIL import Image

from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Cell
from imageflow_domain.survey import DriverSpec, Encoding, SurveySpec
from imageflow_mosaic.codec import Pixels
from tests.mosaic.lossy_frames import cut
from tests.mosaic.worlds import ROOT, Surveyed, real

Draw = Callable[[Pixels, Cell], Pixels]


def _as_it_is(pixels: Pixels, _: Cell) -> Pixels:
    return pixels


@cache
def shots(name: str, *, corners: int, rows: int = 3, cols: int = 4) -> Surveyed:
    """Return the upper left part of a real set, cut anew for each number of `corners`."""
    whole = real(name, "drift")
    some = {cell for cell in whole.pictures if cell.row < rows and cell.col < cols}
    part = replace(
        whole,
        pictures={cell: whole.pictures[cell] for cell in some},
        truth={cell: whole.truth[cell] for cell in some},
        areas=[area for area in whole.areas if area.cell in some],
    )
    return cut(part, corners)


def jpeg_folder(folder: Path, survey: Surveyed, *, quality: int = 75, draw: Draw = _as_it_is) -> Path:
    """Write a survey as JPEG files with a positions.csv.

    Args:
        draw: Draws something over a screenshot before it is compressed.
    """
    folder.mkdir()
    with (folder / "positions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "row", "col", "x", "y"])
        for area in survey.areas:
            assert area.position is not None
            name = f"Screenshot {area.cell}.jpg"
            Image.fromarray(draw(survey.pictures[area.cell], area.cell)).save(folder / name, quality=quality)
            writer.writerow([name, area.cell.row, area.cell.col, area.position.x_px, area.position.y_px])
    return folder


def lossless_folder(folder: Path, name: str, *, rows: int = 3, cols: int = 4) -> Path:
    """Copy the upper left part of a set of examples, with the positions that its player believed in."""
    folder.mkdir()
    source = ROOT / "examples" / name
    with (source / "positions.csv").open(newline="") as table, (folder / "positions.csv").open("w", newline="") as file:
        positions = csv.DictReader(table)
        writer = csv.DictWriter(file, positions.fieldnames or ())
        writer.writeheader()
        for position in positions:
            if int(position["row"]) < rows and int(position["col"]) < cols:
                shutil.copyfile(source / position["file"], folder / position["file"])
                writer.writerow(position)
    return folder


def spec_of(folder: Path, save: str, *, masks: tuple[Rect, ...] = ()) -> SurveySpec:
    return SurveySpec(
        game="openttd",
        save=save,
        driver=DriverSpec(name="folder"),
        source=str(folder),
        masks=masks,
        encoding=Encoding(lossless_method=0),
    )
