"""Images of a start that arrive in binary frames."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from imageflow_domain.errors import InvalidInput, TooLarge
from imageflow_gateway.live.socket_messages import Start
from imageflow_gateway.parts import cannot_hold

_IN_MEMORY_BYTES = 65_536


class ArrivingImages:
    """The images of one start so far; large ones lie on disk. Close it.

    Raises `InvalidInput` for two images of one name, `TooLarge` where all have more bytes than are taken.
    """

    def __init__(self, start: Start, scratch: Path, *, most_bytes: int) -> None:
        names = [image.name for image in start.images]
        if len(set(names)) < len(names):
            raise InvalidInput("Two images have one name: name each after another input of the pipeline.")
        if sum(image.size for image in start.images) > most_bytes:
            raise TooLarge(f"A start has more than the {most_bytes:,} bytes that are taken: shrink its images.")
        self.start = start
        self._scratch = scratch
        self._sizes = {image.name: image.size for image in start.images}
        self._files: dict[str, IO[bytes]] = {}

    @property
    def is_whole(self) -> bool:
        """Whether every byte has come."""
        return all(name in self._files and self._files[name].tell() == size for name, size in self._sizes.items())

    def take(self, frame: bytes) -> None:
        """Take a frame; raise `InvalidInput` where it goes beyond the size of its image."""
        name = self._current()
        if name not in self._files:
            self._files[name] = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=str(self._scratch))  # noqa: SIM115 - closed by its owner
        file, size = self._files[name], self._sizes[name]
        if file.tell() + len(frame) > size:
            raise InvalidInput(f"The frames of '{name}' have more than the {size:,} bytes that were announced.")
        try:
            file.write(frame)
        except OSError as error:
            raise cannot_hold(self._scratch, error) from error

    def images(self) -> Mapping[str, bytes]:
        """Return the images; reads files."""
        for file in self._files.values():
            file.seek(0)
        return {name: file.read() for name, file in self._files.items()}

    def close(self) -> None:
        """Forget them."""
        for file in self._files.values():
            file.close()

    def _current(self) -> str:
        return next(
            name for name, size in self._sizes.items() if name not in self._files or self._files[name].tell() < size
        )
