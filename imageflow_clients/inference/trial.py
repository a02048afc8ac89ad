"""A model's first run, in a process of its own with bounds on memory and time: a crash or hang ends there.

`python -m imageflow_clients.inference.trial FOLDER` is that process: it reads `model.onnx` and `inputs.npz`, and writes
`outputs.npz`.
"""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imageflow_domain.errors import InvalidInput

MEMORY_BYTES = 4 * 2**30
SECONDS = 120.0
_WRONG = 3


def try_model(
    data: bytes,
    inputs: Mapping[str, NDArray[Any]],
    *,
    memory_bytes: int = MEMORY_BYTES,
    seconds: float = SECONDS,
) -> Mapping[str, NDArray[Any]]:
    """Return what a model answers, each picture run by itself on the processor.

    Args:
        data: The model's file.
        inputs: By name; the first axis counts pictures.
        memory_bytes: All that the process may have.
        seconds: By when it has to be done.

    Raises:
        InvalidInput: When it cannot be loaded or run within the bounds.
    """
    with tempfile.TemporaryDirectory(prefix="imageflow-trial-") as name:
        folder = Path(name)
        (folder / "model.onnx").write_bytes(data)
        _save(folder / "inputs.npz", inputs)
        try:
            done = subprocess.run(
                [sys.executable, "-m", __name__, str(folder)],
                env=os.environ | {"IMAGEFLOW_TRIAL_BYTES": str(memory_bytes), "OPENBLAS_NUM_THREADS": "1"},
                cwd=Path(__file__).parents[2],
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise InvalidInput(f"The model was not done after {seconds:g} s: it is too large for use here.") from error
        if done.returncode == _WRONG:
            raise InvalidInput(f"ONNX Runtime cannot run the model: {done.stderr.decode(errors='replace').strip()}")
        if done.returncode != 0:
            raise InvalidInput(
                f"The model brought the process down that tried it (status {done.returncode}), "
                f"or needs more than {memory_bytes // 2**20:,} MiB: it is not taken."
            )
        return _load(folder / "outputs.npz")


def _save(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write tensors whose names may be anything."""
    np.savez(path, *tensors.values(), names=np.array(list(tensors)))


def _load(path: Path) -> Mapping[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as file:
        return {str(name): file[f"arr_{i}"] for i, name in enumerate(file["names"])}


def _main(folder: Path) -> None:
    import onnxruntime as ort

    bound = int(os.environ["IMAGEFLOW_TRIAL_BYTES"])
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        # From bytes, not from the file: there is no folder that anything beside it could be read from.
        session = ort.InferenceSession(
            (folder / "model.onnx").read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        names = [output.name for output in session.get_outputs()]
        inputs = _load(folder / "inputs.npz")
        count = len(next(iter(inputs.values())))
        pictures = [{name: values[i : i + 1] for name, values in inputs.items()} for i in range(count)]
        answers = [session.run(names, picture) for picture in pictures]
        outputs = {name: np.concatenate([answer[i] for answer in answers]) for i, name in enumerate(names)}
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's classes have no common root
        print((str(error).splitlines() or [type(error).__name__])[0][:300], file=sys.stderr)  # noqa: T201
        sys.exit(_WRONG)
    _save(folder / "outputs.npz", outputs)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
