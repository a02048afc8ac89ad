"""Every kind of image with its treatment, as docs/pictures.md lists them."""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from game_capture.picture import decode_rgb as decode_frame
from imageflow_domain.errors import UnusableImage
from imageflow_images.header import read_header
from imageflow_images.intake import IntakeRules, decode_rgb, decode_rgba
from imageflow_mosaic.codec import decode_picture
from imageflow_pipelines.components.decode import Decode
from imageflow_pipelines.components.decode_v2 import DecodeV2
from imageflow_pipelines.values import Encoded
from tests.images.kinds import (
    HEIGHT,
    WIDTH,
    chunk,
    deep_png,
    exif,
    picture,
    saved,
    scene,
    twelve_bit_jpeg,
    with_segment,
    xmp,
)

_PAGE = (Path(__file__).parents[2] / "docs" / "pictures.md").read_text()
_SECTION = _PAGE.partition("## How images are read")[2].partition("\n## ")[0]

Pixels = NDArray[np.uint8]


def _version_1(data: bytes) -> Pixels:
    return Decode()(Encoded(data)).pixels


def _version_2(data: bytes) -> Pixels:
    return DecodeV2()(Encoded(data)).pixels


READERS: dict[str, Callable[[bytes], Pixels]] = {
    "`decode@2`": _version_2,
    "`decode@1`": _version_1,
    "surveys": decode_frame,
}
"""By the columns of the page's table."""

RGB = Image.fromarray(scene())
_GREY = RGB.convert("L")
_PALETTE = RGB.quantize(16)
_BITS = RGB.convert("1")
_UPRIGHT = scene()
_ON_ITS_SIDE = np.rot90(_UPRIGHT, -1)
_PNG_PROFILE = chunk(b"iCCP", b"wide gamut\0\0" + zlib.compress(bytes(128)))


def _rgb_of(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("RGB"))


def _opaque(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.putalpha(255)
    return image


def _inside_png(extra: bytes) -> bytes:
    data = picture("PNG")
    at = data.index(b"IDAT") - 4
    return data[:at] + extra + data[at:]


def _deep(alpha: int | None = None, *, grey: bool = False) -> bytes:
    """The scene with 16 bits a channel."""
    deep = scene().astype(np.uint16) * 257
    deep = deep[..., :1] if grey else deep
    if alpha is not None:
        deep = np.dstack([deep, np.full((HEIGHT, WIDTH), alpha, np.uint16)])
    return deep_png(deep)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A row of the page's table."""

    treatment: str
    """As the page has it for `decode@2`."""
    files: tuple[tuple[bytes, Pixels | None], ...]
    """Examples, and the pixels that they have to give; `None` where they are refused."""
    refused: str = ""
    """What the refusal says."""
    version_1: str | None = None
    """What `decode@1` does, if not the same."""
    surveys: str | None = None
    """What surveys do, if not the same."""


_GREY_RAMP = np.repeat(scene()[..., :1], 3, axis=2)
_CUT = "damaged or cut short"

KINDS: dict[str, Kind] = {
    "8-bit RGB or grey": Kind(
        treatment="read, grey as RGB of equal channels",
        files=(
            *((picture(kind, lossless=True), _UPRIGHT) for kind in ("PNG", "WEBP", "BMP")),
            (picture("JPEG"), _UPRIGHT),
            (saved(_GREY, "PNG"), _rgb_of(_GREY)),
            (saved(_GREY, "BMP"), _rgb_of(_GREY)),
            (saved(_GREY, "JPEG", quality=95), _rgb_of(_GREY)),
        ),
    ),
    "palette, 1 bit": Kind(
        treatment="read as RGB, without loss",
        files=(
            (saved(_PALETTE, "PNG"), _rgb_of(_PALETTE)),
            (saved(_PALETTE, "BMP"), _rgb_of(_PALETTE)),
            (saved(_BITS, "PNG"), _rgb_of(_BITS)),
            (saved(_BITS, "BMP"), _rgb_of(_BITS)),
        ),
    ),
    "alpha, opaque everywhere": Kind(
        treatment="read, alpha dropped",
        files=(
            (saved(_opaque(RGB), "PNG"), _UPRIGHT),
            (saved(_opaque(RGB), "WEBP", lossless=True), _UPRIGHT),
            (saved(_opaque(_GREY), "PNG"), _rgb_of(_GREY)),
            (saved(_PALETTE, "PNG", transparency=255), _rgb_of(_PALETTE)),
        ),
    ),
    "transparent anywhere": Kind(
        treatment="refused",
        files=(
            (saved(Image.new("RGBA", (8, 8), (1, 2, 3, 254)), "PNG"), None),
            (saved(Image.new("RGBA", (8, 8), (1, 2, 3, 254)), "WEBP", lossless=True), None),
            (saved(_PALETTE, "PNG", transparency=0), None),
        ),
        refused="transparent in places",
    ),
    "PNG of 16 bits a channel": Kind(
        treatment="read as 8 bits, x / 257, rounded",
        files=(
            (_deep(grey=True), _GREY_RAMP),
            (_deep(), _UPRIGHT),
            (_deep(65_535), _UPRIGHT),
            (_deep(65_535, grey=True), _GREY_RAMP),
        ),
        refused="has 16 bits a channel",
        version_1="refused",
        surveys="refused",
    ),
    "JPEG of 12 bits a channel": Kind(
        treatment="refused", files=((twelve_bit_jpeg(), None),), refused="has 12 bits a channel"
    ),
    "CMYK JPEG": Kind(
        treatment="refused", files=((saved(RGB.convert("CMYK"), "JPEG"), None),), refused="CMYK colours.* as RGB"
    ),
    "colour profile, gamma": Kind(
        treatment="read, the profile ignored",
        files=(
            (_inside_png(_PNG_PROFILE), _UPRIGHT),
            (_inside_png(chunk(b"gAMA", (22_222).to_bytes(4, "big"))), _UPRIGHT),
            (picture("JPEG", icc_profile=bytes(200)), _UPRIGHT),
            (picture("WEBP", lossless=True, icc_profile=bytes(200)), _UPRIGHT),
        ),
    ),
    "EXIF orientation": Kind(
        treatment="turned upright",
        files=tuple((picture(kind, exif=exif(6), lossless=True), _ON_ITS_SIDE) for kind in ("JPEG", "PNG", "WEBP")),
    ),
    "EXIF with its header twice": Kind(
        treatment="turned upright",
        files=((with_segment(picture("JPEG"), 0xE1, b"Exif\0\0" + exif(6)), _ON_ITS_SIDE),),
        version_1="read, not turned",
    ),
    "orientation in XMP alone": Kind(
        treatment="turned upright",
        files=(
            (with_segment(picture("JPEG"), 0xE1, xmp(6)), _ON_ITS_SIDE),
            (picture("WEBP", lossless=True, xmp=xmp(6)), _ON_ITS_SIDE),
        ),
        version_1="turned, but JPEG not",
    ),
    "EXIF that cannot be read": Kind(
        treatment="read, not turned",
        files=(
            (with_segment(picture("JPEG"), 0xE1, b"Exif\0\0no TIFF header"), _UPRIGHT),
            (picture("JPEG", exif=exif(99)), _UPRIGHT),
        ),
    ),
    "animation (PNG, WebP)": Kind(
        treatment="refused",
        files=tuple(
            (saved(RGB, kind, save_all=True, append_images=[RGB.convert("L").convert("RGB")]), None)
            for kind in ("PNG", "WEBP")
        ),
        refused="animation of 2 pictures",
    ),
    "MPO (a phone's JPEG with a second picture)": Kind(
        treatment="its first picture",
        files=((saved(RGB, "MPO", save_all=True, append_images=[RGB.resize((9, 9))], quality=95), _UPRIGHT),),
    ),
    "cut short": Kind(
        treatment="refused",
        files=tuple(
            (data[: max(30, int(len(data) * share))], None)
            for data in (
                picture("JPEG"),
                picture("JPEG", progressive=True),
                picture("PNG"),
                picture("WEBP", lossless=True),
                picture("WEBP"),
                picture("BMP"),
            )
            for share in (0.05, 0.5, 0.9)
        ),
        refused=_CUT,
    ),
    "only its end is missing": Kind(
        treatment="refused",
        files=((picture("PNG")[:-6], None), (picture("JPEG")[:-2], None), (picture("WEBP", lossless=True)[:-2], None)),
        refused=_CUT,
        version_1="refused, but PNG read",
    ),
    "other bytes behind its end": Kind(
        treatment="read, the rest ignored",
        files=tuple(
            (picture(kind, lossless=True) + b"\0\xff\xda a film \xff\xd8\xff", _UPRIGHT)
            for kind in ("JPEG", "PNG", "WEBP", "BMP")
        ),
        version_1="read, but some JPEG refused",
    ),
    "another format (GIF, TIFF, HEIC, AVIF, raw)": Kind(
        treatment="refused",
        files=((saved(RGB, "TIFF"), None), (saved(RGB, "GIF"), None), (b"\0\0\0\x18ftypheic", None)),
        refused="no JPEG, PNG, WebP or BMP picture",
    ),
    "no bytes at all": Kind(treatment="refused", files=((b"", None),), refused="is empty"),
}

_NEARLY = 8
"""Levels that JPEG may change of the scene."""


def _check(read: Callable[[bytes], Pixels], data: bytes, wanted: Pixels | None, refused: str) -> None:
    if wanted is None:
        with pytest.raises(UnusableImage, match=refused):
            read(data)
        return
    pixels = read(data)
    assert pixels.shape == wanted.shape
    lossless = not data.startswith(b"\xff\xd8")
    assert np.abs(pixels.astype(int) - wanted).max() <= (0 if lossless else _NEARLY)


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_read_or_refused_as_the_table_says(name: str) -> None:
    kind = KINDS[name]
    for data, wanted in kind.files:
        _check(_version_2, data, wanted, kind.refused)
        _check(decode_frame, data, None if kind.surveys == "refused" else wanted, kind.refused)
        if kind.version_1 in (None, "refused"):
            _check(_version_1, data, None if kind.version_1 else wanted, kind.refused)


@pytest.mark.parametrize("name", KINDS)
def test_the_page_says_so(name: str) -> None:
    kind = KINDS[name]
    same = kind.treatment
    row = f"| {name} | {same} | {kind.version_1 or 'the same'} | {kind.surveys or 'the same'} |"
    assert row in _SECTION, f"Add this row:\n{row}"


def test_the_page_lists_no_other_kinds() -> None:
    listed = [row.split("|")[1].strip() for row in re.findall(r"^\|.*\|.*\|.*\|.*\|$", _SECTION, re.MULTILINE)]
    assert listed[2:] == list(KINDS)


def test_version_1_stays_what_it_was_where_it_reads_otherwise() -> None:
    """Its results on what it accepts never change, right or not."""
    (twice, _), *_ = KINDS["EXIF with its header twice"].files
    assert _version_1(twice).shape == _UPRIGHT.shape
    (in_jpeg, _), (in_webp, wanted) = KINDS["orientation in XMP alone"].files
    assert _version_1(in_jpeg).shape == _UPRIGHT.shape
    assert np.array_equal(_version_1(in_webp), wanted)
    (no_end, _), *_ = KINDS["only its end is missing"].files
    assert np.array_equal(_version_1(no_end), _UPRIGHT)
    for data, _ in KINDS["other bytes behind its end"].files[1:]:
        assert np.array_equal(_version_1(data), _UPRIGHT)
    with pytest.raises(UnusableImage, match=_CUT):
        _version_1(KINDS["other bytes behind its end"].files[0][0])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("stated", range(1, 9))
def test_every_orientation_is_that_of_exif_2_32(kind: str, stated: int) -> None:
    """By the table of its section 4.6.5: where the stored image's first row and column lie in the scene."""
    rows = {1: scene(), 2: scene()[:, ::-1], 3: scene()[::-1, ::-1], 4: scene()[::-1]}
    turned = {each + 4: np.swapaxes(scene(), 0, 1) for each in (1,)}
    turned |= {6: np.rot90(scene(), -1), 7: np.swapaxes(scene()[::-1, ::-1], 0, 1), 8: np.rot90(scene(), 1)}
    wanted = (rows | turned)[stated]
    data = picture(kind, exif=exif(stated), lossless=True)
    for read in (_version_2, decode_frame):
        pixels = read(data)
        assert pixels.shape == wanted.shape
        assert np.abs(pixels.astype(int) - wanted).max() <= (_NEARLY if kind == "JPEG" else 0)
        assert pixels.flags.c_contiguous


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_level_of_16_bits_is_rounded_to_the_nearest_of_8(channels: int) -> None:
    levels = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    deep = np.dstack([levels, levels[::-1], levels[:, ::-1]]) if channels > 2 else levels[..., None]
    if channels in (2, 4):
        deep = np.dstack([deep, np.full((256, 256), 65_535, np.uint16)])
    wanted = np.rint(deep[..., :3].astype(float) / 257) if channels > 2 else np.rint(deep[..., :1].astype(float) / 257)
    assert np.array_equal(_version_2(deep_png(deep)), np.broadcast_to(wanted, (256, 256, 3)))


def test_16_bits_that_are_nearly_opaque_or_state_a_clear_colour_are_transparent() -> None:
    grey = np.full((4, 5), 513, np.uint16)
    rgb = np.dstack([grey, grey, grey])
    clear_grey, clear_rgb = chunk(b"tRNS", b"\x02\x01"), chunk(b"tRNS", b"\x02\x01" * 3)
    for data in (_deep(65_534), _deep(65_534, grey=True), deep_png(grey, clear_grey), deep_png(rgb, clear_rgb)):
        with pytest.raises(UnusableImage, match="transparent"):
            _version_2(data)
    other_grey, other_rgb = chunk(b"tRNS", b"\x02\x02"), chunk(b"tRNS", b"\x02\x02" * 3)
    for data in (deep_png(grey, other_grey), deep_png(rgb, other_rgb)):
        assert (_version_2(data) == 2).all()


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-40] + data[-20:], lambda data: data.replace(b"IDAT", b"IDAX"), lambda d: d[:-12]]
)
def test_a_damaged_png_of_16_bits_is_refused(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(UnusableImage, match=_CUT):
        _version_2(damage(_deep()))


def test_bytes_between_the_segments_of_a_jpeg_are_passed_over() -> None:
    data = picture("JPEG", exif=exif(6))
    second = 4 + int.from_bytes(data[4:6])
    padded = data[:second] + b"\0\0\xff\0\xff" + data[second:]
    for read in (_version_1, _version_2, decode_frame):
        assert np.array_equal(read(padded), read(data))
    with pytest.raises(UnusableImage, match=_CUT):
        _version_2(padded[:-2])


def test_a_preview_inside_the_exif_of_a_jpeg_does_not_end_it() -> None:
    data = with_segment(picture("JPEG"), 0xE1, b"Exif\0\0" + bytes(8) + saved(RGB.resize((8, 8)), "JPEG"))
    assert _version_2(data).shape == _UPRIGHT.shape
    for read in (_version_1, _version_2, decode_frame):
        with pytest.raises(UnusableImage, match=_CUT):
            read(data[:-300])


def test_a_stored_screenshot_and_an_uploaded_frame_are_read_alike() -> None:
    for data in (picture("WEBP", lossless=True), picture("PNG"), picture("BMP")):
        assert np.array_equal(decode_picture(data), decode_frame(data))


def test_a_side_that_is_too_long_is_refused_where_a_reader_says_so() -> None:
    data = saved(Image.new("RGB", (300, 2)), "PNG")
    assert decode_rgb(data, IntakeRules(most_px=600)).shape == (2, 300, 3)
    with pytest.raises(UnusableImage, match="300 x 2 pixels, more than 299 a side"):
        decode_rgb(data, IntakeRules(most_px=600, most_side_px=299))
    with pytest.raises(UnusableImage, match="300 x 2 pixels, more than 599 in all"):
        decode_rgb(data, IntakeRules(most_px=599))


def test_only_tiles_may_be_transparent() -> None:
    clear = saved(Image.new("RGBA", (8, 8), (1, 2, 3, 4)), "PNG")
    assert decode_rgba(clear, IntakeRules(most_px=64))[0, 0].tolist() == [1, 2, 3, 4]


def test_a_refusal_travels_between_processes() -> None:
    import pickle

    with pytest.raises(UnusableImage) as caught:
        read_header(b"")
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - written here
    assert (str(copy), copy.reason) == ("The file is empty (0 bytes).", "is empty (0 bytes)")
