"""Pictures of what a program shows after each step, with coordinates drawn on, as numbered files of one folder."""

import re
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imageflow_domain.errors import InvalidInput

Picture = NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""

PLAIN = "plain"
"""The folder inside it with the same pictures without coordinates, for `if_shown` to be cut from."""

_MARK = ".imageflow-probe"
"""A file that says that the folder's numbered pictures are a probe's, and may be replaced."""

_EVERY_PX = 100
_TICK_PX = 20
_CAPTION_PX = 24
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WHITE, _BLACK, _RED = (255, 255, 255), (0, 0, 0), (255, 40, 40)
_OWN = re.compile(r"[0-9]{2,}-[A-Za-z0-9._+-]+\.png")
_NAME_LENGTH = 60


class StepPictures:
    """Writes the pictures of one probe; those of an earlier one in the same folder are removed.

    Args:
        folder: Where they are written; it exists.

    Raises `InvalidInput` for a folder that holds anything and is not an earlier probe's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.last: Path | None = None
        """The file that was written last."""
        self._count = 0
        if any(folder.iterdir()) and not (folder / _MARK).is_file():
            raise InvalidInput(f"'{folder}' holds other files: name an empty or a new folder with --to.")
        (folder / _MARK).touch()
        (folder / PLAIN).mkdir(exist_ok=True)
        for plain in (folder / PLAIN).iterdir():
            if plain.is_file() and _OWN.fullmatch(plain.name):
                plain.unlink()
                (folder / plain.name).unlink(missing_ok=True)

    def save(self, picture: Picture, name: str, caption: str, marks: tuple[tuple[int, int], ...] = ()) -> Path:
        """Write what is shown now; return the file.

        Args:
            name: For the file's name; what may not be in one is replaced.
            caption: One line below the picture.
            marks: Places of clicks, joined by a line.
        """
        plain_name = re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip("-")[:_NAME_LENGTH]
        file = f"{self._count:02d}-{plain_name}.png"
        self._count += 1
        Image.fromarray(picture).save(self.folder / PLAIN / file, compress_level=4)
        self.last = self.folder / file
        Image.fromarray(drawn(picture, f"{file[:-4]}: {caption}", marks)).save(self.last, compress_level=4)
        return self.last


def drawn(picture: Picture, caption: str, marks: tuple[tuple[int, int], ...] = ()) -> Picture:
    """Return a picture with a grid of coordinates, marks, and a caption in a strip below it."""
    height, width = picture.shape[:2]
    lines = picture.copy()
    lines[:, ::_EVERY_PX] = 255 - lines[:, ::_EVERY_PX]
    lines[::_EVERY_PX] = 255 - lines[::_EVERY_PX]
    shown = cv2.addWeighted(picture, 0.65, lines, 0.35, 0.0).astype(np.uint8)
    for at in range(0, width, _TICK_PX):
        cv2.line(shown, (at, 0), (at, 4), _WHITE, 1)
    for at in range(0, height, _TICK_PX):
        cv2.line(shown, (0, at), (4, at), _WHITE, 1)
    for x in range(0, width, _EVERY_PX):
        for y in range(0, height, _EVERY_PX):
            if x == 0 or y == 0 or (x % (2 * _EVERY_PX), y % (2 * _EVERY_PX)) == (0, 0):
                label = str(x + y) if 0 in (x, y) else f"{x},{y}"
                _write(shown, label, (x + 3, y + 12), 0.38, _WHITE)
    for begin, end in pairwise(marks):
        cv2.arrowedLine(shown, begin, end, _RED, 2, cv2.LINE_AA)
    for mark in marks:
        cv2.circle(shown, mark, 12, _BLACK, 4, cv2.LINE_AA)
        cv2.circle(shown, mark, 12, _RED, 2, cv2.LINE_AA)
        cv2.drawMarker(shown, mark, _RED, cv2.MARKER_CROSS, 34, 1)
        _write(shown, f"{mark[0]},{mark[1]}", (mark[0] + 16, mark[1] - 12), 0.5, _RED)
    strip = np.zeros((_CAPTION_PX, width, 3), np.uint8)
    cv2.putText(strip, caption, (6, 16), _FONT, 0.45, _WHITE, 1, cv2.LINE_AA)
    return np.vstack((shown, strip))


def _write(picture: Picture, text: str, at: tuple[int, int], size: float, colour: tuple[int, int, int]) -> None:
    cv2.putText(picture, text, at, _FONT, size, _BLACK, 3, cv2.LINE_AA)
    cv2.putText(picture, text, at, _FONT, size, colour, 1, cv2.LINE_AA)
