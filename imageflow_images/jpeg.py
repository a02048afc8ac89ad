"""The markers of a JPEG image (ITU-T T.81, annex B), as far as they give its depth and whether it is whole."""

from imageflow_domain.errors import UnusableImage

_SCAN = 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset(range(0xD0, 0xDA)) | {0x00, 0x01}
_END = b"\xff\xd9"


def check_depth(data: bytes) -> None:
    """Raise `UnusableImage` for a JPEG image of more than eight bits a channel."""
    _, depth = _first_scan(data)
    if depth is not None and depth > 8:
        raise UnusableImage(f"has {depth} bits a channel: give an 8-bit picture")


def is_whole(data: bytes) -> bool:
    """Whether the first image of a JPEG file ends; decoders silently fill the missing part with grey.

    What lies behind that end (a preview, a depth map, a film) is not looked at.
    """
    scan, _ = _first_scan(data)
    return scan is not None and data.find(_END, scan) >= 0


def _first_scan(data: bytes) -> tuple[int | None, int | None]:
    """Return where the first scan begins, and the depth that the frame's header states, as far as they are there."""
    at, depth = 2, None
    # Decoders skip what stands between segments, as some cameras leave zeros there.
    while 0 <= (at := data.find(b"\xff", at)) <= len(data) - 4:
        marker = data[at + 1]
        if marker == 0xFF:  # filled up
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker == _SCAN:
            return at, depth
        else:
            if marker in _FRAMES and at + 4 < len(data):
                depth = data[at + 4]
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4]))
    return None, depth
