"""Codes as `barcodes@2` reads them: as they are printed, and as a scanner sends them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageflow_pipelines.components.barcodes import Barcodes
from imageflow_pipelines.components.barcodes_v2 import BarcodesV2
from imageflow_pipelines.values import Image, Pixels
from tests.pipelines.pictures import code

PRINTED = "(01)04012345123456(10)ABC123(21)X7"
SENT = "010401234512345610ABC123\x1d21X7"


def stacked(*drawn: Pixels) -> Image:
    """Codes below each other."""
    width = max(each.shape[1] for each in drawn)
    rows = [np.pad(each, ((10, 10), (0, width - each.shape[1])), constant_values=255) for each in drawn]
    return Image(np.concatenate(rows))


def read(drawn: Pixels, *formats: str) -> tuple[str, str, str]:
    """Return the label, text and raw content of the only code there."""
    found = BarcodesV2.from_parameters({"formats": list(formats)}).compute({"image": Image(drawn)})
    (detection,) = found["detections"].items  # type: ignore[union-attr]
    assert found["text"].text == detection.text  # type: ignore[union-attr]
    return detection.label, detection.text, found["raw"].text  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("UPCA", "042100005264", ("upca", "042100005264", "042100005264")),
        ("UPCE", "04252614", ("upce", "04252614", "042100005264")),
        ("EAN13", "4006381333931", ("ean13", "4006381333931", "4006381333931")),
        ("EAN8", "96385074", ("ean8", "96385074", "96385074")),
        ("ITF14", "14012345123453", ("itf", "14012345123453", "14012345123453")),
        ("Code39", "LOT4711", ("code39", "LOT4711", "LOT4711")),
        ("Code128", "lot-4711", ("code128", "lot-4711", "lot-4711")),
        ("Aztec", "abc", ("aztec", "abc", "abc")),
        ("PDF417", "abc", ("pdf417", "abc", "abc")),
        ("QRCode", "https://example.com/ü/製品", ("qr", *2 * ("https://example.com/ü/製品",))),
    ],
)
def test_codes_are_read_as_they_are_printed(kind: str, content: str, expected: tuple[str, str, str]) -> None:
    assert read(code(content, kind)) == expected


@pytest.mark.parametrize(
    ("formats", "expected"),
    [
        (("upca",), ("upca", "042100005264")),
        (("ean13", "upca"), ("upca", "042100005264")),
        (("ean13",), ("ean13", "0042100005264")),
    ],
)
def test_upc_a_is_named_so_unless_only_ean_is_asked_for(formats: tuple[str, ...], expected: tuple[str, str]) -> None:
    assert read(code("042100005264", "UPCA"), *formats)[:2] == expected


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("Code128", "code128"),
        ("DataMatrix", "datamatrix"),
        ("QRCode", "qr"),
        ("Aztec", "aztec"),
        ("DataBarExp", "databar"),
        ("DataBarExpStk", "databar"),
    ],
)
def test_gs1_content_is_given_as_printed_and_with_its_separators(kind: str, label: str) -> None:
    assert read(code(PRINTED, kind, gs1="DataBar" not in kind)) == (label, PRINTED, SENT)


@pytest.mark.parametrize("kind", ["DataBarOmni", "DataBarStk", "DataBarStkOmni", "DataBarLtd"])
def test_every_databar_has_its_article_number(kind: str) -> None:
    assert read(code("(01)04012345123456", kind)) == ("databar", "(01)04012345123456", "0104012345123456")


def test_codes_that_only_look_like_gs1_are_left_as_they_are() -> None:
    assert read(code(PRINTED, "Code128")) == ("code128", PRINTED, PRINTED)


@pytest.mark.parametrize("kind", ["DataMatrix", "QRCode", "Aztec", "PDF417", "Code128"])
def test_a_control_character_is_another_content_than_the_characters_that_spell_it(kind: str) -> None:
    spelled = ("a\x1db", "a<GS>b")
    if kind != "Code128":
        spelled += ("a\u241db",)
    assert [read(code(content, kind))[1:] for content in spelled] == [(content, content) for content in spelled]
    # The version before gives the same for the first two.
    assert Barcodes()(Image(code(spelled[0], kind))).text == Barcodes()(Image(code(spelled[1], kind))).text


def test_content_of_iso_15434_keeps_its_separators() -> None:
    content = "[)>\x1e06\x1dP12345\x1dS678\x1e\x04"
    assert read(code(content, "DataMatrix")) == ("datamatrix", content, content)


def test_texts_of_several_codes_are_in_one_order() -> None:
    picture = stacked(code("042100005264", "UPCA"), code(PRINTED, "Code128", scale=2, gs1=True), code("x\x1dy"))
    found = BarcodesV2()(picture)
    assert [item.label for item in found.detections.items] == ["upca", "code128", "qr"]
    assert found.text.text.split("\n") == ["042100005264", PRINTED, "x\x1dy"]
    assert found.raw.text.split("\n") == ["042100005264", SENT, "x\x1dy"]


def test_a_picture_without_codes_has_no_text() -> None:
    found = BarcodesV2()(Image(np.full((50, 60), 200, np.uint8)))
    assert (found.detections.items, found.text.text, found.raw.text) == ((), "", "")


@settings(max_examples=50)
@given(st.text(alphabet=st.characters(max_codepoint=126), min_size=1, max_size=60))
def test_whatever_a_qr_code_holds_is_read_back(content: str) -> None:
    assert read(code(content, scale=3), "qr")[1:] == (content, content)
