"""QR codes and bar codes, as printed and as scanners send them."""

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, cast

import numpy as np
import zxingcpp
from pydantic import Field

from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Box, Detection, Detections, Image, Pixels, Point, Text

Format = Literal[
    "aztec", "codabar", "code39", "code93", "code128", "databar", "datamatrix", "ean8", "ean13", "itf", "micro_qr",
    "pdf417", "qr", "upca", "upce",
]  # fmt: skip
_FORMATS: dict[Format, zxingcpp.BarcodeFormat] = {
    "aztec": zxingcpp.BarcodeFormat.Aztec,
    "codabar": zxingcpp.BarcodeFormat.Codabar,
    "code39": zxingcpp.BarcodeFormat.Code39,
    "code93": zxingcpp.BarcodeFormat.Code93,
    "code128": zxingcpp.BarcodeFormat.Code128,
    "databar": zxingcpp.BarcodeFormat.DataBar,
    "datamatrix": zxingcpp.BarcodeFormat.DataMatrix,
    "ean8": zxingcpp.BarcodeFormat.EAN8,
    "ean13": zxingcpp.BarcodeFormat.EAN13,
    "itf": zxingcpp.BarcodeFormat.ITF,
    "micro_qr": zxingcpp.BarcodeFormat.MicroQRCode,
    "pdf417": zxingcpp.BarcodeFormat.PDF417,
    "qr": zxingcpp.BarcodeFormat.QRCode,
    "upca": zxingcpp.BarcodeFormat.UPCA,
    "upce": zxingcpp.BarcodeFormat.UPCE,
}
_GTIN_13 = (zxingcpp.BarcodeFormat.EAN13, zxingcpp.BarcodeFormat.UPCA)


class Read(NamedTuple):
    """One port each; `text` and `raw` have the codes in the order of `detections`."""

    detections: Detections
    text: Text
    raw: Text


@dataclass(frozen=True, kw_only=True)
class _Code:
    detection: Detection
    raw: str


class BarcodesV2(Component):
    """Read every QR code, Data Matrix and bar code in a picture, from the top down. Only codes whose checksum holds.

    `text` has one line a code, as it is printed: GS1 content as `(01)...(10)...`, UPC-A with 12 digits, UPC-E with 8.
    `raw` has the same codes as a scanner sends them: GS1 content with its separators (the control character GS), UPC-E
    as the 12 digits of its UPC-A. Both hold control characters as they are: `<GS>` is four printable characters. Line
    breaks inside a code stay line breaks. No code is no error.
    """

    name: ClassVar[str] = "barcodes"
    version: ClassVar[int] = 2
    changes: ClassVar[str] = (
        "UPC-A has its 12 printed digits and the label `upca`, UPC-E its 8; control characters are no longer spelled "
        "out as `<GS>`; the new output `raw` has GS1 content with its separators; GS1 DataBar is read too."
    )
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.2, bytes_per_px=6)

    formats: tuple[Format, ...] = Field(default=(), description="Read only these; all, if none is named.")

    def __call__(self, image: Image) -> Read:
        """Read the picture's grey: codes that differ from their ground in colour alone are not found."""
        pixels = np.ascontiguousarray(image.grey())
        sent = self._read(pixels, zxingcpp.TextMode.Plain)
        printed = sent
        if any(code.content_type is zxingcpp.ContentType.GS1 for code in sent):
            # Reading again is the only way to have both spellings.
            printed = self._read(pixels, zxingcpp.TextMode.HRI)
        found = sorted((self._code(*pair) for pair in zip(sent, printed, strict=True)), key=_place)
        return Read(
            detections=Detections(tuple(code.detection for code in found)),
            text=Text("\n".join(code.detection.text for code in found)),
            raw=Text("\n".join(code.raw for code in found)),
        )

    def _read(self, pixels: Pixels, text_mode: zxingcpp.TextMode) -> list[zxingcpp.Barcode]:
        wanted = [_FORMATS[name] for name in self.formats or _FORMATS]
        return zxingcpp.read_barcodes(pixels, formats=zxingcpp.BarcodeFormats(wanted), text_mode=text_mode)

    def _code(self, sent: zxingcpp.Barcode, printed: zxingcpp.Barcode) -> _Code:
        label, text, raw = _label(sent), sent.text, sent.text
        if sent.content_type is zxingcpp.ContentType.GS1:
            text = printed.text
        elif sent.format is zxingcpp.BarcodeFormat.UPCE:
            text, raw = cast("dict[str, str]", sent.extra)["UPCE"], sent.text[1:]
        elif sent.format in _GTIN_13 and sent.text.startswith("0") and (not self.formats or "upca" in self.formats):
            # UPC-A is EAN-13 whose first digit is 0: the bars are the same, and it is printed without that digit.
            label, text, raw = "upca", sent.text[1:], sent.text[1:]
        return _Code(detection=_detection(sent, label, text), raw=raw)


def _detection(code: zxingcpp.Barcode, label: str, text: str) -> Detection:
    corners = (
        code.position.top_left,
        code.position.top_right,
        code.position.bottom_right,
        code.position.bottom_left,
    )
    outline = tuple(Point(x_px=float(corner.x), y_px=float(corner.y)) for corner in corners)
    return Detection(label=label, score=1.0, box=Box.around(outline), outline=outline, text=text)


def _label(code: zxingcpp.Barcode) -> str:
    known = (name for name, kind in _FORMATS.items() if kind in (code.format, code.symbology))
    return next(known, str(code.format))


def _place(code: _Code) -> tuple[float, float, str]:
    box = code.detection.box or Box(x_px=0, y_px=0, width_px=0, height_px=0)
    return box.y_px, box.x_px, code.detection.text
