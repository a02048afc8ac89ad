"""Write a picture file whole or not at all."""

from pathlib import Path

from PIL import Image

from imageflow_cli.whole_file import check_folder_of, whole_file
from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_surveys.image import Region

_FORMATS = {".png": ("PNG", {"compress_level": 4}), ".webp": ("WEBP", {"lossless": True, "method": 2, "exact": True})}
_WEBP_SIDE = 16_383


def check_picture_file(path: Path, part: Rect) -> None:
    """Return whether a region may become the file `path`, before it is composed.

    Raises:
        InvalidInput: For another ending than .png or .webp, or a side that WebP cannot hold.
        StoreUnavailable: Where the file's folder is not there or closed.
    """
    if path.suffix.lower() not in _FORMATS:
        raise InvalidInput(f"'{path.name}' ends in neither .png nor .webp.")
    if path.suffix.lower() == ".webp" and max(part.width_px, part.height_px) > _WEBP_SIDE:
        raise InvalidInput(f"WebP holds {_WEBP_SIDE} pixels a side: write a .png, or name a smaller --region.")
    check_folder_of(path)


def write_picture(path: Path, region: Region) -> None:
    """Write a region without loss, after `check_picture_file`; places that were not surveyed are transparent.

    Raises `StoreUnavailable` where the file cannot be written; none is left half-written.
    """
    kind, options = _FORMATS[path.suffix.lower()]
    picture = Image.fromarray(region.rgb)
    if not region.covered.all():
        picture.putalpha(Image.fromarray(region.covered))
    with whole_file(path) as partial:
        picture.save(partial, kind, **options)
