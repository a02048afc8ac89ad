"""Frames that were compressed with loss or scaled are arranged as exactly as others, beside them and by themselves."""

from collections import Counter
from collections.abc import Callable, Mapping

import cv2
import numpy as np
import pytest

from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Size
from imageflow_domain.grid import Grid
from imageflow_mosaic.arrangement import Arrangement, arrange
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.groups import Group
from tests.mosaic.worlds import SIDE, Corner, city, real
from tests.thorough import repeated

Framed = tuple[Pixels, Corner]
Frames = dict[str, Framed]
Change = Callable[[Pixels], Pixels]


def jpeg(quality: int) -> Change:
    """4:2:0, as most programs write it."""
    return lambda pixels: _through(pixels, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])


def webp(quality: int) -> Change:
    return lambda pixels: _through(pixels, ".webp", [cv2.IMWRITE_WEBP_QUALITY, quality])


def _through(pixels: Pixels, ending: str, how: list[int]) -> Pixels:
    done, data = cv2.imencode(ending, pixels[..., ::-1], how)
    assert done
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1], np.uint8)


def resized(scale: float) -> Change:
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return lambda pixels: cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=how).astype(np.uint8)


def frames(name: str, seed: int = 1, side: int = SIDE) -> Frames:
    """Return a real set's corner under names that mean nothing, each frame cut at a random corner of up to 24 px."""
    surveyed = real(name, "nominal").corner(side)
    rng = np.random.default_rng(seed)
    cells = sorted(surveyed.pictures)
    found = {}
    for number, at in enumerate(rng.permutation(len(cells))):
        left, top = (int(part) for part in rng.integers(0, 25, 2))
        (x, y), pixels = surveyed.truth[cells[at]], surveyed.pictures[cells[at]]
        height, width = pixels.shape[:2]
        cut = pixels[top : height - 24 + top, left : width - 24 + left]
        found[f"{name} {number:02d}"] = np.ascontiguousarray(cut), (x + left, y + top)
    return found


def changed(given: Frames, change: Change) -> Frames:
    return {name: (change(pixels), at) for name, (pixels, at) in given.items()}


def arranged(given: Frames) -> Arrangement:
    return arrange(list(given), lambda name: given[name][0])


def off(group: Group, given: Frames, scale: float = 1.0) -> Counter[Corner]:
    """Count by how many pixels positions differ from the truth, but for the group's common shift."""
    moved = [
        (one.position.x_px - scale * given[one.name][1][0], one.position.y_px - scale * given[one.name][1][1])
        for one in group.pictures
    ]
    middle_x, middle_y = np.median(moved, axis=0)
    return Counter((round(x - middle_x), round(y - middle_y)) for x, y in moved)


EXACT = {(0, 0)}
COMPRESSED = {"jpeg 95": jpeg(95), "jpeg 60": jpeg(60), "webp 80": webp(80)}


@pytest.mark.parametrize("change", repeated(["jpeg 60", "webp 80"], thorough=["jpeg 95", "jpeg 60", "webp 80"]))
def test_shuffled_lossy_frames_are_all_placed_exactly(change: str) -> None:
    given = changed(frames("openttd-small"), COMPRESSED[change])
    found = arranged(given)
    (group,) = found.groups
    assert len(group.pictures) == len(given)
    assert off(group, given).keys() == EXACT
    assert (found.strays, found.doubles, found.rescaled) == ((), (), ())


def test_jpeg_frames_with_strangers_and_copies_are_told_apart() -> None:
    ours = frames("openttd-small")
    few = len(ours) // 6
    strangers = dict(list(frames("openttd-water").items())[: 2 * few])
    given = changed({**ours, **strangers}, jpeg(75))
    again = {f"zz {name}": ours[name] for name in list(ours)[:few]}
    recompressed = {f"zy {name}": (jpeg(60)(given[name][0]), ours[name][1]) for name in list(ours)[few : 2 * few]}
    given |= again | recompressed
    found = arranged(given)
    assert len(given) == len(ours) + 4 * few
    assert {one.name for one in found.groups[0].pictures} == ours.keys()
    for group in found.groups:
        assert off(group, given).keys() == EXACT
    copies = {double.name: double.of for double in found.doubles if double.name[:2] in {"zz", "zy"}}
    assert copies == {name: name[3:] for name in again | recompressed}
    accounted = [one.name for group in found.groups for one in group.pictures]
    assert sorted([*accounted, *found.strays, *(double.name for double in found.doubles)]) == sorted(given)


def test_jpeg_and_png_frames_of_one_place_become_one_group() -> None:
    given = frames("openttd-small")
    given |= changed(dict(list(given.items())[::2]), jpeg(75))
    (group,) = arranged(given).groups
    assert len(group.pictures) == len(given)
    assert off(group, given).keys() == EXACT


def test_jpeg_frames_that_lie_whole_blocks_apart_are_joined_with_those_that_do_not() -> None:
    """Where pictures are moved by a multiple of 16 px, JPEG makes the same pixels of the same place."""
    surveyed = real("openttd-small", "nominal").corner()
    given = {str(cell): (jpeg(75)(pixels), surveyed.truth[cell]) for cell, pixels in surveyed.pictures.items()}
    (group,) = arranged(given).groups
    assert len(group.pictures) == len(given)
    assert off(group, given).keys() == EXACT


@pytest.mark.parametrize("scale", repeated([0.75], thorough=[0.75, 1.25]))
def test_frames_that_were_all_scaled_alike_are_placed_to_the_pixel(scale: float) -> None:
    given = changed(frames("openttd-small"), resized(scale))
    (group,) = arranged(given).groups
    assert len(group.pictures) == len(given)
    assert max(max(map(abs, corner)) for corner in off(group, given, scale)) <= 1


@pytest.mark.parametrize("change", [jpeg(85), lambda pixels: pixels], ids=["jpeg", "lossless"])
def test_frames_cut_to_another_size_join_the_group_of_the_others(change: Change) -> None:
    given = frames("openttd-small")
    narrow = list(given)[::3]
    for name in narrow:
        pixels, (x, y) = given[name]
        given[name] = np.ascontiguousarray(pixels[:, 120:880]), (x + 120, y)
    given = changed(given, change)
    (group,) = arranged(given).groups
    assert len(group.pictures) == len(given)
    assert off(group, given).keys() == EXACT
    assert group.size == Size(width_px=1000, height_px=744)
    assert sum(one.size != group.size for one in group.pictures) == len(narrow)


def test_a_corner_cut_out_of_a_frame_is_no_copy_of_it() -> None:
    given = dict(list(frames("openttd-small").items())[:1])
    ((name, (pixels, at)),) = given.items()
    given["corner"] = np.ascontiguousarray(pixels[:600, :800]), at
    found = arranged(given)
    assert found.doubles == ()
    assert {one.name for one in found.groups[0].pictures} == {name, "corner"}


@pytest.mark.parametrize("scale", repeated([1.25], thorough=[0.75, 1.25, 1.5]))
def test_a_frame_of_another_scale_is_reported_with_the_scale(scale: float) -> None:
    given = changed(frames("openttd-small"), jpeg(80))
    other = changed(dict(list(frames("openttd-keys").items())[:1]), resized(scale))
    found = arranged(given | changed(other, jpeg(80)))
    assert [(one.name, one.scale) for one in found.rescaled] == [(name, scale) for name in other]
    assert found.strays == tuple(other)
    assert len(found.groups[0].pictures) == len(given)


@pytest.mark.parametrize("seed", repeated([1], thorough=[0, 1, 2]))
def test_no_group_is_ever_wrong_where_a_compressed_city_repeats_its_houses(seed: int) -> None:
    surveyed = city(Grid(rows=6, cols=6), seed=seed + 50, view=(480, 384), drift_px=8, water=0.1 + 0.2 * (seed % 2))
    given = {str(cell): (jpeg(75)(pixels), surveyed.truth[cell]) for cell, pixels in surveyed.pictures.items()}
    found = arranged(given)
    assert found.groups
    for group in found.groups:
        assert off(group, given).keys() == EXACT


def test_a_watermark_in_every_frame_makes_no_frame_the_copy_of_another() -> None:
    mark = np.random.default_rng(1).integers(0, 256, (12, 40, 3)).repeat(6, axis=0).repeat(6, axis=1).astype(np.uint8)

    def marked(pixels: Pixels) -> Pixels:
        pixels = pixels.copy()
        pixels[-90:-18, 40:280] = mark
        return pixels

    water = frames("openttd-water", side=repeated(SIDE - 1, thorough=6))
    given = changed(changed(frames("openttd-small") | water, marked), jpeg(80))
    land = {name for name in given if "small" in name}
    found = arranged(given)
    assert not any(double.name in land or double.of in land for double in found.doubles)
    assert {one.name for one in found.groups[0].pictures} == land
    for group in found.groups:
        assert off(group, given).keys() == EXACT


def test_lossless_frames_alone_are_not_correlated_at_all() -> None:
    given = frames("openttd-small")
    heard = set()
    found = arrange(list(given), lambda name: given[name][0], (), lambda what, _done, _total: heard.add(what))
    assert heard == {"looking", "comparing"}
    assert len(found.groups[0].pictures) == len(given)


def test_more_lossy_frames_than_may_be_correlated_are_refused_with_what_to_do() -> None:
    given = changed(dict(list(frames("openttd-small").items())[:6]), jpeg(75))
    with pytest.raises(InvalidInput, match=r"6 frames were compressed with loss or scaled.* no more than 5"):
        arrange(list(given), lambda name: given[name][0], most_by_content=5)


def test_the_order_of_names_decides_no_position_of_lossy_frames() -> None:
    given = changed(frames("openttd-small"), jpeg(75))
    turned: Mapping[str, Framed] = {f"{99 - number}": given[name] for number, name in enumerate(sorted(given))}
    (one,), (other,) = arranged(given).groups, arranged(dict(turned)).groups
    names = {name: f"{99 - number}" for number, name in enumerate(sorted(given))}
    places = {picture.name: picture.position for picture in other.pictures}
    assert {names[picture.name]: picture.position for picture in one.pictures} == places
