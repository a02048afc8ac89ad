"""Photographs in files: what can be read of them, and what shows that they are no set of good images."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from imageflow_domain.errors import BadFile, InvalidInput, NotFound, UnusableImage
from imageflow_domain.file_names import shown
from imageflow_pipelines.components.decode_v2 import DecodeV2
from imageflow_pipelines.values import Encoded, Pixels

_THUMBNAIL_PX = 32
_PLAIN = 1.0
"""Grey levels of standard deviation, below which an image shows nothing."""
_COPY = 1.0
"""Grey levels by which thumbnails of the same photograph, saved twice, differ at most on average."""


@dataclass(frozen=True, kw_only=True)
class Photograph:
    """An image in a file, without its pixels."""

    path: Path
    digest: str
    """Of its pixels: equal for files of other names or formats that show the same."""
    width_px: int
    height_px: int
    spread: float
    """Standard deviation of its grey levels."""
    thumbnail: NDArray[np.float32] = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return shown(self.path.name)

    def pixels(self) -> Pixels:
        """Read the image again."""
        return read_pixels(self.path)


@dataclass(frozen=True, kw_only=True)
class Sorted:
    """Photographs to learn from, and those that are left out."""

    kept: tuple[Photograph, ...]
    unreadable: tuple[BadFile, ...]
    plain: tuple[Photograph, ...]
    """All pixels alike: a covered lens, a blank file."""
    copies: tuple[tuple[Photograph, Photograph], ...]
    """Each with the one that it is a copy of."""

    @property
    def left_out(self) -> tuple[BadFile, ...]:
        """Each file that is not learned from, with the reason."""
        return (
            *self.unreadable,
            *(BadFile(name=each.name, reason="shows nothing: all its pixels are alike") for each in self.plain),
            *(BadFile(name=copy.name, reason=f"is a copy of {first.name}") for copy, first in self.copies),
        )


def read_pixels(path: Path) -> Pixels:
    """Return RGB pixels; raise `NotFound` or `InvalidInput` for what is no image."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotFound(f"'{path}' cannot be read: {error.strerror}.") from error
    return DecodeV2()(Encoded(data)).pixels


def sort_photographs(paths: Sequence[Path], on_read: Callable[[], None]) -> Sorted:
    """Read each file once and sort them. `on_read` is called after each."""
    read: list[Photograph] = []
    unreadable: list[BadFile] = []
    for path in paths:
        try:
            read.append(_photograph(path))
        except UnusableImage as error:
            unreadable.append(BadFile(name=shown(path.name), reason=error.reason))
        except (InvalidInput, NotFound) as error:
            unreadable.append(BadFile(name=shown(path.name), reason=f"cannot be read ({error})"))
        on_read()
    plain = tuple(each for each in read if each.spread < _PLAIN)
    kept: list[Photograph] = []
    copies: list[tuple[Photograph, Photograph]] = []
    for each in read:
        if each.spread < _PLAIN:
            continue
        first = _original(each, kept)
        if first is None:
            kept.append(each)
        else:
            copies.append((each, first))
    return Sorted(kept=tuple(kept), unreadable=tuple(unreadable), plain=plain, copies=tuple(copies))


def check_enough(found: Sorted, least: int, promise: str) -> None:
    """Raise `InvalidInput` where fewer than `least` photographs are left, with the reason why others are not used."""
    if len(found.kept) >= least:
        return
    read = len(found.kept) + len(found.plain) + len(found.copies)
    if found.plain and len(found.plain) == read:
        raise InvalidInput(
            f"All {read} images show nothing: the pixels of each are alike. Look at the camera and its exposure."
        )
    if len(found.kept) == 1 and found.copies:
        raise InvalidInput(f"All {read} images are equal: give photographs of different parts.")
    reasons = [
        f"{count} {what}"
        for count, what in (
            (len(found.copies), "are copies of others"),
            (len(found.plain), "show nothing"),
            (len(found.unreadable), "cannot be read as images"),
        )
        if count
    ]
    left_out = f" ({', '.join(reasons)})" if reasons else ""
    raise InvalidInput(
        f"There are {len(found.kept)} different good images{left_out}: learning takes at least {least}. {promise}"
    )


def _photograph(path: Path) -> Photograph:
    pixels = read_pixels(path)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels
    height, width = grey.shape
    return Photograph(
        path=path,
        digest=hashlib.sha256(f"{width}x{height}".encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest(),
        width_px=width,
        height_px=height,
        spread=float(grey.std()),
        thumbnail=cv2.resize(grey, (_THUMBNAIL_PX, _THUMBNAIL_PX), interpolation=cv2.INTER_AREA).astype(np.float32),
    )


def _original(photograph: Photograph, kept: Sequence[Photograph]) -> Photograph | None:
    for other in kept:
        if other.digest == photograph.digest:
            return other
        same_size = (other.width_px, other.height_px) == (photograph.width_px, photograph.height_px)
        if same_size and float(np.abs(other.thumbnail - photograph.thumbnail).max()) <= _COPY:
            return other
    return None
