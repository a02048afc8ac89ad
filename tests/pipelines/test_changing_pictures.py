"""Components that make pictures and masks of pictures: known answers, and laws that hold for any picture."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from imageflow_domain.errors import InvalidInput
from imageflow_pipelines.components import binarise
from imageflow_pipelines.components.binarise import Binarise
from imageflow_pipelines.components.blur import Blur
from imageflow_pipelines.components.colour import Colour
from imageflow_pipelines.components.crop import Crop
from imageflow_pipelines.components.edges import Edges
from imageflow_pipelines.components.equalise import Equalise
from imageflow_pipelines.components.morphology import Morphology
from imageflow_pipelines.components.perspective import Perspective
from imageflow_pipelines.components.resize import Resize
from imageflow_pipelines.components.rotate import Rotate
from imageflow_pipelines.components.sharpen import Sharpen
from imageflow_pipelines.components.threshold import Threshold
from imageflow_pipelines.values import Image
from tests.pipelines.pictures import grey, mask_of, scene

_SIDES = st.integers(1, 40)


@st.composite
def pictures(draw: st.DrawFn) -> Image:
    shape: tuple[int, ...] = (draw(_SIDES), draw(_SIDES))
    if draw(st.booleans()):
        shape += (3,)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    return Image(random.integers(0, 256, shape, np.uint8))


def test_area_shrinking_by_two_averages_each_two_by_two() -> None:
    image = Image(np.array([[0, 100, 10, 10], [100, 200, 10, 10]], np.uint8))
    assert Resize(width_px=2)(image).pixels.tolist() == [[100, 10]]


@given(
    pictures(),
    _SIDES,
    _SIDES,
    st.sampled_from(["stretch", "fit", "pad"]),
    st.sampled_from(["nearest", "linear", "area", "cubic"]),
)
def test_a_resized_picture_has_the_size_that_was_asked_for(
    image: Image, width_px: int, height_px: int, mode: str, interpolation: str
) -> None:
    resize = Resize.from_parameters(
        {"width_px": width_px, "height_px": height_px, "mode": mode, "interpolation": interpolation}
    )
    resized = resize.compute({"image": image})["image"]
    assert isinstance(resized, Image)
    if mode == "fit":
        assert resized.width_px <= width_px
        assert resized.height_px <= height_px
        assert resized.width_px == width_px or resized.height_px == height_px
    else:
        assert (resized.width_px, resized.height_px) == (width_px, height_px)
    assert resized.is_grey == image.is_grey


def test_one_side_alone_keeps_proportions() -> None:
    assert Resize(width_px=48)(scene(96, 64)).height_px == 32
    assert Resize(height_px=32)(scene(96, 64)).width_px == 48


def test_padding_lies_on_both_sides_of_the_picture() -> None:
    padded = Resize(width_px=30, height_px=30, mode="pad", fill=7)(grey(200, 40, 20)).pixels
    assert (padded[:7] == 7).all()
    assert (padded[7:22] == 200).all()
    assert (padded[22:] == 7).all()


def test_sizes_that_fill_memory_are_refused() -> None:
    with pytest.raises(InvalidInput, match="more than 80,000,000"):
        Resize(width_px=30_000, height_px=30_000)(scene())
    with pytest.raises(ValidationError):
        Resize(width_px=30_001)
    with pytest.raises(InvalidInput, match="give one or both"):
        Resize()(scene())


def test_a_crop_is_the_pixels_of_its_rectangle() -> None:
    image = scene()
    cropped = Crop(x_px=5, y_px=7, width_px=11, height_px=13)(image)
    assert np.array_equal(cropped.pixels, image.pixels[7:20, 5:16])


def test_a_crop_outside_the_picture_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"ends at \(97, 64\), outside the picture of 96 x 64 px"):
        Crop(x_px=1, width_px=96, height_px=64)(scene(96, 64))


@given(pictures(), st.integers(-4, 4))
def test_quarter_turns_move_pixels_and_change_none(image: Image, quarters: int) -> None:
    assert np.array_equal(Rotate(degrees=90.0 * quarters)(image).pixels, np.rot90(image.pixels, -quarters))


def test_a_right_turn_brings_the_left_side_to_the_top() -> None:
    image = Image(np.array([[1, 2], [3, 4], [5, 6]], np.uint8))
    assert Rotate(degrees=90)(image).pixels.tolist() == [[5, 3, 1], [6, 4, 2]]


def test_turning_there_and_back_gives_the_middle_again() -> None:
    image = Blur(radius_px=4)(scene(81, 61))
    back = Rotate(degrees=-30)(Rotate(degrees=30)(image))
    left, top = (back.width_px - 81) // 2, (back.height_px - 61) // 2
    middle = back.pixels[top + 10 : top + 51, left + 10 : left + 71].astype(int)
    assert np.abs(middle - image.pixels[10:51, 10:71]).mean() < 5


def test_a_turned_picture_loses_no_corner() -> None:
    turned = Rotate(degrees=45)(grey(200, 100, 100))
    assert turned.width_px == turned.height_px == math.ceil(100 * math.sqrt(2))
    assert turned.pixels.astype(int).sum() == pytest.approx(200 * 100 * 100, rel=0.01)


def test_perspective_shows_the_area_between_its_corners() -> None:
    image = scene()
    whole = Perspective(corners=((10, 20), (42, 20), (42, 44), (10, 44)), width_px=32, height_px=24)(image)
    assert np.array_equal(whole.pixels, image.pixels[20:44, 10:42])


def test_perspective_undoes_a_slant() -> None:
    import cv2

    flat = Blur(radius_px=3)(scene(64, 48))
    corners = ((30.0, 10.0), (150.0, 30.0), (130.0, 110.0), (10.0, 90.0))
    square = np.array([(0, 0), (64, 0), (64, 48), (0, 48)], np.float32) - 0.5
    slant = cv2.getPerspectiveTransform(square, np.array(corners, np.float32) - 0.5)
    slanted = Image(cv2.warpPerspective(flat.pixels, slant, (160, 120), flags=cv2.INTER_CUBIC))
    straight = Perspective(corners=corners, width_px=64, height_px=48)(slanted)
    inner = (slice(3, -3), slice(3, -3))
    assert np.abs(straight.pixels[inner].astype(int) - flat.pixels[inner]).mean() < 3


@pytest.mark.parametrize(
    "corners",
    [
        ((0, 0), (0, 10), (10, 10), (10, 0)),  # the other way round
        ((0, 0), (10, 10), (10, 0), (0, 10)),  # crossed
        ((0, 0), (0, 0), (0, 0), (0, 0)),
        ((0, 0), (1e30, 0), (1e30, 1e30), (0, 1e30)),
    ],
)
def test_corners_that_enclose_nothing_are_refused(corners: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(InvalidInput, match="do not go clockwise"):
        Perspective(corners=corners, width_px=10, height_px=10)(scene())


def test_grey_weighs_colours_as_the_eye_does() -> None:
    colours = Image(np.array([[(255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9)]], np.uint8))
    assert Colour()(colours).pixels.tolist() == [[76, 150, 29, 9]]


def test_hue_is_in_half_degrees() -> None:
    colours = Image(np.array([[(255, 0, 0), (0, 255, 0), (0, 0, 255)]], np.uint8))
    assert Colour(space="hsv", channel=0)(colours).pixels.tolist() == [[0, 60, 120]]


@given(pictures(), st.sampled_from(["rgb", "grey", "hsv", "lab", "ycrcb"]), st.sampled_from([None, 0, 1, 2]))
def test_any_picture_can_be_shown_in_any_colours(image: Image, space: str, channel: int | None) -> None:
    shown = Colour.from_parameters({"space": space, "channel": channel}).compute({"image": image})["image"]
    assert isinstance(shown, Image)
    assert (shown.width_px, shown.height_px) == (image.width_px, image.height_px)
    assert shown.is_grey == (space == "grey" or channel is not None)


@given(st.sampled_from(["gauss", "box", "median"]), st.integers(1, 30), st.integers(0, 255))
def test_blurring_an_even_picture_changes_nothing(method: str, radius_px: int, level: int) -> None:
    blurred = Blur.from_parameters({"method": method, "radius_px": radius_px}).compute({"image": grey(level)})["image"]
    assert isinstance(blurred, Image)
    assert (blurred.pixels == level).all()


def test_a_box_blur_averages_its_square() -> None:
    image = Image(np.zeros((9, 9), np.uint8))
    dot = image.pixels.copy()
    dot[4, 4] = 225
    blurred = Blur(method="box", radius_px=1)(Image(dot)).pixels
    assert (blurred[3:6, 3:6] == 25).all()
    assert blurred.sum() == 225


def test_a_median_drops_a_speck_and_keeps_an_edge() -> None:
    pixels = np.zeros((20, 20), np.uint8)
    pixels[:, 10:] = 200
    speck = pixels.copy()
    speck[5, 5] = 255
    assert np.array_equal(Blur(method="median", radius_px=1)(Image(speck)).pixels, pixels)
    with pytest.raises(ValidationError, match="at most 30"):
        Blur(method="median", radius_px=31)


def test_sharpening_raises_an_edge_and_leaves_even_places() -> None:
    pixels = np.full((20, 20), 80, np.uint8)
    pixels[:, 10:] = 160
    sharp = Sharpen(radius_px=2, amount=1)(Image(pixels)).pixels
    assert sharp[10, 9] < 80
    assert sharp[10, 10] > 160
    assert sharp[10, 0] == 80
    assert np.array_equal(Sharpen(amount=0)(Image(pixels)).pixels, pixels)


def test_a_threshold_marks_what_is_brighter() -> None:
    image = Image(np.array([[10, 100, 101, 255]], np.uint8))
    assert Threshold(level=100)(image).pixels.tolist() == [[0, 0, 255, 255]]
    assert Threshold(level=100, dark=True)(image).pixels.tolist() == [[255, 255, 0, 0]]


def test_otsu_parts_two_levels_wherever_they_lie() -> None:
    pixels = np.full((20, 20), 40, np.uint8)
    pixels[5:15, 5:15] = 70
    assert np.array_equal(Threshold(method="otsu")(Image(pixels)).pixels == 255, pixels == 70)


@pytest.mark.parametrize(("method", "k"), [("sauvola", 0.2), ("mean", 0.1)])
def test_writing_under_uneven_light_is_read_where_one_threshold_fails(method: str, k: float) -> None:
    paper = np.linspace(60, 240, 200)[None, :].repeat(80, axis=0)
    ink = np.zeros((80, 200), bool)
    ink[20:60, 5::20] = True
    ink[20:60, 6::20] = True
    image = Image(np.where(ink, paper * 0.6, paper).astype(np.uint8))
    found = Binarise.from_parameters({"method": method, "k": k}).compute({"image": image})["image"]
    assert isinstance(found, Image)
    inner = (slice(20, 60), slice(10, 190))
    assert ((found.pixels == 0)[inner] == ink[inner]).mean() > 0.99
    assert ((Threshold(method="otsu", dark=True)(image).pixels == 255)[inner] == ink[inner]).mean() < 0.8


def test_bright_writing_is_read_like_its_negative() -> None:
    negative = Image(255 - scene().pixels)
    bright = Binarise(bright_writing=True)(Colour()(negative)).pixels
    assert (bright == Binarise()(Image(255 - Colour()(negative).pixels)).pixels).all()


@pytest.mark.parametrize("method", ["sauvola", "mean"])
def test_writing_is_read_alike_whatever_is_worked_on_at_once(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    read = Binarise.from_parameters({"method": method, "window_px": 21})
    whole = read.compute({"image": scene(70, 90)})["image"]
    for rows in (1, 7, 89):
        monkeypatch.setattr(binarise, "_BAND_ROWS", rows)
        banded = read.compute({"image": scene(70, 90)})["image"]
        assert np.array_equal(banded.pixels, whole.pixels)  # type: ignore[union-attr]


def test_dilating_a_dot_gives_the_shape_and_eroding_it_the_dot() -> None:
    dot = mask_of((50, 40, 1, 1))
    square = Morphology(operation="dilate", shape="square", radius_px=2)(dot)
    assert np.array_equal(square.pixels, mask_of((48, 38, 5, 5)).pixels)
    assert np.array_equal(Morphology(operation="erode", shape="square", radius_px=2)(square).pixels, dot.pixels)


def test_opening_drops_specks_and_closing_fills_holes() -> None:
    clean = mask_of((20, 20, 30, 30))
    dirty = clean.pixels.copy()
    dirty[5, 5], dirty[30, 30] = 255, 0
    opened = Morphology(operation="open", shape="square")(type(clean)(dirty))
    assert opened.pixels[5, 5] == 0
    closed = Morphology(operation="close", shape="square")(opened)
    assert np.array_equal(closed.pixels, clean.pixels)


@given(st.integers(0, 2**32), st.sampled_from(["square", "disc", "cross"]), st.integers(1, 4))
def test_growing_and_shrinking_enclose_the_mask(seed: int, shape: str, radius_px: int) -> None:
    mask = type(mask_of())((np.random.default_rng(seed).random((20, 30)) < 0.3).astype(np.uint8) * np.uint8(255))

    def changed(operation: str) -> np.ndarray:
        component = Morphology.from_parameters({"operation": operation, "shape": shape, "radius_px": radius_px})
        return component.compute({"mask": mask})["mask"].pixels  # type: ignore[union-attr]

    assert (changed("erode") <= changed("open")).all()
    assert (changed("open") <= mask.pixels).all()
    assert (mask.pixels <= changed("close")).all()
    assert (changed("close") <= changed("dilate")).all()


def test_edges_lie_where_brightness_changes_and_nowhere_else() -> None:
    pixels = np.zeros((30, 30), np.uint8)
    pixels[:, 15:] = 200
    edges = Edges()(Image(pixels)).pixels
    assert set(np.flatnonzero(edges[10])) <= {14, 15}
    assert (edges[:, 14:16].max(axis=1) == 255).all()
    assert not Edges()(grey(90)).pixels.any()
    with pytest.raises(ValidationError, match="low must not be above high"):
        Edges(low=200, high=100)


def test_equalising_spreads_a_narrow_range_over_all_levels() -> None:
    narrow = Image((100 + np.arange(64 * 64).reshape(64, 64) % 20).astype(np.uint8))
    spread = Equalise()(narrow).pixels
    assert spread.min() == 0
    assert spread.max() == 255


def test_equalising_a_colour_picture_keeps_its_hue() -> None:
    reddish = Image(np.clip(scene().pixels // 4 + np.array([90, 30, 30]), 0, 255).astype(np.uint8))
    even = Equalise(method="local")(reddish).pixels.astype(int)
    assert (even[..., 0] >= even[..., 1]).mean() > 0.95
