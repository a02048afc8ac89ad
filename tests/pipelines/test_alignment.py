"""`align` and what goes with it: parts drawn at known poses."""

import math

import cv2
import numpy as np
import pytest

from bench.alignment import drawn_parts, is_exact
from bench.part_scenes import PartScene, ground, part_scene
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import Cancelled, InvalidInput, PartNotFound
from imageflow_pipelines.alignment.finding import Wanted, find
from imageflow_pipelines.alignment.pose import apply, corners, similarity, warped
from imageflow_pipelines.alignment.reference import Reference
from imageflow_pipelines.alignment.refinement import Motion
from imageflow_pipelines.alignment.search import Range
from imageflow_pipelines.component import Context
from imageflow_pipelines.components.align import Align, Aligned
from imageflow_pipelines.components.marker_scale import MarkerScale
from imageflow_pipelines.components.to_original import ToOriginal
from imageflow_pipelines.values import (
    Box,
    Detection,
    Detections,
    Image,
    Measurement,
    Measurements,
    Pixels,
    Point,
    Transform,
)
from tests.pipelines.models import Models, reference_image
from tests.pipelines.pictures import encoded, marker

_VALVE, _DISC, _PLATE = (
    next(part.pixels for part in drawn_parts(20) if part.design == name) for name in ("valve", "disc", "plate")
)


def align(reference: Pixels, image: Pixels, **parameters: object) -> Aligned:
    models = Models(part=reference_image(encoded(Image(reference)).data))
    component = Align.model_validate({"model": "part@1", **parameters})
    return component(Image(image), Context(models=models, cancellation=Cancellation()))


def shown(part: Pixels, *, angle_deg: float, scale: float = 1, seed: int = 0) -> PartScene:
    """The part at the middle of a ground of 400 x 400 px."""
    height, width = part.shape
    pose = similarity(angle_rad=math.radians(angle_deg), scale=scale, around=(width / 2, height / 2), to=(210.3, 190.6))
    random = np.random.default_rng(seed)
    there = warped(np.ones(part.shape, np.float32), np.linalg.inv(pose), 400, 400)
    seen = warped(part.astype(np.float32), np.linalg.inv(pose), 400, 400)
    pixels = ground(random, 400, 400) * (1 - there) + seen * there + random.standard_normal((400, 400)) * 2
    return PartScene(pixels=np.clip(pixels, 0, 255).astype(np.uint8), pose=pose)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("part", [_VALVE, _PLATE], ids=["valve", "plate"])
def test_a_part_is_found_to_a_pixel_at_any_pose_with_a_third_of_it_covered(part: Pixels, seed: int) -> None:
    where = part_scene(part, np.random.default_rng(seed), covered=0.3)
    found = align(part, where.pixels)
    assert is_exact(np.array(found.transform.matrix), where, part)


def test_a_part_that_only_its_screws_tell_from_its_turned_self_is_found_as_it_lies_or_refused() -> None:
    reference = Reference(_DISC)
    wanted = Wanted(
        motion=Motion.SIMILARITY, range=Range(most_angle_deg=180, least_scale=0.75, most_scale=1.35), min_score=0.5
    )
    scenes = [part_scene(_DISC, np.random.default_rng(seed), covered=0.3) for seed in range(6)]
    found = [find(reference, each.pixels, wanted, Cancellation()).pose for each in scenes]
    exact = [is_exact(pose, each, _DISC) for pose, each in zip(found, scenes, strict=True) if pose is not None]
    assert all(exact)
    assert len(exact) >= 4


def test_the_crop_shows_the_part_as_the_reference_does() -> None:
    where = shown(_VALVE, angle_deg=70, scale=1.2)
    found = align(_VALVE, where.pixels)
    assert found.image.pixels.shape == _VALVE.shape
    inner = (slice(20, -20), slice(20, -20))
    assert np.abs(found.image.pixels[inner].astype(int) - _VALVE[inner]).mean() < 4
    assert found.measurements.value("angle") == pytest.approx(70, abs=0.2)
    assert found.measurements.value("scale") == pytest.approx(1.2, abs=0.005)
    assert found.measurements.value("x") == pytest.approx(210.3, abs=0.5)
    assert found.measurements.value("y") == pytest.approx(190.6, abs=0.5)


def test_a_colour_image_gives_a_crop_in_colour() -> None:
    where = shown(_VALVE, angle_deg=20)
    assert align(_VALVE, np.stack([where.pixels] * 3, axis=-1)).image.pixels.shape == (*_VALVE.shape, 3)


@pytest.mark.parametrize("seed", range(3))
def test_another_part_is_refused_with_its_score(seed: int) -> None:
    where = part_scene(_PLATE, np.random.default_rng(seed), covered=0)
    with pytest.raises(PartNotFound, match=r"The part of 'part@1' was not found \(score 0\.[0-9]{2}\)"):
        align(_VALVE, where.pixels)


@pytest.mark.parametrize("seed", range(3))
def test_a_ground_without_the_part_is_refused(seed: int) -> None:
    empty = np.clip(ground(np.random.default_rng(seed), 400, 300), 0, 255).astype(np.uint8)
    with pytest.raises(PartNotFound):
        align(_VALVE, empty)


def test_an_image_of_one_brightness_is_refused() -> None:
    with pytest.raises(PartNotFound):
        align(_VALVE, np.full((300, 300), 90, np.uint8))


def test_a_part_that_looks_the_same_turned_is_refused_unless_its_angle_is_bounded() -> None:
    plain = np.full((120, 200), 40, np.uint8)
    cv2.rectangle(plain, (30, 30), (170, 90), 180, -1)
    where = shown(plain, angle_deg=25)
    with pytest.raises(PartNotFound, match="fits equally well at two angles"):
        align(plain, where.pixels)
    assert is_exact(np.array(align(plain, where.pixels, most_angle_deg=60).transform.matrix), where, plain)


def test_a_small_mark_is_enough_to_tell_which_end_is_which() -> None:
    marked = np.full((120, 200), 40, np.uint8)
    cv2.rectangle(marked, (30, 30), (170, 90), 180, -1)
    cv2.circle(marked, (50, 45), 6, 90, -1)
    for angle_deg in (10, 190):
        where = shown(marked, angle_deg=angle_deg)
        assert is_exact(np.array(align(marked, where.pixels).transform.matrix), where, marked)


def test_a_part_turned_or_scaled_by_more_than_is_allowed_is_refused() -> None:
    with pytest.raises(PartNotFound):
        align(_VALVE, shown(_VALVE, angle_deg=60).pixels, most_angle_deg=30)
    with pytest.raises(PartNotFound):
        align(_VALVE, shown(_VALVE, angle_deg=0, scale=1.25).pixels, most_scale=1.1)


def test_a_rigid_alignment_keeps_the_scale_of_the_image() -> None:
    where = shown(_VALVE, angle_deg=130, scale=1.02)
    found = align(_VALVE, where.pixels, motion="rigid")
    assert found.transform.scale == pytest.approx(1, abs=1e-6)
    assert found.measurements.value("angle") == pytest.approx(130, abs=0.2)


def test_a_tilted_part_is_seen_straight() -> None:
    height, width = _VALVE.shape
    tilted = np.array([(95.0, 110.0), (292.0, 92.0), (310.0, 290.0), (84.0, 280.0)])
    pose = cv2.getPerspectiveTransform(corners(width, height).astype(np.float32), tilted.astype(np.float32))
    random = np.random.default_rng(5)
    there = warped(np.ones(_VALVE.shape, np.float32), np.linalg.inv(pose), 400, 400)
    seen = warped(_VALVE.astype(np.float32), np.linalg.inv(pose), 400, 400)
    pixels = np.clip(ground(random, 400, 400) * (1 - there) + seen * there, 0, 255).astype(np.uint8)
    found = align(_VALVE, pixels, motion="perspective")
    off = apply(np.array(found.transform.matrix), corners(width, height)) - tilted
    assert np.linalg.norm(off, axis=1).max() < 2


def test_the_same_images_give_the_same_bytes() -> None:
    where = part_scene(_PLATE, np.random.default_rng(9), covered=0.2)
    first, second = (align(_PLATE, where.pixels) for _ in range(2))
    assert first.transform == second.transform
    assert first.detections == second.detections
    assert (first.image.pixels == second.image.pixels).all()


def test_a_cancelled_search_ends() -> None:
    stop = Cancellation()
    stop.cancel("enough")
    models = Models(part=reference_image(encoded(Image(_VALVE)).data))
    with pytest.raises(Cancelled):
        Align(model="part@1")(Image(shown(_PLATE, angle_deg=5).pixels), Context(models=models, cancellation=stop))


def test_what_is_found_in_the_crop_maps_back_to_the_image() -> None:
    where = shown(_VALVE, angle_deg=35, scale=1.1)
    found = align(_VALVE, where.pixels)
    box = Box(x_px=40, y_px=50, width_px=20, height_px=10)
    mapped = ToOriginal()((found.transform,), detections=Detections((Detection(label="dent", score=0.9, box=box),)))
    assert mapped.detections is not None
    assert mapped.measurements is None
    (dent,) = mapped.detections.items
    wanted = apply(where.pose, np.array([(40.0, 50.0), (60.0, 50.0), (60.0, 60.0), (40.0, 60.0)]))
    given = np.array([(point.x_px, point.y_px) for point in dent.outline])
    assert np.abs(given - wanted).max() < 0.5
    assert dent.box == Box.around(dent.outline)


def test_sizes_are_mapped_by_the_scale_and_counts_are_not() -> None:
    measured = Measurements(
        (
            Measurement(name="length", value=10, unit="mm"),
            Measurement(name="area", value=10, unit="px2"),
            Measurement(name="count", value=10),
        )
    )
    halves = Transform(((0.0, -0.5, 7.0), (0.5, 0.0, 1.0), (0.0, 0.0, 1.0)))
    threefold = Transform(((3.0, 0.0, 0.0), (0.0, 3.0, 0.0), (0.0, 0.0, 1.0)))
    mapped = ToOriginal()((halves, threefold), measurements=measured).measurements
    assert mapped is not None
    assert [item.value for item in mapped.items] == [15, 22.5, 10]
    tilted = Transform(((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.001, 0.0, 1.0)))
    with pytest.raises(InvalidInput, match="no single scale"):
        ToOriginal()((tilted,), measurements=measured)


def test_transforms_are_applied_in_their_order() -> None:
    moved = Transform(((1.0, 0.0, 5.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
    doubled = Transform(((2.0, 0.0, 0.0), (0.0, 2.0, 0.0), (0.0, 0.0, 1.0)))
    assert moved.then(doubled).apply(Point(x_px=1, y_px=1)) == Point(x_px=12, y_px=2)
    assert doubled.then(moved).apply(Point(x_px=1, y_px=1)) == Point(x_px=7, y_px=2)


def test_a_transform_that_cannot_be_inverted_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cannot be inverted"):
        Transform(((1.0, 2.0, 0.0), (2.0, 4.0, 0.0), (0.0, 0.0, 1.0)))


@pytest.mark.parametrize("distance", [0.6, 0.9, 1.3])
def test_a_marker_brings_images_from_any_distance_to_one_scale(distance: float) -> None:
    page = np.full((600, 900), 255, np.uint8)
    page[40:188, 40:188] = marker(7, 100)  # 10 mm
    cv2.rectangle(page, (300, 100), (699, 399), 0, -1)  # 40 x 30 mm
    method = cv2.INTER_AREA if distance < 1 else cv2.INTER_LINEAR
    seen = cv2.GaussianBlur(cv2.resize(page, None, fx=distance, fy=distance, interpolation=method), (0, 0), 0.8)
    scaled = MarkerScale(marker_mm=10, mm_per_px=0.2)(Image(seen.astype(np.uint8)))
    assert scaled.measurements.value("mm_per_px") == pytest.approx(0.1 / distance, rel=0.003)
    dark = np.nonzero(scaled.image.pixels[:, 140:] < 128)
    assert (np.ptp(dark[1]) + 1) * 0.2 == pytest.approx(40, abs=0.25)
    assert (np.ptp(dark[0]) + 1) * 0.2 == pytest.approx(30, abs=0.25)


def test_a_marker_that_is_missing_double_or_tilted_is_refused() -> None:
    one = np.full((300, 500), 255, np.uint8)
    one[20:168, 20:168] = marker(7, 100)
    two = one.copy()
    two[20:168, 250:398] = marker(9, 100)
    wanted = MarkerScale(marker_mm=10, mm_per_px=0.2)
    with pytest.raises(InvalidInput, match=r"There are 0 of marker .* \(seen: none\)"):
        wanted(Image(np.full((300, 500), 255, np.uint8)))
    with pytest.raises(InvalidInput, match=r"There are 2 of marker .* \(seen: 7, 9\)"):
        wanted(Image(two))
    assert MarkerScale(marker_mm=10, mm_per_px=0.2, marker=9)(Image(two)).detections.items[0].label == "9"
    square = np.array([(0, 0), (500, 0), (500, 300), (0, 300)], np.float32)
    slanted = np.array([(0, 0), (500, 60), (500, 240), (0, 300)], np.float32)
    tilted = cv2.warpPerspective(one, cv2.getPerspectiveTransform(square, slanted), (500, 300), borderValue=255)
    with pytest.raises(InvalidInput, match="look straight at it"):
        wanted(Image(tilted.astype(np.uint8)))
    with pytest.raises(InvalidInput, match="give a larger mm_per_px"):
        MarkerScale(marker_mm=1000, mm_per_px=0.001)(Image(one))
