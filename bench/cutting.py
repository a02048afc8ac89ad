"""Cutting: stored shots to encoded tiles, against the encoder alone on the same tiles."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from bench.figures import Figure, Result, spending
from game_capture.drivers.city import CityDriver, CityParameters
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Grid
from imageflow_domain.survey import Encoding
from imageflow_domain.tiles import SQUARE_PX
from imageflow_mosaic.codec import decode_picture, encode_screenshot
from imageflow_mosaic.compose import PlacedShot, compose
from imageflow_mosaic.encoding import encode_top
from imageflow_mosaic.pyramid import CutTile, cut_square

AREA_PX = 4096
NATIVE_ZOOM = 5
ROUNDS = 3
TARGETS = {4: 1.25, 0: 1.7}
"""By lossless method: cutting / the encoder alone."""

_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Shots:
    """Stored shots at their true places."""

    name: str
    places: Sequence[Rect]
    stored: Sequence[bytes]


def run() -> Result:
    """Return the ratios for a real game's frames and for a simulated running city, at both ends of the encoder."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # several threads spin while they wait, which would count as work
    try:
        figures = [figure for shots in (openttd(), city()) for method in TARGETS for figure in _figures(shots, method)]
    finally:
        cv2.setNumThreads(threads)
    return Result(figures=tuple(figures))


def openttd() -> Shots:
    """Return the example frames, moved so that they cover the area but for its lowest rows."""
    with (_ROOT / "tests" / "data" / "openttd-small" / "truth.csv").open() as table:
        rows = list(csv.DictReader(table))
    pictures = [decode_picture((_ROOT / "examples" / "openttd-small" / row["file"]).read_bytes()) for row in rows]
    places = [
        Rect(
            x_px=int(row["true_x"]) - 700,
            y_px=int(row["true_y"]) - 250,
            width_px=picture.shape[1],
            height_px=picture.shape[0],
        )
        for row, picture in zip(rows, pictures, strict=True)
    ]
    return Shots(name="OpenTTD 1024x768", places=places, stored=[encode_screenshot(picture) for picture in pictures])


def city() -> Shots:
    """Return shots of a city with moving cars and waves, which overlaps show differently; they cover the area."""
    with CityDriver(CityParameters(seed=7, water=0.3)) as driver:
        areas = driver.areas(Grid(cols=5, rows=5))
        truths = [driver.truth(area) for area in areas]
        view = driver.capabilities.view
        places = [
            Rect(x_px=int(truth.x_px), y_px=int(truth.y_px), width_px=view.width_px, height_px=view.height_px)
            for truth in truths
        ]
        stored = [encode_screenshot(driver.grab(area).picture) for area in areas]
    return Shots(name="running city 1280x1024", places=places, stored=stored)


def _figures(shots: Shots, method: int) -> tuple[Figure, ...]:
    encoding = Encoding(lossless_method=method)
    tiles = _cut(shots, encoding)
    whole_s = _least_cpu_s(lambda: _store(_cut(shots, encoding)))
    alone_s = _least_cpu_s(lambda: _encode(tiles))
    name = f"{shots.name}, lossless method {method}"
    return (
        Figure(name=f"cutting CPU / the encoder alone, {name}", value=whole_s / alone_s, at_most=TARGETS[method]),
        Figure(name=f"cutting {AREA_PX} px into {len(tiles)} tiles, CPU, {name}", value=whole_s, unit="s"),
    )


def _cut(shots: Shots, encoding: Encoding) -> list[CutTile]:
    """Decode every shot that touches the area, once, and cut the area square by square."""
    area = Rect(x_px=0, y_px=0, width_px=AREA_PX, height_px=AREA_PX)
    placed = [
        PlacedShot(x_px=place.x_px, y_px=place.y_px, pixels=decode_picture(stored))
        for place, stored in zip(shots.places, shots.stored, strict=True)
        if place.intersection(area)
    ]
    squares = [
        Rect(x_px=x, y_px=y, width_px=SQUARE_PX, height_px=SQUARE_PX)
        for y in range(0, AREA_PX, SQUARE_PX)
        for x in range(0, AREA_PX, SQUARE_PX)
    ]
    return [tile for square in squares for tile in cut_square(compose(placed, square), NATIVE_ZOOM, encoding)]


def _store(tiles: Sequence[CutTile]) -> None:
    """Make every byte that a block puts into the store."""
    _encode(tiles)
    for tile in tiles:
        if tile.is_top:
            encode_top(tile.pixels)


def _encode(tiles: Sequence[CutTile]) -> None:
    for tile in tiles:
        tile.encode()


def _least_cpu_s(work: Callable[[], None]) -> float:
    """Return the CPU seconds of the quickest of several rounds: the one that other programs disturbed least."""
    spent_s = []
    for _ in range(ROUNDS):
        with spending() as spent:
            work()
        spent_s.append(spent.cpu_s)
    return min(spent_s)
