"""Screenshots that show no map stop a survey within the first few, with a picture of what is shown."""

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imageflow_clients.database.maps import layers, screenshots
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.capture import AreaState, Grabbed
from imageflow_domain.errors import NoMap
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Cell
from imageflow_domain.survey import DriverSpec, Encoding, Layer, Survey, SurveySpec
from imageflow_mosaic.codec import Pixels
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks, register_blocks
from imageflow_surveys.watch import FIRST, LATER, Watch
from tests.surveys.cities import planned, survey_of

HEIGHT, WIDTH = 256, 320
BAR = Rect(x_px=0, y_px=192, width_px=320, height_px=64)
"""A quarter of the picture."""
STRIP = Rect(x_px=0, y_px=0, width_px=320, height_px=32)
"""An eighth."""


def maps(count: int, seed: int = 0) -> list[Pixels]:
    """Views of ground without repetition, side by side."""
    world = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH * (count + 1), 3)).astype(np.uint8)
    return [world[:, 200 * n : 200 * n + WIDTH].copy() for n in range(count)]


def covered(frames: Sequence[Pixels], panel: Rect, seed: int = 7) -> list[Pixels]:
    drawn = np.random.default_rng(seed).integers(0, 256, (panel.height_px, panel.width_px, 3)).astype(np.uint8)
    out = [frame.copy() for frame in frames]
    for frame in out:
        frame[panel.y_px : panel.bottom_px, panel.x_px : panel.right_px] = drawn
    return out


def driven_by(driver: str, masks: tuple[Rect, ...] = ()) -> Survey:
    survey = survey_of("40x1")
    spec = survey.spec.model_copy(update={"driver": DriverSpec(name=driver), "masks": masks})
    return replace(survey, spec=spec)


def shown_to(watch: Watch, frames: Sequence[Pixels], *, first: int = 0) -> int:
    """Show frames one after the other; return how many were seen until one was refused."""
    for number, frame in enumerate(frames):
        try:
            watch.see(Cell(row=0, col=first + number), Grabbed(frame=frame, position=None))
        except NoMap:
            return number + 1
    return 0


@pytest.mark.parametrize(
    ("driver", "advice"), [("x11", "Close it in `prepare`"), ("city", "the camera did not move. Leave them out.")]
)
def test_a_menu_is_told_by_the_first_screenshots_with_the_setting(driver: str, advice: str) -> None:
    menu = maps(1)[0]
    watch = Watch(driven_by(driver))
    assert shown_to(watch, [menu] * (FIRST - 1)) == 0
    with pytest.raises(NoMap, match="The 4 screenshots from r00_c00 to r00_c03 show the same") as caught:
        watch.see(Cell(row=0, col=3), Grabbed(frame=menu, position=None))
    assert advice in str(caught.value)
    assert caught.value.cells == tuple(Cell(row=0, col=col) for col in range(4))
    assert np.array_equal(caught.value.picture, menu)


def test_a_panel_over_the_map_is_named_to_the_pixel() -> None:
    panel = Rect(x_px=0, y_px=185, width_px=320, height_px=71)
    watch = Watch(driven_by("x11"))
    frames = covered(maps(FIRST), panel)
    assert shown_to(watch, frames[:-1]) == 0
    with pytest.raises(NoMap, match=f"over 2.% of the picture: a panel.*`crop`, cover it with --mask {panel},"):
        watch.see(Cell(row=0, col=3), Grabbed(frame=frames[-1], position=None))


def test_a_panel_under_a_mask_is_none_and_a_small_one_is_only_reported() -> None:
    masked, small, clear = Watch(driven_by("x11", (BAR,))), Watch(driven_by("x11")), Watch(driven_by("x11"))
    assert shown_to(masked, covered(maps(LATER), BAR)) == 0
    assert shown_to(small, covered(maps(LATER), STRIP)) == 0
    assert shown_to(clear, maps(LATER)) == 0
    assert (masked.panels(), small.panels(), clear.panels()) == ((), (STRIP,), ())


def test_a_dialog_that_pops_up_later_is_found_where_a_game_is_driven() -> None:
    before, dialog = maps(12), covered(maps(LATER, seed=3), BAR)
    driven = Watch(driven_by("x11"))
    assert shown_to(driven, before) == 0
    assert shown_to(driven, dialog, first=12) == LATER
    folder = Watch(driven_by("folder"))
    assert shown_to(folder, [*before, *dialog]) == 0


def test_words_on_plain_ground_that_never_change_stop_a_game_and_no_folder() -> None:
    screen = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    screen[100:112, 100:200] = np.random.default_rng(3).integers(0, 256, (12, 100, 3))
    driven = Watch(driven_by("x11"))
    assert shown_to(driven, [screen] * (LATER - 1)) == 0
    with pytest.raises(NoMap, match=r"over 100% of the picture: a menu, a dialog or a loading screen.* with `masks`"):
        driven.see(Cell(row=0, col=9), Grabbed(frame=screen, position=None))
    assert shown_to(Watch(driven_by("folder")), [screen] * LATER) == 0
    under_mask = Watch(driven_by("x11", (Rect(x_px=96, y_px=96, width_px=112, height_px=16),)))
    assert shown_to(under_mask, [screen] * LATER) == 0


def test_areas_without_a_picture_are_passed_over() -> None:
    watch = Watch(driven_by("x11"))
    outside = Grabbed(frame=None, position=None, state=AreaState.OUTSIDE)
    for col in range(10):
        watch.see(Cell(row=0, col=col), outside)
    assert shown_to(watch, maps(FIRST), first=10) == 0


def _spec(folder: Path, save: str, frames: Sequence[Pixels], masks: tuple[Rect, ...] = ()) -> SurveySpec:
    folder.mkdir()
    lines = ["file,row,col,x,y"]
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{number}.png")
        lines.append(f"{number}.png,0,{number},{200 * number},0")
    (folder / "positions.csv").write_text("\n".join(lines))
    return SurveySpec(
        game="folder",
        save=save,
        driver=DriverSpec(name="folder"),
        source=str(folder),
        masks=masks,
        encoding=Encoding(lossless_method=0),
    )


def test_a_survey_is_stopped_with_the_picture_kept_and_nothing_of_it_stored(stores: Stores, tmp_path: Path) -> None:
    frames = covered(maps(6), BAR)
    survey = planned(stores, _spec(tmp_path / "frames", "panel", frames))
    key = keys.no_map(survey.id)
    with pytest.raises(NoMap, match=f"--mask {BAR}.* The picture is kept as '{key}'"):
        capture_blocks(stores, survey, survey.blocks())
    with Image.open(BytesIO(stores.objects.get(key, next_step=""))) as picture:
        assert picture.format == "PNG"
        assert np.array_equal(np.asarray(picture), frames[3])
    with stores.database.begin() as connection:
        assert not screenshots.stored(connection, survey.id)
        assert not layers.progress(connection, survey.id).done_blocks[Layer.SCREENSHOTS]


def test_a_small_panel_is_reported_as_an_overlay_of_lossless_screenshots(stores: Stores, tmp_path: Path) -> None:
    survey = planned(stores, _spec(tmp_path / "frames", "strip", covered(maps(6), STRIP)))
    capture_blocks(stores, survey, survey.blocks())
    assert states.read(stores, survey.id).overlays == (STRIP,)
    register_blocks(stores, survey, survey.blocks())
    assert states.read(stores, survey.id).overlays == (STRIP,)
