"""Images that a message announces, and that arrive in binary frames."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Generic, TypeVar

from imageflow_domain.errors import InvalidInput, TooLarge
from imageflow_gateway.parts import cannot_hold

_IN_MEMORY_BYTES = 65_536

M = TypeVar("M", covariant=True)


class ArrivingImages(Generic[M]):
    """The images of one message so far; large ones lie on disk. Close it.

    Args:
        message: What announces them.
        announced: Name and size of each image, in the order in which they come.
        scratch: Where large ones lie.
        most_bytes: Of all images together; raises `TooLarge` where they have more.
    """

    def __init__(self, message: M, announced: Sequence[tuple[str, int]], scratch: Path, *, most_bytes: int) -> None:
        if sum(size for _, size in announced) > most_bytes:
            raise TooLarge(f"The images have more than the {most_bytes:,} bytes that are taken together: shrink them.")
        self.message = message
        self._announced = announced
        self._scratch = scratch
        self._files: list[IO[bytes]] = []

    @property
    def is_whole(self) -> bool:
        """Whether every byte has come."""
        return len(self._files) == len(self._announced) and not self._left()

    def take(self, frame: bytes) -> None:
        """Take a frame; raise `InvalidInput` where it goes beyond the size of its image."""
        if not self._left():
            self._files.append(tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=str(self._scratch)))  # noqa: SIM115 - closed by its owner
        if len(frame) > self._left():
            name, size = self._announced[len(self._files) - 1]
            raise InvalidInput(f"The frames of '{name}' have more than the {size:,} bytes that were announced.")
        try:
            self._files[-1].write(frame)
        except OSError as error:
            raise cannot_hold(self._scratch, error) from error

    def images(self) -> list[tuple[str, bytes]]:
        """Return the images with their names, in their order; reads files."""
        for file in self._files:
            file.seek(0)
        return [(name, file.read()) for (name, _), file in zip(self._announced, self._files, strict=True)]

    def close(self) -> None:
        """Forget them."""
        for file in self._files:
            file.close()

    def _left(self) -> int:
        """Return how many bytes of the image that arrives are missing; 0 where the next frame begins another one."""
        return self._announced[len(self._files) - 1][1] - self._files[-1].tell() if self._files else 0
