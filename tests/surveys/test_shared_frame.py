"""Later surveys of a save join its frame where they show the same place, and open another one where they do not."""

from imageflow_clients.stores import Stores
from imageflow_domain.geometry import Offset
from imageflow_domain.grid import Block
from imageflow_domain.survey import Layer
from imageflow_surveys import states
from imageflow_surveys.blocks import register_blocks
from imageflow_surveys.capture_block import capture_block
from imageflow_surveys.place import place_survey
from tests.surveys.cities import city, digests, errors_of, placed, places_of, published, reopened, truth_of
from tests.surveys.stand_ins import Killed, Moment, failing_camera

GRID = "12x3"
"""Two squares wide."""


def test_the_same_paused_city_under_another_drift_has_the_same_tiles(stores: Stores) -> None:
    first = published(stores, city("one_frame", grid=GRID, drift_seed=1))
    second = published(stores, city("one_frame", grid=GRID, drift_seed=2))
    assert [(p.x_px, p.y_px) for p in places_of(stores, first)] != [(p.x_px, p.y_px) for p in places_of(stores, second)]
    assert first.placed().frame == second.placed().frame
    assert first.placed().frame.number == 1
    assert first.placed().revision != second.placed().revision
    assert digests(stores, first) == digests(stores, second)


def test_another_world_opens_the_save_s_second_frame(stores: Stores) -> None:
    first = published(stores, city("two_worlds", seed=1))
    second, result = placed(stores, city("two_worlds", seed=2))
    assert first.placed().frame.number == 1
    assert result.new_frame
    assert second.placed().frame.number == 2
    assert set(errors_of(stores, second, result.placements).values()) == {Offset(dx_px=0, dy_px=0)}


def test_saves_of_one_game_do_not_share_a_frame_s_number(stores: Stores) -> None:
    published(stores, city("save_a"))
    _, result = placed(stores, city("save_b"))
    assert (result.new_frame, result.mosaic.frame.number) == (True, 1)


def test_two_first_surveys_of_a_save_share_a_frame(stores: Stores) -> None:
    """The second is registered against the screenshots of the first, which has no map yet."""
    first, _ = placed(stores, city("unpublished"))
    second, result = placed(stores, city("unpublished", drift_seed=2))
    assert (result.new_frame, result.mosaic.frame) == (False, first.placed().frame)
    assert truth_of(stores, second).shift == truth_of(stores, first).shift


def test_a_published_survey_placed_again_keeps_its_frame_and_revision(stores: Stores) -> None:
    survey = published(stores, city("kept_frame"))
    again = place_survey(stores, survey)
    assert (again.new_frame, again.mosaic) == (False, survey.mosaic)


def test_a_survey_placed_anew_twice_before_it_is_published_stays_in_the_shared_frame(stores: Stores) -> None:
    first = published(stores, city("anew_twice"))
    second = published(stores, city("anew_twice", drift_seed=2))
    reopened(stores, second, Layer.SCREENSHOTS)
    with failing_camera(city("anew_twice", drift_seed=3), Moment(Killed(), at_call=100)) as camera:
        capture_block(stores, second, Block(row=0, col=0), camera)
    register_blocks(stores, second, second.blocks())
    for _ in range(2):
        again = place_survey(stores, states.read(stores, second.id))
        assert (again.new_frame, again.mosaic.frame) == (False, first.placed().frame)
    _, third = placed(stores, city("anew_twice", drift_seed=4))
    assert third.mosaic.frame == first.placed().frame


def test_a_survey_that_leaves_a_joined_frame_opens_another(stores: Stores) -> None:
    published(stores, city("leaves"))
    second, joined = placed(stores, city("leaves", drift_seed=2))
    assert (joined.new_frame, joined.mosaic.frame.number) == (False, 1)
    reopened(stores, second, Layer.SCREENSHOTS)
    with failing_camera(city("leaves", seed=8), Moment(Killed(), at_call=100)) as camera:
        capture_block(stores, second, Block(row=0, col=0), camera)
    register_blocks(stores, second, second.blocks())
    left = place_survey(stores, states.read(stores, second.id))
    assert (left.new_frame, left.mosaic.frame.number) == (True, 2)


def test_a_larger_survey_that_does_not_fit_the_frame_opens_another(stores: Stores) -> None:
    world = [8000, 1000]
    small = published(stores, city("grown", grid="3x3", world=world))
    assert small.placed().frame.side_px == 4096
    large, result = placed(stores, city("grown", grid="18x3", world=world))
    assert large.placed().bounds.width_px > 4096
    assert (result.new_frame, result.mosaic.frame.number) == (True, 2)


def test_a_wider_survey_of_the_same_place_that_fits_joins_the_frame(stores: Stores) -> None:
    world = [8000, 1000]
    small = published(stores, city("wider", grid="3x3", world=world))
    large, result = placed(stores, city("wider", grid="8x3", world=world, drift_seed=5))
    assert not result.new_frame
    assert large.placed().frame == small.placed().frame
    assert truth_of(stores, large).shift == truth_of(stores, small).shift
