"""What `imageflow pipeline run` reads and writes: pictures in, each output as a file or as text."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imageflow_cli.console import visible
from imageflow_cli.whole_file import make_folder, whole_file
from imageflow_domain.errors import InvalidInput, NotFound
from imageflow_domain.file_names import derived_name
from imageflow_pipelines.canonical import to_json
from imageflow_pipelines.components.encode import Encode
from imageflow_pipelines.execution import Execution
from imageflow_pipelines.limits import MAX_ENCODED_BYTES
from imageflow_pipelines.values import Detections, Encoded, Image, Mask, Measurements, Table, Text, Transform, Value

_ENDINGS = ((b"\x89PNG", "png"), (b"\xff\xd8", "jpg"), (b"RIFF", "webp"))


@dataclass(frozen=True, kw_only=True)
class Written:
    """One output: its name, a description of it, and its file if it became one."""

    output: str
    said: str
    file: Path | None = None


def read_file(path: Path) -> bytes:
    """Return a file's bytes. Raises `NotFound` where there is none, `InvalidInput` where it cannot be read."""
    try:
        if path.stat().st_size > MAX_ENCODED_BYTES:
            raise InvalidInput(f"'{path}' has more than {MAX_ENCODED_BYTES // 2**20} MiB: make it smaller.")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"There is no file '{path}'.") from error
    except OSError as error:
        raise InvalidInput(f"'{path}' cannot be read: {error.strerror}.") from error


def check_pictures(images: Sequence[Path], out: Path | None) -> None:
    """Make the folder of the outputs. Raises `InvalidInput` where files of two pictures would have the same name."""
    if out is None:
        return
    seen: dict[str, Path] = {}
    for image in images:
        other = seen.setdefault(image.stem, image)
        if other is not image:
            raise InvalidInput(f"The outputs of '{other}' and '{image}' would have the same names: run one at a time.")
    make_folder(out)


def write(execution: Execution, image: Path, out: Path | None) -> tuple[Written, ...]:
    """Write each output of a run that succeeded, `{stem}.{output}.{ending}`; without a folder, only describe it."""
    return tuple(_written(name, value, image.stem, out) for name, value in execution.outputs.items())


def _written(name: str, value: Value | None, stem: str, out: Path | None) -> Written:
    if value is None:
        return Written(output=name, said="nothing: a branch went another way")
    if out is None:
        return Written(output=name, said=_said(value))
    data, ending = _file(value)
    path = out / derived_name(stem, f".{name}.{ending}")
    with whole_file(path) as partial:
        partial.write_bytes(data)
    summary = "" if isinstance(value, Encoded | Image | Mask) else f" ({_said(value)})"
    return Written(output=name, said=f"{path}{summary}", file=path)


def _file(value: Value) -> tuple[bytes, str]:
    if isinstance(value, Image | Mask):
        value = Encode(format="png")(value)
    if isinstance(value, Encoded):
        return value.data, next((end for start, end in _ENDINGS if value.data.startswith(start)), "bin")
    if isinstance(value, Text):
        return value.text.encode(), "txt"
    return (json.dumps(to_json(value), indent=2, ensure_ascii=False) + "\n").encode(), "json"


def _said(value: Value) -> str:
    match value:
        case Encoded(data):
            return f"{len(data):,} bytes; --out FOLDER keeps them"
        case Image() | Mask():
            return f"{value.width_px} x {value.height_px} px; --out FOLDER keeps them"
        case Detections(items):
            listed = ", ".join(
                f"{item.label} {item.score:.2f}" + (f" {visible(item.text)}" if item.text else "") for item in items
            )
            return listed or "nothing found"
        case Measurements(items):
            return ", ".join(f"{item.name} {item.value:.6g} {item.unit}".rstrip() for item in items)
        case Text(text):
            return visible(text)
        case Table(_, rows):
            return f"{len(rows)} rows"
        case Transform(matrix):
            return " ".join(f"{number:.6g}" for row in matrix for number in row)


def summary(image: Path, execution: Execution, written: Sequence[Written]) -> dict[str, Any]:
    """Return a run as JSON: outputs, files, steps and the error."""
    return {
        "image": str(image),
        "error": str(execution.error) if execution.error is not None else None,
        "seconds": execution.seconds,
        "outputs": {name: None if value is None else to_json(value) for name, value in execution.outputs.items()},
        "files": {each.output: str(each.file) for each in written if each.file is not None},
        "steps": {name: asdict(record) for name, record in execution.steps.items()},
    }
