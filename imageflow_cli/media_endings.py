"""How files of a media type are called."""

_ENDINGS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/bmp": "bmp",
    "application/json": "json",
}


def ending_of(media_type: str) -> str:
    """Return the ending of a file's name, without a dot."""
    return _ENDINGS.get(media_type, "bin")
