"""What flows between steps: one frozen class a kind. How values become JSON or bytes is `canonical`'s business."""

import math
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from imageflow_domain.errors import InvalidInput

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Encoded:
    """A picture as bytes: PNG, JPEG, WebP or BMP."""

    data: bytes


@dataclass(frozen=True, eq=False)
class Image:
    """Pixels, 8 bits a channel: RGB of shape (height, width, 3), or grey, shape (height, width). Read-only."""

    pixels: Pixels

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if self.pixels.dtype != np.uint8 or not (len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)) or 0 in shape:
            raise InvalidInput(f"Pixels of shape {shape} and type {self.pixels.dtype} are neither RGB nor grey.")
        self.pixels.setflags(write=False)

    def __reduce__(self) -> tuple[type["Image"], tuple[Pixels]]:
        return Image, (self.pixels,)  # numpy forgets on the way that they are not to be written

    @property
    def width_px(self) -> int:
        """Columns of `pixels`, at least 1."""
        return int(self.pixels.shape[1])

    @property
    def height_px(self) -> int:
        """Rows of `pixels`, at least 1."""
        return int(self.pixels.shape[0])

    @property
    def is_grey(self) -> bool:
        """Whether `pixels` has brightness alone, and no axis of channels."""
        return self.pixels.ndim == 2

    def grey(self) -> Pixels:
        """Return the brightness, shape (height, width): red, green and blue weighed as the eye does (ITU-R BT.601)."""
        if self.is_grey:
            return self.pixels
        return cv2.cvtColor(self.pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


@dataclass(frozen=True, eq=False)
class Mask:
    """Pixels that count, shape (height, width), uint8: 255 where they do, 0 elsewhere. Read-only."""

    pixels: Pixels

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 2 or 0 in self.pixels.shape:
            raise InvalidInput(f"Pixels of shape {self.pixels.shape} and type {self.pixels.dtype} are no mask.")
        self.pixels.setflags(write=False)

    def __reduce__(self) -> tuple[type["Mask"], tuple[Pixels]]:
        return Mask, (self.pixels,)

    @property
    def width_px(self) -> int:
        """Columns of `pixels`, at least 1."""
        return int(self.pixels.shape[1])

    @property
    def height_px(self) -> int:
        """Rows of `pixels`, at least 1."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True, kw_only=True)
class Point:
    """A place in a picture, from its top left corner; pixel (0, 0) covers x 0 to 1."""

    x_px: float
    y_px: float


@dataclass(frozen=True, kw_only=True)
class Box:
    """An upright rectangle of a picture."""

    x_px: float
    y_px: float
    width_px: float
    height_px: float

    @classmethod
    def around(cls, points: "tuple[Point, ...]") -> "Box":
        """Return the smallest box that holds all of `points`, of which there is at least one."""
        left, right = min(p.x_px for p in points), max(p.x_px for p in points)
        top, bottom = min(p.y_px for p in points), max(p.y_px for p in points)
        return cls(x_px=left, y_px=top, width_px=right - left, height_px=bottom - top)


@dataclass(frozen=True, kw_only=True)
class Detection:
    """Something found at a place."""

    label: str
    score: float
    """How sure, 0 to 1."""
    box: Box | None = None
    """`None` where it concerns the whole picture."""
    outline: tuple[Point, ...] = ()
    """Its corners in order, where more than the box is known."""
    text: str = ""
    """What it says, where it is something to read."""


@dataclass(frozen=True)
class Detections:
    """The detections; an empty set is a result too."""

    items: tuple[Detection, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A finite number with its unit: 'px', 'mm', 'mm2', or '' for counts and ratios."""

    name: str
    value: float
    unit: str = ""

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise InvalidInput(f"'{self.name}' came out as {self.value}: nothing was there to be measured.")


@dataclass(frozen=True)
class Measurements:
    """What was measured, in the order of the component; none is a result too."""

    items: tuple[Measurement, ...] = ()

    def value(self, name: str) -> float:
        """Return the measurement of that name; raise `InvalidInput` that lists the names there are."""
        for item in self.items:
            if item.name == name:
                return item.value
        known = ", ".join(sorted({item.name for item in self.items})) or "none at all"
        raise InvalidInput(f"There is no measurement '{name}': there is {known}.")


@dataclass(frozen=True)
class Text:
    """Words of a picture, any number of lines; empty where there is nothing to read."""

    text: str


Cell: TypeAlias = str | int | float


@dataclass(frozen=True)
class Table:
    """Rows of equal things: one blob, one contour, one detection each."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...] = ()

    def column(self, name: str) -> tuple[Cell, ...]:
        """Return a column's cells; raise `InvalidInput` that lists the columns there are."""
        if name not in self.columns:
            raise InvalidInput(f"The table has no column '{name}': it has {', '.join(self.columns)}.")
        place = self.columns.index(name)
        return tuple(row[place] for row in self.rows)


_Row: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True)
class Transform:
    """Where points of an image lie in the image that it was made from: the rows of a homography."""

    matrix: tuple[_Row, _Row, _Row]

    def __post_init__(self) -> None:
        rows = np.array(self.matrix)
        if not np.isfinite(rows).all() or abs(float(np.linalg.det(rows))) < _SINGULAR:
            raise InvalidInput("The transform cannot be inverted: it maps an image to a line.")

    @classmethod
    def of(cls, matrix: NDArray[np.float64]) -> "Transform":
        """Return the transform of a 3x3 matrix, whose last number becomes 1."""
        first, second, third = (
            (float(x), float(y), float(z)) for x, y, z in np.round(matrix / matrix[2, 2], 10).tolist()
        )
        return cls((first, second, third))

    def apply(self, point: Point) -> Point:
        """Return where a point lies, to a thousandth of a pixel; raise `InvalidInput` for one that lies nowhere."""
        x, y, w = (np.array(self.matrix) @ (point.x_px, point.y_px, 1.0)).tolist()
        if w <= 0:
            raise InvalidInput("A point lies behind the camera by this transform: nothing is seen there.")
        return Point(x_px=round(x / w, 3), y_px=round(y / w, 3))

    def then(self, after: "Transform") -> "Transform":
        """Return the transform that does this one, and `after` it another."""
        return Transform.of(np.array(after.matrix) @ np.array(self.matrix))

    @property
    def scale(self) -> float | None:
        """How many pixels lie along one pixel; `None` where it depends on place or direction."""
        (a, b, _), (c, d, _), (g, h, _) = self.matrix
        scale = math.hypot(a, c)
        is_similar = max(abs(a - d), abs(b + c)) <= 1e-6 * scale and g == 0 and h == 0
        return scale if is_similar else None


_SINGULAR = 1e-9

Value: TypeAlias = Encoded | Image | Mask | Detections | Measurements | Text | Table | Transform

KINDS: dict[str, type[Value]] = {
    "encoded": Encoded,
    "image": Image,
    "mask": Mask,
    "detections": Detections,
    "measurements": Measurements,
    "text": Text,
    "table": Table,
    "transform": Transform,
}
"""Every kind by the name that specs, catalogues and messages use."""

_NAMES = {kind: name for name, kind in KINDS.items()}


def kind_name(kind: type[Value]) -> str:
    """Return the name of a kind, e.g. 'image'."""
    return _NAMES[kind]


def size_bytes(value: Value) -> int:
    """Return about how much memory a value holds."""
    match value:
        case Encoded(data):
            return len(data)
        case Image(pixels) | Mask(pixels):
            return pixels.nbytes
        case Text(text):
            return len(text)
        case Table(columns, rows):
            return 64 * len(columns) * (len(rows) + 1)
        case Detections(items):
            return sum(256 + 64 * len(item.outline) for item in items)
        case Measurements(items):
            return 128 * len(items)
        case Transform():
            return 256
