"""A pyramid of 16,384 px, side by side with `vips dzsave` and `gdal2tiles`, at one WebP setting for all of it.

The peers are given the assembled picture, ours gets stored screenshots. Each has two workers: threads in ours and in
vips, processes in GDAL.
"""

import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.figures import Figure, Result
from game_capture.city.view import render
from game_capture.city.world import World
from imageflow_domain.geometry import Rect
from imageflow_domain.survey import Encoding
from imageflow_domain.tiles import SQUARE_PX, TILE_PX, TileId
from imageflow_mosaic.codec import decode_picture, decode_tile, encode_screenshot, encode_webp
from imageflow_mosaic.compose import PlacedShot, compose
from imageflow_mosaic.pyramid import CutTile, cut_square, halved, make_tile, parent_of

SIDE_PX = 16_384
NATIVE_ZOOM = 5
WORKERS = 2
_SHOT = (1280, 1024)
_STEP = (1000, 800)
_UNIT_PX = 8192
"""Side of what a worker takes at once, like the block of a survey."""

_TRUTH = Path(__file__).parents[1] / "tests" / "data" / "openttd-small"

Picture = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How every tile is encoded."""

    lossless: bool
    method: int
    quality: int

    @property
    def name(self) -> str:
        """As figures are called by it in the table."""
        if self.lossless:
            return f"lossless method {self.method} effort {self.quality}"
        return f"lossy quality {self.quality} method {self.method}"

    @property
    def of_gdal(self) -> tuple[str, ...] | None:
        """Options of gdal2tiles, which knows method 4 alone, and one effort; `None` for what it cannot do."""
        if self.method != 4 or (self.lossless and self.quality != 75):
            return None
        return ("--webp-lossless",) if self.lossless else (f"--webp-quality={self.quality}",)

    @property
    def of_vips(self) -> str:
        """The suffix by which vips knows format and options."""
        lossless = ",lossless" if self.lossless else ""
        return f".webp[effort={self.method},Q={self.quality}{lossless}]"

    def encode(self, pixels: Picture) -> bytes:
        """Return one tile as WebP."""
        return encode_webp(pixels, lossless=self.lossless, method=self.method, quality=self.quality)


SETTINGS = (
    Setting(lossless=True, method=0, quality=20),
    Setting(lossless=True, method=4, quality=75),
    Setting(lossless=False, method=4, quality=80),
)


@dataclass(kw_only=True)
class Spent:
    """Seconds of this process and all that it started."""

    wall_s: float = field(default=0.0)
    cpu_s: float = field(default=0.0)


@dataclass(frozen=True, kw_only=True)
class Pyramid:
    """What one tool made of one mosaic at one setting."""

    tool: str
    spent: Spent
    tiles: int
    size_bytes: int
    exact_native: int
    """Native tiles that equal the mosaic, pixel for pixel."""
    exact_above: int
    """Others that equal the mean of the mosaic, level by level."""


def run() -> Result:
    """Return wall, processor time, bytes and exactness of each tool, and ours as a part of each peer's."""
    missing = [program for program in ("vips", "gdal2tiles.py", "gdal_translate") if shutil.which(program) is None]
    if missing:
        return Result(skipped=f"{', '.join(missing)} not found: apt-get install libvips-tools gdal-bin python3-gdal")
    figures: list[Figure] = []
    for name, draw in (("OpenTTD palette art", openttd), ("city truecolour", city)):
        with tempfile.TemporaryDirectory() as folder:
            mosaic = draw()
            sources = _store(mosaic, Path(folder))
            truth = _levels(mosaic)
            for setting in SETTINGS:
                made = [
                    _measure(tool, work, Path(folder) / "out", truth) for tool, work in _tools(sources, setting).items()
                ]
                figures += _figures(f"{name}, {setting.name}", made, setting)
    return Result(figures=tuple(figures))


def openttd() -> Picture:
    """Return the game's own picture of the example's region, mirrored until it fills the mosaic."""
    pieces = {path.stem: decode_picture(path.read_bytes()) for path in _TRUTH.glob("region_*.webp")}
    whole = np.vstack([np.hstack([pieces[f"region_{row}_{col}"] for col in (0, 1)]) for row in (0, 1)])
    beside = np.hstack([whole, whole[:, ::-1]])
    period = np.vstack([beside, beside[::-1]])
    times = [-(-SIDE_PX // side) for side in period.shape[:2]]
    return np.ascontiguousarray(np.tile(period, (*times, 1))[:SIDE_PX, :SIDE_PX])


def city() -> Picture:
    """Return a part of the simulated city."""
    world = World(seed=7, water_share=0.3, year=0, change_share=0.0)
    return render(world, Rect(x_px=0, y_px=0, width_px=SIDE_PX, height_px=SIDE_PX), tick=0, salt=7)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """One mosaic as each tool wants it."""

    shots: Mapping[str, Rect]
    """Files of stored screenshots, and where they lie."""
    strips: Path
    """An uncompressed TIFF."""
    tiled: Path
    """The same in tiles of 256 px, which GDAL reads piece by piece."""


def _store(mosaic: Picture, folder: Path) -> Sources:
    shots = {}
    for y in _starts(_STEP[1], _SHOT[1]):
        for x in _starts(_STEP[0], _SHOT[0]):
            path = folder / f"{x}_{y}.webp"
            path.write_bytes(encode_screenshot(np.ascontiguousarray(mosaic[y : y + _SHOT[1], x : x + _SHOT[0]])))
            shots[str(path)] = Rect(x_px=x, y_px=y, width_px=_SHOT[0], height_px=_SHOT[1])
    strips, tiled = folder / "strips.tif", folder / "tiled.tif"
    cv2.imwrite(str(strips), cv2.cvtColor(mosaic, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_TIFF_COMPRESSION, 1])
    _call(["gdal_translate", "-q", "-co", "TILED=YES", str(strips), str(tiled)])
    return Sources(shots=shots, strips=strips, tiled=tiled)


def _starts(step: int, side: int) -> list[int]:
    return [*range(0, SIDE_PX - side, step), SIDE_PX - side]


def _levels(mosaic: Picture) -> list[Picture]:
    """Return the mosaic and its halves down to one tile, RGBA, native first."""
    levels = [cv2.cvtColor(mosaic, cv2.COLOR_RGB2RGBA).astype(np.uint8, copy=False)]
    while levels[-1].shape[0] > TILE_PX:
        levels.append(halved(levels[-1]))
    return levels


Work = Callable[[Path], Callable[[TileId], Path]]
"""Writes a pyramid into a folder, and says where a tile lies there."""


def _tools(sources: Sources, setting: Setting) -> dict[str, Work]:
    def ours(out: Path) -> Callable[[TileId], Path]:
        where = _cut(sources, setting, out)
        return where.__getitem__

    def vips(out: Path) -> Callable[[TileId], Path]:
        options = ("--layout=google", f"--tile-size={TILE_PX}", "--overlap=0", f"--suffix={setting.of_vips}")
        _call(["vips", "dzsave", f"--vips-concurrency={WORKERS}", str(sources.strips), str(out / "vips"), *options])
        return lambda tile: out / "vips" / str(tile.z) / str(tile.y) / f"{tile.x}.webp"

    def gdal(out: Path) -> Callable[[TileId], Path]:
        shape = ("--profile=raster", "--xyz", f"--tilesize={TILE_PX}", f"--zoom=0-{NATIVE_ZOOM}", "--webviewer=none")
        how = ("--resampling=average", f"--processes={WORKERS}", "--tiledriver=WEBP", *(setting.of_gdal or ()))
        _call(["gdal2tiles.py", "--quiet", *shape, *how, str(sources.tiled), str(out)])
        return lambda tile: out / str(tile.z) / str(tile.x) / f"{tile.y}.webp"

    tools: dict[str, Work] = {"ours": ours, "vips dzsave": vips}
    return tools if setting.of_gdal is None else {**tools, "gdal2tiles": gdal}


def _call(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stderr}")


def _measure(tool: str, work: Work, out: Path, truth: Sequence[Picture]) -> Pyramid:
    out.mkdir()
    with _spending() as spent:
        where = work(out)
    files = list(out.rglob("*.webp"))
    exact = [_exact(level, NATIVE_ZOOM - above, where) for above, level in enumerate(truth)]
    size_bytes = sum(path.stat().st_size for path in files)
    shutil.rmtree(out)
    return Pyramid(
        tool=tool,
        spent=spent,
        tiles=len(files),
        size_bytes=size_bytes,
        exact_native=exact[0],
        exact_above=sum(exact[1:]),
    )


def _exact(level: Picture, z: int, where: Callable[[TileId], Path]) -> int:
    """Return how many tiles of a zoom equal the truth, after checking that each is there."""
    equal = 0
    for x, y in ((x, y) for y in range(1 << z) for x in range(1 << z)):
        shown = decode_tile(where(TileId(z=z, x=x, y=y)).read_bytes())
        equal += np.array_equal(shown, level[TILE_PX * y : TILE_PX * (y + 1), TILE_PX * x : TILE_PX * (x + 1)])
    return equal


def _cut(sources: Sources, setting: Setting, out: Path) -> dict[TileId, Path]:
    """Cut the mosaic as the asset `tiles` does, a worker a block, and the levels above as `overviews` does."""
    units = [(x, y) for y in range(0, SIDE_PX, _UNIT_PX) for x in range(0, SIDE_PX, _UNIT_PX)]
    where: dict[TileId, Path] = {}
    level: dict[TileId, Picture] = {}
    with _one_thread_a_worker(), ThreadPoolExecutor(WORKERS) as pool:
        for cut, tops in pool.map(lambda unit: _cut_unit(sources, setting, out, *unit), units):
            where |= cut
            level |= tops
    while next(iter(level)).z > 0:
        parents = sorted({tile.parent for tile in level})
        level = {parent: parent_of({child: level[child] for child in parent.children}) for parent in parents}
        for tile, pixels in level.items():
            made = make_tile(tile, pixels, NATIVE_ZOOM, Encoding())
            assert made is not None
            where[tile] = _put(made, setting, out)
    return where


@contextmanager
def _one_thread_a_worker() -> Iterator[None]:
    own = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(own)


def _cut_unit(
    sources: Sources, setting: Setting, out: Path, left: int, top: int
) -> tuple[dict[TileId, Path], dict[TileId, Picture]]:
    """Return where the tiles of a part lie, and its squares' tops."""
    unit = Rect(x_px=left, y_px=top, width_px=_UNIT_PX, height_px=_UNIT_PX)
    placed = [
        PlacedShot(x_px=rect.x_px, y_px=rect.y_px, pixels=decode_picture(Path(file).read_bytes()))
        for file, rect in sources.shots.items()
        if rect.intersection(unit)
    ]
    where, tops = {}, {}
    for y in range(top, top + _UNIT_PX, SQUARE_PX):
        for x in range(left, left + _UNIT_PX, SQUARE_PX):
            square = Rect(x_px=x, y_px=y, width_px=SQUARE_PX, height_px=SQUARE_PX)
            for tile in cut_square(compose(placed, square), NATIVE_ZOOM, Encoding()):
                where[tile.id] = _put(tile, setting, out)
                if tile.is_top:
                    tops[tile.id] = tile.pixels
    return where, tops


def _put(tile: CutTile, setting: Setting, out: Path) -> Path:
    """Encode and write a tile unless an equal one is there."""
    path = out / f"{tile.digest}.webp"
    if not path.exists():
        path.write_bytes(setting.encode(tile.pixels))
    return path


@contextmanager
def _spending() -> Iterator[Spent]:
    """Measure the body with all processes that it starts and waits for."""
    spent = Spent()
    wall, cpu = time.perf_counter(), _cpu_s()
    yield spent
    spent.wall_s, spent.cpu_s = time.perf_counter() - wall, _cpu_s() - cpu


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _figures(name: str, made: Sequence[Pyramid], setting: Setting) -> Iterator[Figure]:
    ours, *peers = made
    for peer in peers:
        ratio: dict[str, Any] = {"value": ours.spent.wall_s / peer.spent.wall_s, "at_most": 1.0}
        yield Figure(name=f"ours / {peer.tool}, wall, {name}", **ratio)
        yield Figure(name=f"ours / {peer.tool}, CPU, {name}", value=ours.spent.cpu_s / peer.spent.cpu_s)
    for one in made:
        at_least = 100.0 if setting.lossless and one is ours else None
        native, above = 4**NATIVE_ZOOM, (4**NATIVE_ZOOM - 1) // 3
        yield Figure(name=f"{one.tool}: wall, {name}", value=one.spent.wall_s, unit="s")
        yield Figure(name=f"{one.tool}: CPU, {name}", value=one.spent.cpu_s, unit="s")
        yield Figure(name=f"{one.tool}: {one.tiles} files, {name}", value=one.size_bytes / 1e6, unit="MB")
        if setting.lossless:
            share = 100 * one.exact_native / native
            yield Figure(name=f"{one.tool}: native tiles exact, {name}", value=share, unit="%", at_least=at_least)
            share = 100 * one.exact_above / above
            yield Figure(name=f"{one.tool}: parents the exact mean, {name}", value=share, unit="%", at_least=at_least)
