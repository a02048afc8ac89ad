"""The settings that follow from what a probe measured."""

from dataclasses import replace

from game_capture.probe.moves import nothing_moved
from game_capture.probe.proposal import propose
from game_capture.probe.report import Edge, Pause, Report, Tried
from game_capture.probe.scale import Scale, Trial, scale_of
from game_capture.probe.settling import Settling, waiting_for
from game_capture.probe.ways import Way, way_of
from game_capture.x11.scrolling import DragScroll, KeyScroll, MinimapScroll
from imageflow_domain.geometry import Rect

WINDOW = Rect(x_px=0, y_px=0, width_px=1280, height_px=1024)
CORNER = (1279, 1023)
MAP = Rect(x_px=0, y_px=32, width_px=1280, height_px=960)
KEYS = KeyScroll(px_per_press=(9, 9), left="a", right="d", up="w", down="s", pause_ms=50)


def _scale(unit_px: float) -> Scale:
    scale = scale_of([Trial(units=n, along_px=n * unit_px) for n in (40, -40, 80, -80)], may_lose=True)
    assert scale is not None
    return scale


def _report(way: Way, across_px: float, down_px: float) -> Report:
    chosen = Tried(way=way, across=_scale(across_px), down=_scale(down_px))
    return Report(
        window=WINDOW,
        park=CORNER,
        tried=(chosen,),
        chosen=chosen,
        pause=Pause(shortest_ms=40, tried_ms=(0, 10, 20, 40)),
        settle_s=0.3,
        waiting=waiting_for([Settling(first_s=0.1, last_s=0.3, pause_s=0.1)], is_restless=False),
        crop=MAP,
        found_crop=MAP,
        masks=(),
        ignored=(),
        restless_share=0.0,
        edges=(),
    )


def test_keys_that_went_the_other_way_are_exchanged_and_the_pause_is_twice_the_shortest() -> None:
    proposal = propose(_report(way_of(KEYS), -64.0, 32.0), {}, KEYS, default_park=CORNER)
    assert proposal.parameters["scroll"].value == {
        "by": "keys",
        "left": "d",
        "right": "a",
        "up": "w",
        "down": "s",
        "px_per_press": [64, 32],
        "pause_ms": 80,
    }
    assert proposal.parameters["crop"].value == MAP.model_dump()
    assert proposal.parameters["step"].value == [896, 672]


def test_a_drag_keeps_its_sign_and_its_fraction() -> None:
    drag = DragScroll(button=2)
    proposal = propose(_report(way_of(drag), -1.5, -0.375), {}, drag, default_park=CORNER)
    assert proposal.parameters["scroll"].value == {
        "by": "drag",
        "button": 2,
        "camera_px_per_px": [-1.5, -0.375],
        "pause_ms": 80,
    }


def test_what_the_author_set_is_kept_where_it_fits_and_replaced_where_it_does_not() -> None:
    report = _report(way_of(KEYS), 64.0, 32.0)
    kept = {"crop": MAP.model_dump(), "step": [1024, 704], "move_wait_s": 2.0, "settle": {"equal_grabs": 12}}
    assert propose(report, kept, KEYS.model_copy(update={"pause_ms": 400}), default_park=CORNER).parameters.keys() == {
        "scroll"
    }
    slow = (
        propose(report, kept, KEYS.model_copy(update={"pause_ms": 400}), default_park=CORNER).parameters["scroll"].value
    )
    assert slow["pause_ms"] == 400
    wide = propose(report, {**kept, "step": [1250, 704], "move_wait_s": 0.05}, KEYS, default_park=CORNER).parameters
    assert (wide["step"].value, wide["move_wait_s"].value) == ([896, 672], 0.15)


def test_a_map_that_changes_by_itself_is_not_waited_for_and_the_author_is_advised_to_pause_it() -> None:
    report = replace(_report(way_of(KEYS), 64.0, 32.0), restless_share=0.4)
    proposal = propose(report, {"settle": {"timeout_s": 5}}, KEYS, default_park=CORNER)
    assert proposal.parameters["settle"].value == {"timeout_s": 5, "equal_grabs": 1}
    assert "40% of the map changes by itself: pause the game" in proposal.advice[0]


def test_a_start_that_never_stands_still_is_pointed_out() -> None:
    report = replace(_report(way_of(KEYS), 64.0, 32.0), starts_restless=True)
    assert "begin `prepare` with {wait_s: 5}" in propose(report, {}, KEYS, default_park=CORNER).advice[0]


def test_a_pointer_that_scrolls_in_the_corner_rests_elsewhere() -> None:
    report = replace(_report(way_of(KEYS), 64.0, 32.0), park=(1216, 960))
    assert propose(report, {}, KEYS, default_park=CORNER).parameters["park"].value == [1216, 960]


def test_a_clock_is_ignored_where_it_is() -> None:
    clock = Rect(x_px=16, y_px=0, width_px=48, height_px=16)
    proposal = propose(replace(_report(way_of(KEYS), 64.0, 32.0), ignored=(clock,)), {}, KEYS, default_park=CORNER)
    assert proposal.parameters["settle"].value["ignored"] == [clock.model_dump()]


def test_waves_that_change_at_two_places_of_the_camera_are_not_ignored_where_they_are() -> None:
    waves = Rect(x_px=16, y_px=0, width_px=48, height_px=16)
    report = replace(_report(way_of(KEYS), 64.0, 32.0), ignored=(waves,), restless_share=0.24, flicker_share=0.1)
    assert "ignored" not in propose(report, {}, KEYS, default_park=CORNER).parameters["settle"].value


def test_a_camera_that_stands_at_the_lower_right_and_units_that_go_too_far_are_pointed_out() -> None:
    report = _report(way_of(KEYS), 1100.0, 32.0)
    edges = tuple(Edge(way=way, kind="stops", after_px=0.0) for way in ("left", "right", "down"))
    advice = propose(replace(report, edges=edges), {}, KEYS, default_park=CORNER).advice
    assert advice[0].startswith("One press goes so far that neighbouring areas hardly overlap")
    assert "stops at once when it is sent right and down: bring it to the upper left" in advice[1]


def test_a_camera_is_waited_for_where_little_of_the_map_flickers_from_one_grab_to_the_next() -> None:
    report = replace(_report(way_of(KEYS), 64.0, 32.0), restless_share=0.4, flicker_share=0.15)
    settle = propose(report, {}, KEYS, default_park=CORNER).parameters["settle"].value
    # the crop is 15/16 of the window, and all that flickers may lie in it
    assert settle == {
        "equal_grabs": report.waiting.equal_grabs,
        "interval_s": report.waiting.interval_s,
        "equal_share": 0.84,
    }


def test_a_crop_most_of_which_flickers_is_not_waited_for() -> None:
    report = replace(_report(way_of(KEYS), 64.0, 32.0), restless_share=0.6, flicker_share=0.5)
    assert propose(report, {}, KEYS, default_park=CORNER).parameters["settle"].value == {"equal_grabs": 1}


def test_where_nothing_moved_the_message_names_what_hides_a_camera_that_moves() -> None:
    tried = [Tried(way=way_of(KEYS), across=None, down=None, changed_otherwise=True)]
    assert "30% of the picture changes by itself" in nothing_moved(tried, restless_share=0.3)
    assert "by itself" not in nothing_moved(tried, restless_share=0.0)


def test_a_game_that_begins_in_another_world_each_time_and_a_way_that_is_not_steady_are_pointed_out() -> None:
    report = _report(way_of(KEYS), 64.0, 32.0)
    uneven = scale_of([Trial(units=1, along_px=px) for px in (40.0, 90.0, 64.0)], may_lose=True)
    other, unsteady = propose(
        replace(report, other_start_share=0.66, chosen=replace(report.chosen, across=uneven)),
        {},
        KEYS,
        default_park=CORNER,
    ).advice
    assert other.startswith("66% of the picture differed between two starts of the game")
    assert "Load a savegame" in other
    assert "Where the game has a minimap that takes clicks, name it in `scroll`" in unsteady
    assert not propose(replace(report, other_start_share=0.3), {}, KEYS, default_park=CORNER).advice


def test_a_camera_far_from_the_upper_left_of_the_world_is_given_the_keys_that_lead_there() -> None:
    report = _report(way_of(KEYS), -64.0, 32.0)
    edges = (
        Edge(way="left", kind="stops", after_px=960.0),
        Edge(way="right", kind="not met", after_px=1280.0),
        Edge(way="up", kind="stops", after_px=800.0),
    )
    (advice,) = propose(replace(report, edges=edges), {}, KEYS, default_park=CORNER).advice
    assert "960 px to the left of the first area and 800 px above it" in advice
    assert "by {key: d, count: 19, pause_ms: 80}, {key: w, count: 31, pause_ms: 80}." in advice


def test_a_camera_at_the_upper_left_of_the_world_or_in_a_world_without_it_needs_no_other_home() -> None:
    report = _report(way_of(KEYS), 64.0, 32.0)
    at_corner = [Edge(way=way, kind="stops", after_px=64.0) for way in ("left", "up")]
    wrapping = [Edge(way="left", kind="wraps", after_px=4096.0), Edge(way="up", kind="stops", after_px=2048.0)]
    for edges in (at_corner, wrapping):
        assert not propose(replace(report, edges=tuple(edges)), {}, KEYS, default_park=CORNER).advice


def test_a_drag_to_the_upper_left_of_the_world_is_left_to_the_author() -> None:
    edges = tuple(Edge(way=way, kind="stops", after_px=960.0) for way in ("left", "up"))
    report = replace(_report(way_of(DragScroll(button=2)), -1.5, -1.5), edges=edges)
    (advice,) = propose(report, {}, DragScroll(button=2), default_park=CORNER).advice
    assert advice.endswith("bring the camera to it at the end of `home`.")


def test_an_edge_that_was_not_met_says_how_far_it_was_looked_for() -> None:
    assert str(Edge(way="right", kind="not met", after_px=1280.0)) == "right: no edge within 1280 px"


def test_a_minimap_whose_clicks_are_not_steady_is_not_advised_again() -> None:
    minimap = MinimapScroll(
        minimap=Rect(x_px=1140, y_px=11, width_px=102, height_px=212), first=(1172, 41), camera_px_per_px=(1, 1)
    )
    report = _report(way_of(minimap), 18.0, 18.0)
    uneven = scale_of([Trial(units=n, along_px=px) for n, px in ((8, 162.0), (16, 270.0), (24, 432.0))], may_lose=False)
    (advice,) = propose(
        replace(report, chosen=replace(report.chosen, across=uneven)), {}, minimap, default_park=CORNER
    ).advice
    assert advice.startswith("Clicks on the minimap lead up to 18 px beside the place that was clicked")
