"""Every square of the mosaic belongs to exactly one block, at any block size."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from imageflow_domain.geometry import Offset, Position, Rect, Size
from imageflow_domain.grid import Grid
from imageflow_domain.ports import Area
from imageflow_domain.survey import Carrier, DriverSpec, Keep, Mosaic, Survey, SurveySpec, SurveyState
from imageflow_domain.tiles import SQUARE_PX, first_frame
from imageflow_surveys.squares import squares_of

_VIEW = Size(width_px=1280, height_px=1024)


def _survey(grid: Grid, bounds: Rect, block_side: int) -> Survey:
    frame, shift = first_frame(bounds, 1)
    return Survey(
        id="city-test-0001",
        spec=SurveySpec(game="city", save="test", driver=DriverSpec(name="city"), block_side=block_side),
        state=SurveyState.RUNNING,
        carrier=Carrier.COMMAND_LINE,
        reason=None,
        grid=grid,
        view=_VIEW,
        reach_px=64,
        keep=Keep.KEEP,
        mosaic=Mosaic(frame=frame, bounds=bounds.shifted(shift), shift=shift, placement="1" * 32, revision="0" * 32),
        published_revision=None,
        created_at=datetime.now(UTC),
        finished_at=None,
    )


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 24),
    cols=st.integers(1, 24),
    step=st.tuples(st.integers(100, 1200), st.integers(100, 1000)),
    slant=st.integers(-200, 200),
    side=st.integers(3, 12),
    origin=st.tuples(st.integers(-9000, 9000), st.integers(-9000, 9000)),
)
def test_every_square_that_a_shot_touches_belongs_to_exactly_one_block(
    rows: int, cols: int, step: tuple[int, int], slant: int, side: int, origin: tuple[int, int]
) -> None:
    grid = Grid(rows=rows, cols=cols)
    areas = [
        Area(
            cell=cell,
            position=Position(
                x_px=origin[0] + cell.col * step[0] + cell.row * slant, y_px=origin[1] + cell.row * step[1]
            ),
        )
        for cell in grid.cells()
    ]
    lefts = [round(a.position.x_px) for a in areas if a.position]
    tops = [round(a.position.y_px) for a in areas if a.position]
    bounds = Rect(
        x_px=min(lefts),
        y_px=min(tops),
        width_px=max(lefts) - min(lefts) + _VIEW.width_px,
        height_px=max(tops) - min(tops) + _VIEW.height_px,
    )
    survey = _survey(grid, bounds, side)
    owned = [(square.x_px, square.y_px) for block in survey.blocks() for square in squares_of(survey, areas, block)]
    placed = survey.placed().bounds
    wanted = {
        (x, y)
        for x in range(placed.x_px // SQUARE_PX * SQUARE_PX, placed.right_px, SQUARE_PX)
        for y in range(placed.y_px // SQUARE_PX * SQUARE_PX, placed.bottom_px, SQUARE_PX)
    }
    assert len(owned) == len(set(owned))
    assert set(owned) == wanted


def test_a_first_mosaic_lies_on_a_square_corner_with_room_around() -> None:
    bounds = Rect(x_px=-37, y_px=1013, width_px=5184, height_px=3808)
    frame, shift = first_frame(bounds, 1)
    placed = bounds.shifted(shift)
    assert placed.x_px % SQUARE_PX == 0
    assert placed.y_px % SQUARE_PX == 0
    assert shift == Offset(dx_px=placed.x_px + 37, dy_px=placed.y_px - 1013)
    assert min(placed.x_px, placed.y_px, frame.side_px - placed.right_px, frame.side_px - placed.bottom_px) > 0
