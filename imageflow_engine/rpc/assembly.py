"""Chunks become images: in any order, those of several images in turn, some of them twice."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from imageflow.v1.image_processing_pb2 import ImageChunk, ImageMetadata
from imageflow_domain.errors import ImageFlowError, InvalidInput, StoreUnavailable, TooLarge
from imageflow_domain.texts import check_text

MOST_CHUNKS = 65_536
"""Of one image."""

_IN_MEMORY_BYTES = 2**20
_CORRELATION_CHARS = 200
_LISTED = 10


class Whole:
    """An image whose chunks are all there. Close it."""

    def __init__(self, correlation: str, metadata: ImageMetadata, pieces: "_Pieces") -> None:
        self.correlation = correlation
        self.metadata = metadata
        self._pieces = pieces

    def data(self) -> bytes:
        """Return the encoded image; reads a file."""
        return self._pieces.joined()

    def close(self) -> None:
        """Forget its bytes."""
        self._pieces.close()


class ImageRefused(Exception):
    """Chunks of an image that make none; the cause says why."""

    def __init__(self, correlation: str, why: ImageFlowError) -> None:
        super().__init__(str(why))
        self.correlation = correlation
        self.why = why


class Assembly:
    """The images of one stream whose chunks have not all come.

    Args:
        scratch: Where large ones lie until they are complete, in files without names.
        most_bytes: Of one image.
        most_open: Images that may be incomplete at once.
        most_images: Images of one stream.
    """

    def __init__(self, scratch: Path, *, most_bytes: int, most_open: int, most_images: int) -> None:
        self._scratch = scratch
        self._most_bytes = most_bytes
        self._most_open = most_open
        self._most_images = most_images
        self._open: dict[str, _Pieces] = {}
        self._done: set[str] = set()
        """Images that are complete or refused, whose further chunks are repetitions."""

    @property
    def is_waiting(self) -> bool:
        """Whether an image is incomplete."""
        return bool(self._open)

    def take(self, chunk: ImageChunk) -> Whole | None:
        """Take a chunk; return the image that it completes. Writes a file.

        Raises:
            ImageRefused: For chunks that contradict each other, or an image that is too large. Its other chunks are
                ignored from then on.
            InvalidInput: For a chunk of no image.
            TooLarge: For more images than a stream may have, in all or at once.
        """
        held_bytes = sum(pieces.size for pieces in self._open.values())
        if held_bytes + len(chunk.image_data) > 2 * self._most_bytes:
            raise TooLarge("The incomplete images of a stream are too large together: complete one first.")
        name = check_text(chunk.correlation_id, "The correlation_id of a chunk", least=1, most=_CORRELATION_CHARS)
        if name in self._done:
            return None
        pieces = self._pieces_of(name)
        try:
            pieces.take(chunk)
        except ImageFlowError as error:
            self._end(name).close()
            raise ImageRefused(name, error) from error
        if not pieces.is_whole:
            return None
        self._end(name)
        if pieces.metadata is None:
            pieces.close()
            raise ImageRefused(
                name, InvalidInput("No chunk of the image has its metadata: send it with the first one.")
            )
        return Whole(name, pieces.metadata, pieces)

    def end(self) -> Iterator[ImageRefused]:
        """Yield the images whose chunks did not all come, once no more come."""
        for name in tuple(self._open):
            missing = self._open[name].missing()
            self._end(name).close()
            yield ImageRefused(name, InvalidInput(f"The image is incomplete: {missing}. Send all of its chunks."))

    def close(self) -> None:
        """Forget all incomplete images."""
        for name in tuple(self._open):
            self._end(name).close()

    def _pieces_of(self, name: str) -> "_Pieces":
        if name not in self._open:
            if len(self._done) + len(self._open) >= self._most_images:
                raise TooLarge(f"A stream has at most {self._most_images:,} images: send the others in another one.")
            if len(self._open) >= self._most_open:
                raise TooLarge(f"At most {self._most_open} images of a stream may be incomplete: complete one first.")
            self._open[name] = _Pieces(self._scratch, self._most_bytes)
        return self._open[name]

    def _end(self, name: str) -> "_Pieces":
        self._done.add(name)
        return self._open.pop(name)


class _Pieces:
    """The chunks of one image so far, in a file in the order in which they came."""

    def __init__(self, scratch: Path, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._scratch = scratch
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=str(scratch))  # noqa: SIM115 - closed by its owner
        self._places: dict[int, tuple[int, int]] = {}
        """Begin and length in the file, by index."""
        self._total: int | None = None
        self._greatest = -1
        self.size = 0
        self.metadata: ImageMetadata | None = None

    @property
    def is_whole(self) -> bool:
        return self._total is not None and len(self._places) == self._total

    def take(self, chunk: ImageChunk) -> None:
        index = chunk.chunk_index
        self._take_total(chunk)
        if chunk.HasField("metadata"):
            if self.metadata is not None and chunk.metadata != self.metadata:
                raise InvalidInput("Two chunks have different metadata: send it once, or the same each time.")
            self.metadata = chunk.metadata
        try:
            if index in self._places:
                if self._read(index) != chunk.image_data:
                    raise InvalidInput(f"Chunk {index} came twice with different bytes: send each chunk once.")
                return
            self._add(index, chunk.image_data)
        except OSError as error:
            raise StoreUnavailable(
                f"'{self._scratch}' cannot hold the image ({error.strerror}): free some space, then send it again."
            ) from error

    def joined(self) -> bytes:
        return b"".join(self._read(index) for index in range(len(self._places)))

    def missing(self) -> str:
        if self._total is None:
            return f"{len(self._places)} chunks came, and none of them was the final one"
        absent = [index for index in range(self._total) if index not in self._places]
        listed = ", ".join(map(str, absent[:_LISTED])) + (", ..." if len(absent) > _LISTED else "")
        return f"of {self._total} chunks {len(absent)} are missing: {listed}"

    def close(self) -> None:
        self._file.close()

    def _take_total(self, chunk: ImageChunk) -> None:
        index, total = chunk.chunk_index, chunk.total_chunks
        if index < 0 or total < 0 or max(index + 1, total) > MOST_CHUNKS:
            raise InvalidInput(f"Chunk {index} of {total}: chunks are numbered from 0, up to {MOST_CHUNKS:,} an image.")
        if chunk.is_final_chunk and total not in (0, index + 1):
            raise InvalidInput(f"Chunk {index} of {total} is called the final one: that is chunk {total - 1}.")
        stated = index + 1 if chunk.is_final_chunk else total or None
        if stated is not None:
            if self._total not in (None, stated):
                raise InvalidInput(f"Chunks say that there are {self._total} of them, and {stated}: send one number.")
            self._total = stated
        self._greatest = max(self._greatest, index)
        if self._total is not None and self._greatest >= self._total:
            raise InvalidInput(f"There is a chunk {self._greatest}, and only {self._total} chunks from 0 on.")

    def _add(self, index: int, data: bytes) -> None:
        if self.size + len(data) > self._most_bytes:
            raise TooLarge(f"The image has more than the {self._most_bytes:,} bytes that are taken: make it smaller.")
        self._file.seek(0, 2)
        self._file.write(data)
        self._places[index] = (self.size, len(data))
        self.size += len(data)

    def _read(self, index: int) -> bytes:
        begin, length = self._places[index]
        self._file.seek(begin)
        return self._file.read(length)
