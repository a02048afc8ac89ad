"""QR codes and bar codes."""

from typing import ClassVar, Literal, NamedTuple

import numpy as np
import zxingcpp
from pydantic import Field

from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Box, Detection, Detections, Image, Point, Text

Format = Literal[
    "aztec", "codabar", "code39", "code93", "code128", "datamatrix", "ean8", "ean13", "itf", "micro_qr", "pdf417", "qr",
    "upca", "upce",
]  # fmt: skip
_FORMATS: dict[Format, zxingcpp.BarcodeFormat] = {
    "aztec": zxingcpp.BarcodeFormat.Aztec,
    "codabar": zxingcpp.BarcodeFormat.Codabar,
    "code39": zxingcpp.BarcodeFormat.Code39,
    "code93": zxingcpp.BarcodeFormat.Code93,
    "code128": zxingcpp.BarcodeFormat.Code128,
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


class Read(NamedTuple):
    """One port each; lines of `text` are in the order of `detections`."""

    detections: Detections
    text: Text


class Barcodes(Component):
    """Read every QR code, Data Matrix and bar code in a picture, from the top down. Only codes whose checksum holds.

    `text` has one line a code. No code is no error.
    """

    name: ClassVar[str] = "barcodes"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.1, bytes_per_px=6)

    formats: tuple[Format, ...] = Field(default=(), description="Read only these; all, if none is named.")

    def __call__(self, image: Image) -> Read:
        """Read the picture's grey: codes that differ from their ground in colour alone are not found."""
        wanted = [_FORMATS[name] for name in self.formats or _FORMATS]
        codes = zxingcpp.read_barcodes(np.ascontiguousarray(image.grey()), formats=zxingcpp.BarcodeFormats(wanted))
        found = sorted((_detection(code) for code in codes), key=_place)
        return Read(detections=Detections(tuple(found)), text=Text("\n".join(code.text for code in found)))


def _detection(code: zxingcpp.Barcode) -> Detection:
    corners = (
        code.position.top_left,
        code.position.top_right,
        code.position.bottom_right,
        code.position.bottom_left,
    )
    outline = tuple(Point(x_px=float(corner.x), y_px=float(corner.y)) for corner in corners)
    return Detection(label=_label(code), score=1.0, box=Box.around(outline), outline=outline, text=code.text)


def _label(code: zxingcpp.Barcode) -> str:
    known = (name for name, kind in _FORMATS.items() if kind in (code.format, code.symbology))
    return next(known, str(code.format))


def _place(detection: Detection) -> tuple[float, float, str]:
    box = detection.box or Box(x_px=0, y_px=0, width_px=0, height_px=0)
    return box.y_px, box.x_px, detection.text
