"""A model in a folder, as its author delivers it: file, card, and a golden set with the original's answers.

A model for `align` has an image in place of the network, `reference.png` or another kind of image, and no golden set.

model.onnx
model.json      name, version, task, labels, mean, std, tolerance
golden/*.png    pictures of the model's own input size
golden/answers.npz   what the original answered: each output by name, one row a picture in the order of their names
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imageflow_clients.inference.card import Wanted
from imageflow_clients.inference.onnx_file import MAX_FILE_BYTES
from imageflow_domain.errors import InvalidInput, NotFound
from imageflow_domain.file_names import PICTURE_TYPES
from imageflow_domain.inference import ModelTask
from imageflow_pipelines.components.decode import Decode
from imageflow_pipelines.limits import MAX_ENCODED_BYTES
from imageflow_pipelines.values import Encoded, Image

FILE, CARD, GOLDEN, ANSWERS, REFERENCE = "model.onnx", "model.json", "golden", "answers.npz", "reference"
MAX_GOLDEN = 500
_MAX_ANSWER_BYTES = 256 * 2**20
_WHERE = "see docs/models.md"
_BROKEN = (
    *(ValueError, OSError, EOFError, KeyError, MemoryError, OverflowError, SyntaxError, TypeError),
    *(RuntimeError, zipfile.BadZipFile, zlib.error, struct.error, TokenError),
)
"""What zipfile and numpy raise for bytes that are no arrays, or damaged ones."""


@dataclass(frozen=True, kw_only=True)
class Golden:
    """Pictures, and what the model answered before it was exported."""

    names: tuple[str, ...]
    pictures: tuple[Image, ...]
    answers: Mapping[str, NDArray[Any]]


NO_GOLDEN = Golden(names=(), pictures=(), answers={})
"""Of a model that answers nothing."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A model that wants to be registered."""

    wanted: Wanted
    data: bytes
    """A network, or of a model for `align` an encoded image."""
    golden: Golden


def read_bundle(folder: Path) -> Bundle:
    """Read a folder; raise `NotFound` or `InvalidInput`, naming the file that is missing or wrong."""
    wanted = Wanted.parse(_read(folder / CARD, 2**20), str(folder / CARD))
    if wanted.task is ModelTask.ALIGN:
        return Bundle(wanted=wanted, data=_read_reference(folder), golden=NO_GOLDEN)
    return Bundle(wanted=wanted, data=_read(folder / FILE, MAX_FILE_BYTES), golden=_read_golden(folder / GOLDEN))


def write_bundle(
    folder: Path, wanted: Wanted, data: bytes, pictures: Mapping[str, bytes], answers: Mapping[str, NDArray[Any]]
) -> None:
    """Write a folder that `read_bundle` reads.

    Args:
        folder: Made if missing.
        wanted: The card.
        data: The exported model.
        pictures: PNG files by name, which are put in order.
        answers: Of the model before it was exported; rows in the order of the pictures' names.
    """
    golden = folder / GOLDEN
    golden.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(data)
    (folder / CARD).write_text(wanted.model_dump_json(indent=2) + "\n")
    for name, picture in pictures.items():
        (golden / f"{name}.png").write_bytes(picture)
    np.savez_compressed(golden / ANSWERS, allow_pickle=False, **dict(answers))


def _read(path: Path, most: int) -> bytes:
    try:
        if path.stat().st_size > most:
            raise InvalidInput(f"'{path}' has more than {most:,} bytes, which is the most that is taken.")
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"'{path}' cannot be read ({error.strerror}): a model's folder holds it, {_WHERE}.") from error


def _read_reference(folder: Path) -> bytes:
    paths = sorted(path for path in folder.glob(f"{REFERENCE}.*") if path.suffix.lower() in PICTURE_TYPES)
    if len(paths) != 1:
        raise InvalidInput(
            f"'{folder}' holds {len(paths)} images called '{REFERENCE}': a model for 'align' has one, such as "
            f"{REFERENCE}.png, {_WHERE}."
        )
    return _read(paths[0], MAX_ENCODED_BYTES)


def _read_golden(folder: Path) -> Golden:
    paths = sorted(folder.glob("*.png"))
    if not 1 <= len(paths) <= MAX_GOLDEN:
        raise InvalidInput(
            f"'{folder}' holds {len(paths)} pictures: a golden set has 1 to {MAX_GOLDEN} PNG files, {_WHERE}."
        )
    pictures = tuple(_picture(path) for path in paths)
    answers = _answers(folder / ANSWERS)
    for name, rows in answers.items():
        if rows.shape[:1] != (len(paths),):
            raise InvalidInput(f"'{folder / ANSWERS}' has '{name}' for {rows.shape[:1]} pictures, not {len(paths)}.")
    return Golden(names=tuple(path.name for path in paths), pictures=pictures, answers=answers)


def _picture(path: Path) -> Image:
    try:
        return Decode()(Encoded(_read(path, 64 * 2**20)))
    except InvalidInput as error:
        raise InvalidInput(f"'{path}': {error}") from error


def _answers(path: Path) -> Mapping[str, NDArray[Any]]:
    data = _read(path, _MAX_ANSWER_BYTES)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            if sum(info.file_size for info in file.infolist()) > _MAX_ANSWER_BYTES:
                raise InvalidInput(
                    f"'{path}' holds more than {_MAX_ANSWER_BYTES:,} bytes, which is the most that is taken."
                )
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except _BROKEN as error:
        raise InvalidInput(f"'{path}' is no file of numpy's arrays by name: write it anew, {_WHERE}.") from error
