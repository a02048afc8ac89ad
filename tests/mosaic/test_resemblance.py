"""Thumbnails propose where pictures whose pixels differ everywhere may overlap; patches tell which ones those are."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from imageflow_domain.geometry import Offset, Rect, Size
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.fingerprint import fingerprint
from imageflow_mosaic.foreign import distinctive, foreign_pairs
from imageflow_mosaic.layout import Tie
from imageflow_mosaic.plane import Hearing, Plane
from imageflow_mosaic.resemblance import resemblances
from imageflow_mosaic.sketch import Proposal, SketchMatch
from imageflow_mosaic.thumbnail import show_the_same, thumbnail
from tests.mosaic.test_arrangement_by_content import jpeg, resized
from tests.mosaic.worlds import real, view


def ground(height_px: int, width_px: int, seed: int = 0) -> Pixels:
    """Blobs of 24 px, which an eighth of the size still shows."""
    rng = np.random.default_rng(seed)
    blobs = rng.integers(0, 256, (height_px // 24 + 1, width_px // 24 + 1, 3)).repeat(24, axis=0).repeat(24, axis=1)
    return np.ascontiguousarray(blobs[:height_px, :width_px], np.uint8)


def proposed(pictures: list[Pixels], masks: tuple[Rect, ...] = ()) -> tuple[Proposal, ...]:
    every = np.ones((len(pictures), len(pictures)), np.bool_)
    with ThreadPoolExecutor(2) as threads:
        return resemblances([thumbnail(one, masks) for one in pictures]).propose(every, threads, lambda _: None)


def is_near(found: Offset, truth: Offset, reach_px: int) -> bool:
    between = found - truth
    return max(abs(between.dx_px), abs(between.dy_px)) <= reach_px


def test_the_likeliest_proposal_is_the_overlap_in_any_direction_and_of_pictures_of_any_size() -> None:
    world = ground(2000, 2400)
    for dx, dy, width, height in (
        (500, 13, 640, 480),
        (-500, -21, 640, 480),
        (30, 380, 640, 480),
        (-330, -300, 640, 480),
        (510, -40, 480, 480),
        (-370, 60, 480, 360),
    ):
        first, second = view(world, 800, 700, 640, 480), view(world, 800 + dx, 700 + dy, width, height)
        best = proposed([jpeg(75)(first), jpeg(75)(second)])[0]
        assert (best.first, best.second) == (0, 1)
        assert is_near(best.offset, Offset(dx_px=dx, dy_px=dy), 8)


def test_only_pairs_that_are_asked_for_are_proposed() -> None:
    world = ground(600, 900)
    small = [thumbnail(view(world, x, 0, 480, 480)) for x in (0, 100, 200)]
    pairs = np.zeros((3, 3), np.bool_)
    pairs[0, 2] = True
    with ThreadPoolExecutor(1) as threads:
        found = resemblances(small).propose(pairs, threads, lambda _: None)
    assert {(one.first, one.second) for one in found} == {(0, 2)}


def test_a_masked_display_proposes_nothing() -> None:
    shown = [ground(480, 640, seed) for seed in (1, 2)]
    display = ground(240, 400, 3)
    for one in shown:
        one[:240, :400] = display
    upon = Offset(dx_px=0, dy_px=0)
    assert any(is_near(one.offset, upon, 8) for one in proposed(shown))
    hidden = Rect(x_px=0, y_px=0, width_px=400, height_px=240)
    assert not any(is_near(one.offset, upon, 8) for one in proposed(shown, (hidden,)))


def test_what_stands_still_in_all_pictures_proposes_nothing() -> None:
    shown = [ground(480, 640, seed) for seed in range(10)]
    display = ground(200, 400, 99)
    for one in shown:
        one[:200, :400] = display
    upon = Offset(dx_px=0, dy_px=0)
    assert not any(is_near(one.offset, upon, 8) for one in proposed(shown))


def test_large_pictures_are_reduced_further_and_their_reach_grows() -> None:
    world = resized(4)(ground(600, 900))
    first, second = view(world, 0, 0, 2400, 1600), view(world, 1100, 400, 2400, 1600)
    small = resemblances([thumbnail(first), thumbnail(second)])
    assert (small.pixel_px, small.reach_px) == (16, 32)
    assert is_near(proposed([first, second])[0].offset, Offset(dx_px=1100, dy_px=400), small.reach_px)


def test_a_look_at_the_right_offset_sees_what_it_expects_and_at_a_wrong_one_next_to_nothing() -> None:
    world = ground(1200, 1600)
    pictures = [jpeg(75)(view(world, x, y, 640, 480)) for x, y in ((100, 100), (400, 220))]
    small = resemblances([thumbnail(one) for one in pictures])
    right = small.look(0, 1, Offset(dx_px=300, dy_px=120))
    assert right.seen > 0.6 * right.expected > 0
    wrong = small.look(0, 1, Offset(dx_px=300, dy_px=200))
    assert wrong.seen < 0.2 * wrong.expected
    assert small.look(0, 1, Offset(dx_px=2000, dy_px=0)).expected == 0


def test_only_the_same_picture_shows_the_same_all_over() -> None:
    picture = view(ground(600, 900), 0, 0, 640, 480)
    assert show_the_same(thumbnail(picture), thumbnail(jpeg(60)(picture)))
    assert not show_the_same(thumbnail(picture), thumbnail(picture[:, :600]))
    other = ground(480, 640, 7)
    other[:, :320] = picture[:, :320]
    assert not show_the_same(thumbnail(picture), thumbnail(other))


def test_frames_without_loss_are_not_foreign_and_compressed_or_scaled_ones_are() -> None:
    frames = [one for _, one in sorted(real("openttd-small", "nominal").pictures.items())][:12]
    moved = [np.ascontiguousarray(one[3 * n % 17 :, 5 * n % 19 :]) for n, one in enumerate(frames)]

    def foreign(shown: list[Pixels]) -> float:
        return float(foreign_pairs([distinctive(fingerprint(one)) for one in shown], [False] * len(shown), []).mean())

    assert foreign(moved) == 0
    assert foreign([jpeg(95)(one) for one in moved]) > 0.85
    assert foreign([resized(0.75)(one) for one in moved]) > 0.7
    mixed = [one if n % 2 else jpeg(75)(one) for n, one in enumerate(moved)]
    found = foreign_pairs([distinctive(fingerprint(one)) for one in mixed], [False] * len(mixed), [])
    assert not found[1::2, 1::2].any()
    assert found[::2, 1::2].mean() > 0.85


def test_settled_pictures_share_out_what_a_loop_is_off() -> None:
    size = Size(width_px=400, height_px=300)
    plane = Plane([size] * 5)
    around = [(0, 1, 200), (1, 2, 200), (2, 3, -200), (3, 0, -198)]
    ties = [Tie(first=a, second=b, offset=Offset(dx_px=dx, dy_px=0), sigma_px=0.1, agreeing=200) for a, b, dx in around]
    hearing = Hearing(
        look=lambda _a, _b, _offset: SketchMatch(expected=0, seen=0, squares=0),
        enough=1,
        seen_share=0.5,
        worth=lambda tie: tie.agreeing,
        sure=100,
        least=10,
        slack_px=3.0,
    )
    assert plane.join(ties, hearing) == []
    assert plane.place(3).dx_px - plane.place(0).dx_px in {198, 200}
    plane.settle()
    along = [plane.place(number).dx_px - plane.place(0).dx_px for number in range(4)]
    assert along[2] == 399
    assert along[1] in {199, 200}
    assert along[3] in {198, 199}
    assert plane.group(4) == 4
