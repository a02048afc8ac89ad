"""Components that find, measure, read and judge: scenes whose content is known."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from imageflow_domain.errors import InvalidInput
from imageflow_pipelines.components.aggregate import Aggregate
from imageflow_pipelines.components.barcodes import Barcodes
from imageflow_pipelines.components.blobs import Blobs
from imageflow_pipelines.components.branch import Branch
from imageflow_pipelines.components.contours import Contours
from imageflow_pipelines.components.contours_v2 import ContoursV2
from imageflow_pipelines.components.dimensions import Dimensions
from imageflow_pipelines.components.feature_match import FeatureMatch
from imageflow_pipelines.components.merge import Merge
from imageflow_pipelines.components.overlay import Overlay
from imageflow_pipelines.components.template_match import TemplateMatch
from imageflow_pipelines.limits import MAX_FOUND
from imageflow_pipelines.values import (
    Box,
    Detection,
    Detections,
    Image,
    Mask,
    Measurement,
    Measurements,
    Pixels,
    Table,
    Text,
)
from tests.pipelines.pictures import code, grey, mask_of, scene, speckled


def test_blobs_are_counted_and_measured_in_millimetres() -> None:
    found = Blobs(mm_per_px=0.5)(mask_of((10, 20, 8, 4), (50, 60, 2, 10)))
    assert found.table.rows == ((8.0, 7.0, 11.0, 4.0, 2.0), (5.0, 25.5, 32.5, 1.0, 5.0))
    assert found.measurements.value("count") == 2
    assert found.measurements.value("total_area") == 13
    assert found.measurements.value("largest_area") == 8
    assert found.detections.items[1].box == Box(x_px=50, y_px=60, width_px=2, height_px=10)


def test_blobs_outside_the_bounds_do_not_count() -> None:
    found = Blobs(mm_per_px=1, min_area_mm2=4, max_area_mm2=50)(mask_of((1, 1, 1, 1), (10, 10, 3, 3), (40, 40, 9, 9)))
    assert [row[0] for row in found.table.rows] == [9.0]


def test_an_empty_mask_has_no_blobs_and_no_largest() -> None:
    found = Blobs(mm_per_px=1)(mask_of())
    assert found.measurements.value("count") == 0
    with pytest.raises(InvalidInput, match="no measurement 'largest_area': there is count, total_area"):
        found.measurements.value("largest_area")


@given(st.integers(0, 2**32))
def test_blobs_cover_exactly_the_mask(seed: int) -> None:
    pixels = (np.random.default_rng(seed).random((40, 50)) < 0.2).astype(np.uint8) * np.uint8(255)
    total = Blobs(mm_per_px=2)(Mask(pixels)).measurements.value("total_area")
    assert total == pytest.approx(4 * np.count_nonzero(pixels))


def test_more_things_than_are_taken_are_refused() -> None:
    pixels = np.zeros((300, 300), np.uint8)
    pixels[::2, ::2] = 255
    with pytest.raises(InvalidInput, match=f"more than {MAX_FOUND:,}"):
        Blobs(mm_per_px=1)(Mask(pixels))
    for contours in (Contours(min_area_px=0), ContoursV2(min_area_px=0)):
        with pytest.raises(InvalidInput, match=f"more than {MAX_FOUND:,}"):
            contours(Mask(pixels))


def test_contours_outline_a_rectangle_by_its_corners() -> None:
    found = Contours(label="part")(mask_of((10, 20, 30, 15)))
    (detection,) = found.detections.items
    assert {(point.x_px, point.y_px) for point in detection.outline} == {
        (10.5, 20.5),
        (39.5, 20.5),
        (39.5, 34.5),
        (10.5, 34.5),
    }
    assert detection.box == Box(x_px=10, y_px=20, width_px=30, height_px=15)
    assert found.table.column("area_px") == (29.0 * 14.0,)
    assert found.table.column("perimeter_px") == (2 * (29.0 + 14.0),)


def test_the_area_of_an_outline_is_the_number_of_its_pixels() -> None:
    rectangle = mask_of((20, 30, 250, 200), width_px=300, height_px=260)
    assert Contours()(rectangle).table.column("area_px") == (249.0 * 199.0,)
    assert ContoursV2()(rectangle).table.column("area_px") == (250 * 200,)
    assert ContoursV2()(rectangle).detections == Contours()(rectangle).detections


def test_pixels_of_holes_and_of_what_lies_in_them_are_not_those_of_the_outline() -> None:
    ring = mask_of((10, 10, 40, 40)).pixels.copy()
    ring[15:35, 15:35] = 0
    ring[20:25, 20:25] = 255
    assert ContoursV2()(Mask(ring)).table.column("area_px") == (40 * 40 - 20 * 20,)


def test_the_least_area_of_an_outline_is_compared_with_its_pixels() -> None:
    mask = mask_of((10, 10, 5, 5))
    assert ContoursV2(min_area_px=25)(mask).table.column("area_px") == (25,)
    assert ContoursV2(min_area_px=26)(mask).table.rows == ()


@given(st.integers(0, 2**32))
def test_outlines_have_all_pixels_of_a_mask_without_holes(seed: int) -> None:
    pixels = (np.random.default_rng(seed).random((40, 50)) < 0.1).astype(np.uint8) * np.uint8(255)
    outlines, _ = cv2.findContours(pixels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(pixels, outlines, -1, 255, cv2.FILLED)
    areas = ContoursV2(min_area_px=0)(Mask(pixels)).table.column("area_px")
    assert sum(map(int, areas)) == np.count_nonzero(pixels)


def test_a_disc_is_rounder_than_a_square() -> None:
    disc = np.zeros((100, 100), np.uint8)
    cv2.circle(disc, (50, 50), 30, 255, cv2.FILLED)
    for contours in (Contours(), ContoursV2()):
        (round_,) = contours(Mask(disc)).table.column("circularity")
        (square,) = contours(mask_of((10, 10, 60, 60))).table.column("circularity")
        assert float(square) == pytest.approx(math.pi / 4, abs=0.001)
        assert float(round_) > 0.87


def test_the_largest_thing_is_measured_in_millimetres() -> None:
    measured = Dimensions(mm_per_px=0.1)(mask_of((5, 5, 40, 20), (70, 60, 10, 10))).measurements
    assert measured.value("length") == pytest.approx(4.0)
    assert measured.value("width") == pytest.approx(2.0)
    assert measured.value("area") == pytest.approx(8.0)
    assert measured.value("angle") == pytest.approx(0)


@pytest.mark.parametrize("angle", [0, 15, 30, 45, 60, 90, 120, 165])
def test_a_turned_thing_keeps_its_measures(angle: float) -> None:
    big = np.zeros((1200, 1200), np.uint8)
    corners = cv2.boxPoints(((600, 600), (800, 300), angle))
    cv2.fillPoly(big, [np.round(corners).astype(np.int32)], 255)
    measured = Dimensions(mm_per_px=0.05)(Mask(big)).measurements
    assert measured.value("length") == pytest.approx(40, rel=0.005)
    assert measured.value("width") == pytest.approx(15, rel=0.01)
    apart = abs(measured.value("angle") - angle) % 180
    assert min(apart, 180 - apart) < 0.5


def test_measuring_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="nothing to measure"):
        Dimensions(mm_per_px=1)(mask_of())


def test_a_template_is_found_where_it_was_cut_out() -> None:
    picture = Image(speckled(300, 200, 4))
    template = Image(picture.pixels[50:90, 120:170].copy())
    (found,) = TemplateMatch()(picture, template).items
    assert found.box == Box(x_px=120, y_px=50, width_px=50, height_px=40)
    assert found.score == pytest.approx(1)


def test_every_copy_of_a_template_is_found_once() -> None:
    pixels = np.full((120, 200), 90, np.uint8)
    part = speckled(24, 24, 2)
    for x, y in ((10, 10), (100, 30), (160, 80)):
        pixels[y : y + 24, x : x + 24] = part
    found = TemplateMatch(most=10, min_score=0.9)(Image(pixels), Image(part)).items
    assert {(item.box.x_px, item.box.y_px) for item in found if item.box} == {(10, 10), (100, 30), (160, 80)}


def test_a_template_that_is_not_there_is_not_found() -> None:
    assert not TemplateMatch()(Image(speckled(200, 200, 1)), Image(speckled(40, 40, 99))).items
    assert not TemplateMatch()(grey(120, 100, 100), Image(speckled(40, 40, 99))).items


def test_templates_that_tell_nothing_are_refused() -> None:
    with pytest.raises(InvalidInput, match="larger than the picture"):
        TemplateMatch()(scene(20, 20), scene(30, 10))
    with pytest.raises(InvalidInput, match="one brightness"):
        TemplateMatch()(scene(), grey(9, 10, 10))


@pytest.mark.parametrize(("angle", "scale"), [(0, 1.0), (25, 0.8), (160, 1.2), (-70, 0.6)])
def test_a_turned_and_scaled_reference_is_outlined(angle: float, scale: float) -> None:
    reference = speckled(200, 150, 7)
    matrix = cv2.getRotationMatrix2D((100, 75), angle, scale)
    matrix[:, 2] += (150, 150)
    shown = cv2.warpAffine(reference, matrix, (500, 450), borderValue=60, flags=cv2.INTER_AREA)
    (found,) = FeatureMatch()(Image(shown), Image(reference)).detections.items
    corners = np.array([(0, 0), (200, 0), (200, 150), (0, 150)]) - 0.5
    expected = corners @ matrix[:, :2].T + matrix[:, 2] + 0.5
    outline = np.array([(point.x_px, point.y_px) for point in found.outline])
    assert np.abs(outline - expected).max() < 1.5


def test_something_else_is_not_taken_for_the_reference() -> None:
    found = FeatureMatch()(Image(speckled(400, 300, 1)), Image(speckled(200, 150, 2)))
    assert not found.detections.items
    assert found.measurements.value("inliers") < 15
    assert not FeatureMatch()(grey(10, 300, 300), Image(speckled(100, 100, 2))).detections.items


_CODES = {
    "aztec": ("Aztec", "abc"),
    "code128": ("Code128", "lot-4711"),
    "code39": ("Code39", "LOT4711"),
    "datamatrix": ("DataMatrix", "abc"),
    "ean13": ("EAN13", "4006381333931"),
    "ean8": ("EAN8", "96385074"),
    "itf": ("ITF", "1234567890"),
    "pdf417": ("PDF417", "abc"),
    "qr": ("QRCode", "https://example.com/ü/製品"),
}


@pytest.mark.parametrize("kind", _CODES)
def test_codes_are_read_as_they_were_written(kind: str) -> None:
    library_name, text = _CODES[kind]
    read = Barcodes()(Image(code(text, library_name)))
    assert read.text.text == text
    assert [item.label for item in read.detections.items] == [kind]


def test_several_codes_are_read_from_the_top_down_and_located() -> None:
    first, second = code("first"), code("second", "DataMatrix")
    canvas = np.full((400, 400), 255, np.uint8)
    canvas[220 : 220 + len(second), 40 : 40 + second.shape[1]] = second
    canvas[20 : 20 + len(first), 200 : 200 + first.shape[1]] = first
    colour = Image(np.repeat(canvas[..., None], 3, axis=2))
    read = Barcodes()(colour)
    assert read.text.text == "first\nsecond"
    assert read.detections.items[0].box is not None
    assert 200 < read.detections.items[0].box.x_px < 250
    assert [item.text for item in Barcodes(formats=("datamatrix",))(colour).detections.items] == ["second"]


def test_no_code_is_no_error() -> None:
    assert Barcodes()(grey(200)).text == Text("")


@settings(max_examples=50)
@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=60))
def test_any_text_in_a_qr_code_is_read_back(text: str) -> None:
    assert Barcodes(formats=("qr",))(Image(code(text))).text.text == text


def _found(*labels: str) -> Detections:
    box = Box(x_px=1, y_px=2, width_px=10, height_px=20)
    return Detections(tuple(Detection(label=label, score=0.5 + i / 10, box=box) for i, label in enumerate(labels)))


def test_detections_are_counted_by_label() -> None:
    rows = (_found("dent", "scratch", "dent"), _found("dent"))
    assert Aggregate()(rows).value("count") == 4
    assert Aggregate(label="dent", into="dents")(rows).value("dents") == 3


def test_columns_are_reduced() -> None:
    table = Table(("area", "name"), ((2.0, "a"), (6.0, "b"), (1.0, "c")))
    answers = {"sum": 9, "mean": 3, "least": 1, "largest": 6}
    for function, answer in answers.items():
        aggregate = Aggregate.from_parameters({"function": function, "column": "area", "into": "x", "unit": "mm2"})
        assert aggregate.compute({"rows": (table,)})["measurements"] == Measurements(
            (Measurement(name="x", value=answer, unit="mm2"),)
        )
    assert Aggregate(function="largest", column="score")((_found("a", "b"),)).value("count") == pytest.approx(0.6)


def test_without_rows_the_answer_is_the_given_one() -> None:
    assert Aggregate(function="mean", column="area", otherwise=-1)((Table(("area",)),)).value("count") == -1
    assert Aggregate(function="sum", column="area")((Table(("area",)),)).value("count") == 0


def test_what_cannot_be_reduced_is_refused() -> None:
    table = Table(("name",), (("a",),))
    with pytest.raises(InvalidInput, match="holds words"):
        Aggregate(function="sum", column="name")((table,))
    with pytest.raises(InvalidInput, match="no column 'area': it has name"):
        Aggregate(function="sum", column="area")((table,))
    with pytest.raises(InvalidInput, match="concerns the whole picture"):
        Aggregate(function="sum", column="x_px")((Detections((Detection(label="ok", score=1),)),))
    with pytest.raises(ValidationError, match="name a column"):
        Aggregate(function="sum")


@pytest.mark.parametrize(
    ("condition", "limit", "taken"),
    [
        ("<", 3, True),
        ("<", 2, False),
        ("<=", 2, True),
        ("==", 2, True),
        ("!=", 2, False),
        (">=", 2, True),
        (">", 2, False),
    ],
)
def test_a_branch_goes_one_way_only(condition: str, limit: float, taken: bool) -> None:
    branch = Branch.from_parameters({"measurement": "count", "condition": condition, "limit": limit})
    measured = Measurements((Measurement(name="count", value=2),))
    outputs = branch.compute({"value": Text("go"), "measurements": measured})
    assert outputs == {"yes": Text("go") if taken else None, "no": None if taken else Text("go")}


def test_merging_takes_the_first_that_is_there() -> None:
    assert Merge()((Text("a"), Text("b"))) == Text("a")


def test_a_box_is_drawn_around_what_was_found_and_nothing_else_changes() -> None:
    image = grey(100, 200, 200)
    box = Box(x_px=50, y_px=60, width_px=40, height_px=30)
    drawn = Overlay(colour="#ff0000", line_px=1, labels=False)(
        image, (Detections((Detection(label="x", score=1, box=box),)),)
    )
    red = (drawn.pixels == (255, 0, 0)).all(axis=2)
    expected = np.zeros((200, 200), bool)
    expected[60:90, 50:90] = True
    expected[61:89, 51:89] = False
    assert np.array_equal(red, expected)
    assert (drawn.pixels[~expected] == 100).all()
    assert (image.pixels == 100).all()


def test_the_label_of_what_was_found_at_the_right_edge_ends_inside_the_picture() -> None:
    def labelled(left_px: int) -> Pixels:
        box = Box(x_px=left_px, y_px=60, width_px=8, height_px=30)
        found = Detections((Detection(label="scratch", score=0.97, box=box),))
        return Overlay()(grey(100, 200, 200), (found,)).pixels[:55]

    inside, at_the_edge = labelled(20), labelled(192)
    begins = [np.flatnonzero((pixels != 100).any(axis=(0, 2)))[0] for pixels in (inside, at_the_edge)]
    moved = begins[1] - begins[0]
    assert 0 < moved < 172
    assert np.array_equal(np.roll(inside, moved, axis=1), at_the_edge)


def test_a_mask_is_tinted_half() -> None:
    drawn = Overlay(colour="#ffffff")(grey(100, 100, 80), mask=mask_of((10, 10, 5, 5))).pixels
    assert (drawn[10:15, 10:15] == 178).all()
    assert (drawn[0, 0] == 100).all()
    with pytest.raises(InvalidInput, match="100 x 80 px, the picture 40 x 30"):
        Overlay()(grey(1), mask=mask_of())


def test_anything_can_be_written_and_drawn_anywhere() -> None:
    far = Box(x_px=-1e12, y_px=1e12, width_px=1e15, height_px=1)
    found = Detections(
        (Detection(label="傷\n" * 99, score=1, box=far, text="\x00ü"), Detection(label="whole", score=1))
    )
    drawn = Overlay()(grey(1, 3, 3), (found,), text=Text("製品\n" * 500))
    assert drawn.pixels.shape == (3, 3, 3)


def test_a_measurement_is_a_finite_number() -> None:
    with pytest.raises(InvalidInput, match="nothing was there to be measured"):
        Measurement(name="length", value=math.nan)
