"""Runs ASHLAR over frames in memory, in an environment that has it: `python ashlar_peer.py FRAMES.npz REACH`.

Prints JSON: positions (x, y, one for each frame), and the processor time of finding them. FRAMES.npz holds `frames`,
grey, shape (n, height, width), and `positions` (x, y), where they are believed to lie. Two things of ASHLAR are
replaced while it runs, neither of which changes an alignment:

- `jnius`, its bridge to Java, which only its readers of microscopes' files use;
- `utils.nccw`, which gives up with "correlation > total_amplitude" where an overlap is identical and rounding puts its
  correlation above 1. It returns 0 there, "no error at all", which is what it does itself for smaller such excesses.
"""

import json
import sys
import time
from typing import Any
from unittest.mock import MagicMock

import numpy as np

sys.modules["jnius"] = MagicMock()
import ashlar.reg  # type: ignore[import-not-found]  # noqa: E402 - not of this project's environment


class _Metadata(ashlar.reg.Metadata):  # type: ignore[misc]
    """Frames of one size, a pixel a micrometre."""

    def __init__(self, frames: Any, positions: Any) -> None:
        self._frames = frames
        self._positions = positions[:, ::-1].astype(float)  # y, x
        self._size = np.array(frames.shape[1:])

    _num_images = property(lambda self: len(self._frames))
    num_channels = property(lambda _: 1)
    pixel_size = property(lambda _: 1.0)
    pixel_dtype = property(lambda self: self._frames.dtype)


class _Reader(ashlar.reg.Reader):  # type: ignore[misc]
    def __init__(self, frames: Any, positions: Any) -> None:
        self._frames = frames
        self.metadata = _Metadata(frames, positions)

    def read(self, series: int, c: int) -> Any:  # noqa: ARG002 - ASHLAR's signature
        return self._frames[series]


def _tolerant(nccw: Any) -> Any:
    def patched(*arguments: Any) -> float:
        try:
            return float(nccw(*arguments))
        except RuntimeError as error:
            if "correlation > total_amplitude" not in str(error):
                raise
            return 0.0

    return patched


def main(path: str, reach_px: float) -> None:
    """Align, and print the result."""
    given = np.load(path)
    reader = _Reader(given["frames"], given["positions"])
    ashlar.reg.utils.nccw = _tolerant(ashlar.reg.utils.nccw)
    begin = time.process_time()
    aligner = ashlar.reg.EdgeAligner(reader, max_shift=reach_px, do_make_thumbnail=False)
    aligner.run()
    cpu_s = time.process_time() - begin
    print(json.dumps({"positions": aligner.positions[:, ::-1].tolist(), "cpu_s": cpu_s}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
