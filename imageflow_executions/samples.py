"""Sample images of previews, kept in memory by their digest."""

import hashlib
import threading
from collections import OrderedDict

from imageflow_domain.errors import InvalidInput, SampleForgotten, TooLarge, UnusableImage
from imageflow_images.header import read_header

MOST_SAMPLE_BYTES = 16 * 2**20
MOST_SAMPLE_PX = 40_000_000
_KEPT_BYTES = 128 * 2**20


class Samples:
    """Encoded images, the least recently used forgotten first. Any thread may use it."""

    def __init__(self, *, most_bytes: int = _KEPT_BYTES) -> None:
        """Keep none yet.

        Args:
            most_bytes: Of all images together.
        """
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def keep(self, data: bytes) -> str:
        """Keep an image, and return its SHA-256 in hex; raise `TooLarge` or `InvalidInput` for one that is not taken.

        Bytes that are no image are kept: the step that decodes them says what is wrong.
        """
        _check(data)
        digest = hashlib.sha256(data).hexdigest()
        with self._lock:
            self._bytes += len(data) - len(self._kept.pop(digest, b""))
            self._kept[digest] = data
            while self._bytes > self._most_bytes:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return digest

    def get(self, digest: str) -> bytes:
        """Return an image; raise `SampleForgotten` where it is not kept."""
        with self._lock:
            data = self._kept.get(digest)
            if data is None:
                raise SampleForgotten(f"The image '{digest[:64]}' is not kept for previews: send its bytes.")
            self._kept.move_to_end(digest)
            return data


def _check(data: bytes) -> None:
    if not data:
        raise InvalidInput("A sample is empty (0 bytes): send an image.")
    if len(data) > MOST_SAMPLE_BYTES:
        raise TooLarge(f"A sample has {len(data):,} bytes, more than {MOST_SAMPLE_BYTES:,}: make it smaller.")
    size_px = claimed_px(data)
    if size_px > MOST_SAMPLE_PX:
        raise TooLarge(f"A sample has {size_px:,} pixels, more than {MOST_SAMPLE_PX:,}: make it smaller.")


def claimed_px(data: bytes) -> int:
    """Return how many pixels an image has by its header; 0 for bytes that are no image."""
    try:
        with read_header(data) as header:
            return header.width * header.height
    except UnusableImage:
        return 0
