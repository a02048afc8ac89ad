"""Parts of a probe on a real window, each by itself: what it does at rest, after moves, and at the world's edge."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from game_capture.loop import Axis
from game_capture.probe.edges import find_edges
from game_capture.probe.measuring import Asked, Course
from game_capture.probe.parts import differing_share
from game_capture.probe.report import Report, Tried
from game_capture.probe.resting import look_at_rest
from game_capture.probe.rig import Rig
from game_capture.probe.scale import Trial, scale_of
from game_capture.probe.sight import Sight
from game_capture.probe.step_pictures import StepPictures
from game_capture.probe.ways import Way, way_of, ways_to_try
from game_capture.staging import Staging
from game_capture.x11.parameters import X11Parameters
from game_capture.x11.scrolling import KeyScroll, MinimapScroll, Scroll
from imageflow_domain.files_beside import nothing_beside
from imageflow_domain.geometry import Rect
from imageflow_mosaic.movement import FrameComparer
from tests.game_capture import board
from tests.game_capture.conftest import need

MAP = Rect(x_px=0, y_px=0, width_px=240, height_px=260)
MINIMAP = Rect(x_px=240, y_px=140, width_px=160, height_px=120)
KEYS = KeyScroll(px_per_press=(1, 1))

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@contextmanager
def board_rig(tmp_path: Path, *words: str, scroll: Scroll = KEYS) -> Iterator[Rig]:
    need("Xvfb", "xdotool")
    parameters = X11Parameters(
        command=(sys.executable, board.__file__, "{width}", "{height}", "0", "0", *words),
        window=(400, 260),
        crop=MAP,
        scroll=scroll,
        step=(1, 1),
        start_wait_s=0.5,
    )
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    staging = Staging(scratch=tmp_path / "scratch")
    with Rig(parameters, staging=staging, read_beside=nothing_beside, pictures=StepPictures(pictures)) as rig:
        rig.lag_s = 0.4  # the board obeys at once
        yield rig


def measured(rig: Rig, *ways: Way) -> Report:
    asked = Asked(ways=ways, crop=MAP)
    return Course(rig, asked, FrameComparer, lambda *_: None).run()


def test_a_corner_that_scrolls_is_no_place_to_rest_though_the_camera_stands_still_at_the_worlds_end(
    tmp_path: Path,
) -> None:
    with board_rig(tmp_path, "corner") as rig:
        squares = look_at_rest(rig, may_park=True)
        assert rig.park != (399, 259)
        assert (squares.any(), rig.late_s) == (False, 0)
        assert differing_share(rig.starts, squares) == 0


def test_a_map_that_comes_up_late_is_waited_for_and_its_corner_is_not_blamed(tmp_path: Path) -> None:
    with board_rig(tmp_path, "late=3000") as rig:
        look_at_rest(rig, may_park=True)
        assert rig.park == (399, 259)
        assert rig.late_s > 1


def test_a_light_that_comes_into_view_is_not_taken_for_a_camera_that_moves_on(tmp_path: Path) -> None:
    with board_rig(tmp_path, "light") as rig:
        rig.ignore(look_at_rest(rig, may_park=True))
        keys = way_of(KEYS)
        before = rig.look()
        rig.go(keys, Axis.X, 5)
        lit, _ = rig.watch(before, 0.5)
        rig.go(keys, Axis.X, 1)
        _, settling = rig.watch(lit, 0.5)
        assert settling.last_s < 3


def test_held_keys_are_tried_where_tapped_ones_move_the_camera_unevenly(tmp_path: Path) -> None:
    tapped, held = (way for way in ways_to_try() if way.name in ("arrow keys", "arrow keys held for 200 ms"))
    with board_rig(tmp_path, "glides") as rig:
        report = measured(rig, tapped, held)
    assert [tried.way for tried in report.tried if tried.moves] == [tapped, held]
    assert report.chosen.way == held


def test_the_scale_of_a_minimap_is_measured_from_its_first_place_on(tmp_path: Path) -> None:
    minimap = MinimapScroll(minimap=MINIMAP, first=(262, 153), camera_px_per_px=(1, 1))
    with board_rig(tmp_path, scroll=minimap) as rig:
        chosen = measured(rig, way_of(minimap)).chosen
    assert chosen.across is not None
    assert chosen.down is not None
    assert (chosen.across.unit_px, chosen.down.unit_px) == (board.MINIMAP, board.MINIMAP)


def test_edges_are_looked_for_as_far_as_a_minimap_goes(tmp_path: Path) -> None:
    minimap = MinimapScroll(minimap=MINIMAP, first=(262, 153), camera_px_per_px=(1, 1))
    scale = scale_of([Trial(units=n, along_px=n * board.MINIMAP) for n in (6, -6)], may_lose=False)
    chosen = Tried(way=way_of(minimap), across=scale, down=scale)
    with board_rig(tmp_path, scroll=minimap) as rig:
        sight = Sight(FrameComparer, MAP, (), look_at_rest(rig, may_park=True))
        edges = find_edges(rig, chosen, sight, dict.fromkeys(Axis, 12), lambda *_: None)
    kinds = {edge.way: edge.kind for edge in edges}
    assert kinds["right"] == "stops"


def test_a_minimap_that_leads_to_the_middle_of_tiles_has_a_scale_by_which_a_survey_finds_its_areas(
    tmp_path: Path,
) -> None:
    minimap = MinimapScroll(minimap=MINIMAP, first=(290, 180), camera_px_per_px=(1, 1))
    with board_rig(tmp_path, "tiles=24", scroll=minimap) as rig:
        chosen = measured(rig, way_of(minimap)).chosen
    assert chosen.across is not None
    assert chosen.down is not None
    assert not chosen.is_steady
    scales = [chosen.across.unit_px, chosen.down.unit_px]
    assert scales == pytest.approx([board.MINIMAP, board.MINIMAP], rel=0.1)


def test_a_minimap_goes_the_other_way_from_a_worlds_edge_at_once(tmp_path: Path) -> None:
    minimap = MinimapScroll(minimap=MINIMAP, first=(262, 180), camera_px_per_px=(1, 1))
    scale = scale_of([Trial(units=n, along_px=n * board.MINIMAP) for n in (4, -4)], may_lose=False)
    chosen = Tried(way=way_of(minimap), across=scale, down=scale)
    with board_rig(tmp_path, "tiles=20", scroll=minimap) as rig:
        sight = Sight(FrameComparer, MAP, (), look_at_rest(rig, may_park=True))
        edges = find_edges(rig, chosen, sight, dict.fromkeys(Axis, 4), lambda *_: None)
    met = {edge.way: edge for edge in edges}
    assert met["left"].kind == "stops"
    assert met["right"].after_px >= 400
