"""Write a picture file whole or not at all."""

import os
from pathlib import Path

from PIL import Image

from imageflow_domain.errors import InvalidInput, StoreUnavailable
from imageflow_surveys.image import Region

_FORMATS = {".png": ("PNG", {"compress_level": 4}), ".webp": ("WEBP", {"lossless": True, "method": 2, "exact": True})}
_WEBP_SIDE = 16_383


def write_picture(path: Path, region: Region) -> None:
    """Write a region without loss; places that were not surveyed are transparent.

    Raises:
        InvalidInput: For another ending than .png or .webp, or a side that WebP cannot hold.
        StoreUnavailable: Where the file cannot be written; none is left half-written.
    """
    if path.suffix.lower() not in _FORMATS:
        raise InvalidInput(f"'{path.name}' ends in neither .png nor .webp.")
    kind, options = _FORMATS[path.suffix.lower()]
    if kind == "WEBP" and max(region.covered.shape) > _WEBP_SIDE:
        raise InvalidInput(f"WebP holds {_WEBP_SIDE} pixels a side: write a .png, or name a smaller --region.")
    picture = Image.fromarray(region.rgb)
    if not region.covered.all():
        picture.putalpha(Image.fromarray(region.covered))
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        picture.save(partial, kind, **options)
        partial.replace(path)
    except OSError as error:
        raise StoreUnavailable(f"'{path}' cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)
