"""Which file shows which cell: from `positions.csv`, or from names like `r03_c11.png`. Pictures are not opened."""

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from imageflow_domain.errors import BadFile
from imageflow_domain.file_names import NameIndex, shown, why_skipped
from imageflow_domain.geometry import Position
from imageflow_domain.grid import GRID_SIDE, Cell
from imageflow_domain.keys import DONE_MARKER, POSITIONS_FILE

COLUMNS = ("file", "row", "col", "x", "y")
MAX_CELL = GRID_SIDE - 1
"""Grids end there."""

MAX_POSITION_PX = 1e8

_NAME = re.compile(r"r(\d{1,6})_c(\d{1,6})\.[a-z0-9]{1,5}", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One file, its cell, and its position where that is known."""

    file: str
    cell: Cell
    position: Position | None


@dataclass(frozen=True, kw_only=True)
class Index:
    """The files of a source in order of their cells, and every fault found on the way."""

    shots: tuple[Shot, ...]
    faults: tuple[BadFile, ...] = ()
    unusable: bool = False
    """The list itself cannot be read, so that leaving faults out would leave everything out."""


@dataclass
class _Collector:
    shots: dict[Cell, Shot] = field(default_factory=dict)
    faults: list[BadFile] = field(default_factory=list)

    def blame(self, name: str, reason: str) -> None:
        self.faults.append(BadFile(name=name, reason=reason))

    def index(self) -> Index:
        return Index(shots=tuple(self.shots[cell] for cell in sorted(self.shots)), faults=tuple(self.faults))


def is_picture_name(name: str) -> bool:
    """Whether a file counts as a frame: all but the marker and those with a reason by `why_skipped`."""
    return why_skipped(name) is None and name != DONE_MARKER


def skipped_files(names: Iterable[str]) -> tuple[BadFile, ...]:
    """Return the files of a source that are no frames, each with the reason; its list and its marker are left out."""
    reasons = {name: why_skipped(name) for name in names if name != POSITIONS_FILE}
    return tuple(BadFile(name=shown(name), reason=reason) for name, reason in reasons.items() if reason is not None)


def tell_no_cell(names: Iterable[str]) -> bool:
    """Whether a source does not give its frames' places: no list, and no name like `r03_c11.png`."""
    every = list(names)
    return POSITIONS_FILE not in every and not any(_NAME.fullmatch(name) for name in filter(is_picture_name, every))


def index_by_name(names: Iterable[str]) -> Index:
    """Read cells from names like `r03_c11.png`; a name that does not say is a fault."""
    found = _Collector()
    for name in filter(is_picture_name, names):
        match = _NAME.fullmatch(name)
        if match is None:
            found.blame(name, f"its name has no cell: call it like r03_c11.png, or list it in {POSITIONS_FILE}")
            continue
        cell = Cell(row=int(match[1]), col=int(match[2]))
        if max(cell.row, cell.col) > MAX_CELL:
            found.blame(name, f"lies outside the largest grid: rows and columns go up to {MAX_CELL}")
        elif cell in found.shots:
            found.blame(name, f"shows the same cell as {found.shots[cell].file}")
        else:
            found.shots[cell] = Shot(file=name, cell=cell, position=None)
    return found.index()


def index_by_list(data: bytes, names: Iterable[str]) -> Index:
    """Read `positions.csv`; each fault names its line. Pictures without a row are faults, too.

    Args:
        data: The file's bytes: UTF-8, the columns `file,row,col,x,y` in any order, x and y in pixels. A file is named
            exactly, or by a name of equal NFC that no other file has.
        names: Every file of the source.
    """
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        return _unusable(f"cannot be read as comma-separated UTF-8 text ({error})")
    if not rows:
        return _unusable(f"is empty; its first line must be {','.join(COLUMNS)}")
    header = [column.strip() for column in rows[0]]
    if sorted(header) != sorted(COLUMNS):
        return _unusable(f"line 1: the columns are '{','.join(header)}', but must be {','.join(COLUMNS)}")
    pictures = [name for name in names if is_picture_name(name)]
    return _read_rows(rows, header, pictures)


def _unusable(reason: str) -> Index:
    return Index(shots=(), faults=(BadFile(name=POSITIONS_FILE, reason=reason),), unusable=True)


def _read_rows(rows: Sequence[Sequence[str]], header: Sequence[str], pictures: Sequence[str]) -> Index:
    found = _Collector()
    first_line: dict[str, int] = {}
    cell_line: dict[Cell, int] = {}
    there = NameIndex(pictures)
    for line, row in enumerate(rows[1:], start=2):
        if not any(value.strip() for value in row):
            continue
        at_line = f"{POSITIONS_FILE} line {line}"
        if len(row) != len(COLUMNS):
            found.blame(at_line, f"has {len(row)} values instead of {len(COLUMNS)}")
            continue
        given = dict(zip(header, row, strict=True))
        values = {column: value.strip() for column, value in given.items()}
        # A name may begin with a space, and a list may have one behind each comma.
        file = there.find(given["file"]) or there.find(values["file"])
        name = values["file"] if file is None else file
        shot, reasons = _read_row(values | {"file": name})
        if file is None:
            reasons.append(f"there is no file '{name}'")
        if name in first_line:
            reasons.append(f"'{name}' is listed in line {first_line[name]} already")
        first_line.setdefault(name, line)
        if shot is not None and shot.cell in cell_line:
            reasons.append(f"row {shot.cell.row}, col {shot.cell.col} is taken by line {cell_line[shot.cell]}")
        if reasons or shot is None:
            found.faults.extend(BadFile(name=at_line, reason=reason) for reason in reasons)
            continue
        cell_line[shot.cell] = line
        found.shots[shot.cell] = shot
    for name in pictures:
        if name not in first_line:
            found.blame(name, f"has no row in {POSITIONS_FILE}")
    return found.index()


def _read_row(values: dict[str, str]) -> tuple[Shot | None, list[str]]:
    reasons: list[str] = []
    cell: dict[str, int] = {}
    position: dict[str, float] = {}
    for column in ("row", "col"):
        text = values[column]
        if not re.fullmatch(r"-?[0-9]{1,9}", text):
            reasons.append(f"{column} '{text}' is not a whole number")
        elif not 0 <= int(text) <= MAX_CELL:
            reasons.append(f"{column} {text} is not between 0 and {MAX_CELL}")
        else:
            cell[column] = int(text)
    for column in ("x", "y"):
        number = _finite(values[column])
        if number is None:
            reasons.append(f"{column} '{values[column]}' is not a number")
        elif abs(number) > MAX_POSITION_PX:
            reasons.append(f"{column} {values[column]} is beyond {MAX_POSITION_PX:,.0f} px")
        else:
            position[column] = number
    if reasons:
        return None, reasons
    where = Position(x_px=position["x"], y_px=position["y"])
    return Shot(file=values["file"], cell=Cell(row=cell["row"], col=cell["col"]), position=where), reasons


def _finite(text: str) -> float | None:
    if "_" in text:  # Python's own number syntax, which no other program writes
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
