"""Worlds, surveys and real sets whose truth is known, for the tests of registration and placement."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from game_capture.drivers.city import CityDriver, CityParameters
from imageflow_domain.geometry import Offset, Position, Rect
from imageflow_domain.grid import Cell, Grid, forward_neighbours
from imageflow_domain.placement import PairOffset, Placement, PlacementStatus
from imageflow_domain.ports import Area
from imageflow_mosaic.codec import Pixels, decode_picture
from imageflow_mosaic.fingerprint import Fingerprint, fingerprint
from imageflow_mosaic.registration import register
from tests.thorough import repeated

ROOT = Path(__file__).parents[2]
REAL_SETS = ("openttd-small", "openttd-keys", "openttd-water", "openttd-running")

SIDE = repeated(4, thorough=6)
"""Of the corner of a real set that tests work on whose fault no other frame would show: 6 is all of it."""

Corner = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Surveyed:
    """Pictures of a world, where they truly lie, and where the driver believes them to be."""

    pictures: Mapping[Cell, Pixels]
    truth: Mapping[Cell, Corner]
    areas: Sequence[Area]
    masks: tuple[Rect, ...] = ()
    placeable: frozenset[Cell] = frozenset()

    def offset(self, first: Cell, second: Cell) -> Offset:
        return Offset(
            dx_px=self.truth[second][0] - self.truth[first][0], dy_px=self.truth[second][1] - self.truth[first][1]
        )

    def corner(self, side: int = SIDE) -> "Surveyed":
        """Return the first rows and columns alone."""
        near = [cell for cell in self.truth if max(cell.row, cell.col) < side]
        return replace(
            self,
            pictures={cell: self.pictures[cell] for cell in near},
            truth={cell: self.truth[cell] for cell in near},
            areas=[area for area in self.areas if area.cell in near],
            placeable=self.placeable.intersection(near),
        )

    def fingerprints(self) -> dict[Cell, Fingerprint]:
        return {cell: fingerprint(pixels, self.masks) for cell, pixels in self.pictures.items()}

    def pairs(self, reach_px: int) -> list[PairOffset]:
        """Register every pair of neighbours."""
        prints = self.fingerprints()
        at = {area.cell: area.position for area in self.areas if area.position is not None}
        found = []
        for first, second in neighbours(at):
            expected = Offset(
                dx_px=round(at[second].x_px - at[first].x_px), dy_px=round(at[second].y_px - at[first].y_px)
            )
            match = register(prints[first], prints[second], expected, reach_px)
            if match is not None:
                found.append(match.between(first, second))
        return found

    def wrong(self, pairs: Sequence[PairOffset]) -> list[PairOffset]:
        return [p for p in pairs if p.offset != self.offset(p.reference, p.moving)]

    def errors(self, placements: Sequence[Placement]) -> dict[Cell, Corner]:
        """How far each placement is off, but for the anchored ones' common shift."""
        off = {p.cell: (p.x_px - self.truth[p.cell][0], p.y_px - self.truth[p.cell][1]) for p in placements}
        anchored = Counter(off[p.cell] for p in placements if p.status is PlacementStatus.ANCHORED)
        shift = anchored.most_common(1)[0][0] if anchored else (0, 0)
        return {cell: (x - shift[0], y - shift[1]) for cell, (x, y) in off.items()}


def neighbours(cells: Mapping[Cell, object]) -> Iterator[tuple[Cell, Cell]]:
    return ((cell, near) for cell in sorted(cells) for near in forward_neighbours(cell) if near in cells)


def pair(first: Cell, second: Cell, offset: Offset, *, votes: int = 100, decisive: bool = True) -> PairOffset:
    return PairOffset(
        reference=first,
        moving=second,
        offset=offset,
        votes=votes,
        agreement=1.0,
        compared_px=10_000,
        decisive=decisive,
    )


def real(name: str, believed: str) -> Surveyed:
    """Return a real set; its pictures are shared, and read only.

    Args:
        believed: Columns of `truth.csv` that hold the believed positions: `nominal` or `drift`.
    """
    data = ROOT / "tests" / "data" / name
    with (data / "truth.csv").open() as table:
        rows = {Cell(row=int(row["row"]), col=int(row["col"])): row for row in csv.DictReader(table)}
    return Surveyed(
        pictures={cell: _frame(name, row["file"]) for cell, row in rows.items()},
        truth={cell: (int(row["true_x"]), int(row["true_y"])) for cell, row in rows.items()},
        areas=[
            Area(cell=cell, position=Position(x_px=float(row[f"{believed}_x"]), y_px=float(row[f"{believed}_y"])))
            for cell, row in rows.items()
        ],
        placeable=frozenset(cell for cell, row in rows.items() if row["placeable"] == "1"),
    )


@cache
def _frame(name: str, file: str) -> Pixels:
    frames = ROOT / "examples" / name
    pixels = decode_picture(((frames if frames.is_dir() else ROOT / "tests" / "data" / name) / file).read_bytes())
    pixels.flags.writeable = False
    return pixels


def city(grid: Grid, **parameters: object) -> Surveyed:
    """Survey a simulated city."""
    driver = CityDriver(CityParameters.model_validate(parameters))
    areas = driver.areas(grid)
    truths = {area.cell: driver.truth(area) for area in areas}
    with driver:
        pictures = {area.cell: driver.grab(area).picture for area in areas}
    return Surveyed(
        pictures=pictures,
        truth={cell: (int(at.x_px), int(at.y_px)) for cell, at in truths.items()},
        areas=areas,
        masks=driver.hud,
    )


def land(height_px: int, width_px: int, seed: int = 0) -> Pixels:
    """Ground without any repetition, in sixteen colours, drawn in blobs as a game's is."""
    rng = np.random.default_rng(seed)
    blobs = rng.integers(0, 16, (height_px // 3 + 1, width_px // 3 + 1)).repeat(3, axis=0).repeat(3, axis=1)
    return palette()[blobs[:height_px, :width_px]]


def water(height_px: int, width_px: int, phase: int = 0) -> Pixels:
    """The same 16 x 16 px of waves over and over; `phase` cycles their palette of five blues."""
    waves = np.random.default_rng(1).integers(0, 5, (16, 16))
    blues = np.array([(20, 40, 90 + 20 * shade) for shade in range(5)], np.uint8)
    tile = blues[(waves + phase) % 5]
    return np.tile(tile, (height_px // 16 + 1, width_px // 16 + 1, 1))[:height_px, :width_px]


def palette() -> NDArray[np.uint8]:
    return np.random.default_rng(99).integers(0, 256, (16, 3)).astype(np.uint8)


def view(world: Pixels, x_px: int, y_px: int, width_px: int = 200, height_px: int = 160) -> Pixels:
    return np.ascontiguousarray(world[y_px : y_px + height_px, x_px : x_px + width_px])


@cache
def region(name: str) -> Pixels:
    """Return the game's own picture of a real set's world, put together from its pieces; shared, and read only."""
    pieces = {p.stem: decode_picture(p.read_bytes()) for p in (ROOT / "tests" / "data" / name).glob("region_*.webp")}
    rows, columns = (1 + max(int(stem.split("_")[k]) for stem in pieces) for k in (1, 2))
    whole = np.concatenate(
        [np.concatenate([pieces[f"region_{r}_{c}"] for c in range(columns)], axis=1) for r in range(rows)]
    )
    whole.flags.writeable = False
    return whole
