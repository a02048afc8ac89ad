"""Rows of surveys and their planned areas."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, null, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.core import events
from imageflow_clients.database.maps import schema
from imageflow_domain.errors import NotFound
from imageflow_domain.events import Event
from imageflow_domain.geometry import Offset, Position, Rect, Size
from imageflow_domain.grid import Cell, Grid
from imageflow_domain.ids import parts_of_survey_id, survey_id
from imageflow_domain.ports import Area
from imageflow_domain.survey import Carrier, Fidelity, Keep, Layer, Mosaic, Survey, SurveySpec, SurveyState
from imageflow_domain.survey_events import LayerChange, layer_changed, state_changed, subject_of
from imageflow_domain.tiles import Frame

_T = schema.surveys
_NOT_WITHHELD = {"withheld_revision": None, "withheld_at": None, "withheld": None}


def plan(
    connection: Connection,
    spec: SurveySpec,
    *,
    carrier: Carrier,
    grid: Grid,
    view: Size,
    reach_px: int,
    keep: Keep,
    areas: Sequence[Area],
) -> Survey:
    """Insert a survey under the save's next number, with its areas and blocks."""
    saves = schema.saves
    connection.execute(upsert(saves).values(game=spec.game, save=spec.save).on_conflict_do_nothing())
    number = connection.execute(
        update(saves)
        .where(saves.c.game == spec.game, saves.c.save == spec.save)
        .values(surveys_begun=saves.c.surveys_begun + 1)
        .returning(saves.c.surveys_begun)
    ).scalar_one()
    name = survey_id(spec.game, spec.save, number)
    connection.execute(
        insert(_T).values(
            id=name,
            game=spec.game,
            save=spec.save,
            spec=spec.model_dump(mode="json"),
            state=SurveyState.PLANNED,
            carrier=carrier,
            rows=grid.rows,
            cols=grid.cols,
            view_width_px=view.width_px,
            view_height_px=view.height_px,
            reach_px=reach_px,
            keep=keep,
        )
    )
    connection.execute(
        insert(schema.areas),
        [
            {
                "survey_id": name,
                "row": a.cell.row,
                "col": a.cell.col,
                "x_px": a.position.x_px,
                "y_px": a.position.y_px,
                "file": a.file,
            }
            for a in areas
            if a.position is not None
        ],
    )
    connection.execute(
        insert(schema.blocks),
        [{"survey_id": name, "row": block.row, "col": block.col} for block in grid.blocks(spec.block_side)],
    )
    events.append(connection, state_changed(name, SurveyState.PLANNED))
    return get(connection, name)


def get(connection: Connection, survey: str, *, lock: bool = False) -> Survey:
    """Return a survey, locked until the transaction ends where asked; raise `NotFound`."""
    query = select(_T).where(_T.c.id == survey)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"There is no survey '{survey}': `imageflow survey list` shows those that exist.")
    return survey_of(row)


def exists(connection: Connection, survey: str) -> bool:
    """Tell whether a survey has a row; a deleted one has none."""
    return connection.execute(select(_T.c.id).where(_T.c.id == survey)).one_or_none() is not None


def was_deleted(connection: Connection, survey: str) -> bool:
    """Tell whether a survey has no row though its name was given out here: of another database's surveys none is."""
    game, save, number = parts_of_survey_id(survey)
    saves = schema.saves
    begun = connection.execute(
        select(saves.c.surveys_begun).where(saves.c.game == game, saves.c.save == save)
    ).scalar_one_or_none()
    return begun is not None and number <= begun and not exists(connection, survey)


def names(
    connection: Connection, *, of: Collection[str] | None = None, state: SurveyState | None = None
) -> tuple[str, ...]:
    """Return the ids of all surveys, or of those among `of` and in a state."""
    query = select(_T.c.id).order_by(_T.c.id)
    if of is not None:
        query = query.where(_T.c.id.in_(of))
    if state is not None:
        query = query.where(_T.c.state == state)
    return tuple(connection.execute(query).scalars())


def find(
    connection: Connection,
    *,
    game: str | None = None,
    save: str | None = None,
    states: Sequence[SurveyState] = (),
    after: str | None = None,
    limit: int | None = 1000,
) -> tuple[Survey, ...]:
    """Return surveys that match, newest first.

    Args:
        after: Only those that come after this survey; raises `NotFound` where that does not exist any more.
    """
    query = select(_T).order_by(_T.c.created_at.desc(), _T.c.id.desc()).limit(limit)
    if game is not None:
        query = query.where(_T.c.game == game)
    if save is not None:
        query = query.where(_T.c.save == save)
    if states:
        query = query.where(_T.c.state.in_(states))
    if after is not None:
        last = get(connection, after)
        query = query.where(tuple_(_T.c.created_at, _T.c.id) < tuple_(last.created_at, last.id))
    return tuple(survey_of(row) for row in connection.execute(query))


def areas(connection: Connection, survey: str, *, within: range | None = None) -> tuple[Area, ...]:
    """Return the planned areas, row by row.

    Args:
        within: Only those of these rows of the grid.
    """
    table = schema.areas
    query = select(table).where(table.c.survey_id == survey).order_by(table.c.row, table.c.col)
    if within is not None:
        query = query.where(table.c.row.between(within.start, within.stop - 1))
    rows = connection.execute(query)
    return tuple(
        Area(cell=Cell(row=row.row, col=row.col), position=Position(x_px=row.x_px, y_px=row.y_px), file=row.file)
        for row in rows
    )


def count_areas(connection: Connection, survey: str) -> int:
    """Return how many areas are planned; 0 of a survey that is not there."""
    table = schema.areas
    return connection.execute(select(func.count()).where(table.c.survey_id == survey)).scalar_one()


def set_state(connection: Connection, survey: str, state: SurveyState, reason: str | None = None) -> None:
    """Change a survey's state and its reason, `None` for no reason any more; raise `NotFound`.

    Completed, failed and cancelled surveys have a time at which they ended, others have none.
    """
    over = state in {SurveyState.COMPLETED, SurveyState.FAILED, SurveyState.CANCELLED}
    _change(connection, survey, state=state, reason=reason, finished_at=func.now() if over else None)
    events.append(connection, state_changed(survey, state))


def set_carrier(connection: Connection, survey: str, carrier: Carrier) -> None:
    """Note who starts a survey's runs from now on; raise `NotFound`."""
    _change(connection, survey, carrier=carrier)


def mark_placed(connection: Connection, survey: str, mosaic: Mosaic) -> None:
    """Note a survey's coordinates; tiles that were cut at another revision count no more. Raises `NotFound`."""
    _change(
        connection,
        survey,
        frame_number=mosaic.frame.number,
        native_zoom=mosaic.frame.native_zoom,
        bounds_x_px=mosaic.bounds.x_px,
        bounds_y_px=mosaic.bounds.y_px,
        bounds_width_px=mosaic.bounds.width_px,
        bounds_height_px=mosaic.bounds.height_px,
        shift_x_px=mosaic.shift.dx_px,
        shift_y_px=mosaic.shift.dy_px,
        placement=mosaic.placement,
        revision=mosaic.revision,
        noise=mosaic.fidelity.noise,
        whole_pixels=mosaic.fidelity.whole_pixels,
        placed_at=func.now(),
    )
    _forget_other_cuts(connection, survey, mosaic.revision)
    events.append(connection, layer_changed(survey, Layer.COORDINATES, LayerChange.DONE))


def forget_placement(connection: Connection, survey: str) -> None:
    """Ask for a new placement of other screenshots, over which other things may lie.

    The frame stays, so that addresses and the save's other surveys still fit.
    """
    _change(connection, survey, placed_at=None, cleaned_at=None, overlays=null())
    events.append(connection, layer_changed(survey, Layer.COORDINATES, LayerChange.REOPENED))


def set_overlays(connection: Connection, survey: str, overlays: Sequence[Rect]) -> None:
    """Note what stands still in every screenshot."""
    _change(connection, survey, overlays=[rect.model_dump() for rect in overlays])


def set_encoding(connection: Connection, survey: str, spec: SurveySpec, revision: str) -> None:
    """Ask for another encoding of a placed survey: the same pixels under another revision."""
    _change(connection, survey, spec=spec.model_dump(mode="json"), revision=revision)
    _forget_other_cuts(connection, survey, revision)
    events.append(connection, layer_changed(survey, Layer.TILES, LayerChange.REOPENED))


def redrive(connection: Connection, survey: str, spec: SurveySpec, reach_px: int) -> None:
    """Let a survey's game be driven otherwise from now on."""
    _change(connection, survey, spec=spec.model_dump(mode="json"), reach_px=reach_px)


def publish(connection: Connection, survey: Survey, tiles_total: int) -> None:
    """Switch the survey's moving addresses, and the save's latest, to its current revision.

    Args:
        tiles_total: Tiles of the revision, of all zooms.
    """
    _change(
        connection,
        survey.id,
        published_revision=survey.placed().revision,
        published_at=func.now(),
        tiles_total=tiles_total,
        **_NOT_WITHHELD,
    )
    saves = schema.saves
    connection.execute(
        update(saves)
        .where(saves.c.game == survey.spec.game, saves.c.save == survey.spec.save)
        .values(latest_survey_id=survey.id)
    )
    events.append(connection, layer_changed(survey.id, Layer.OVERVIEWS, LayerChange.DONE))


def withhold(connection: Connection, survey: Survey, tiles_total: int, why: str) -> None:
    """Note that the current revision is whole and is not published; addresses show what they showed before.

    Args:
        tiles_total: As for `publish`.
        why: In words for people.
    """
    revision = survey.placed().revision
    _change(
        connection,
        survey.id,
        withheld_revision=revision,
        withheld_at=func.now(),
        withheld=why,
        tiles_total=tiles_total,
    )
    events.append(connection, layer_changed(survey.id, Layer.OVERVIEWS, LayerChange.DONE))


def take_up(connection: Connection, survey: str, carrier: Carrier) -> None:
    """Let a survey be planned anew for whoever starts its runs from now on."""
    set_state(connection, survey, SurveyState.PLANNED)
    _change(connection, survey, carrier=carrier, taken_up_at=func.now())


def settle(connection: Connection, survey: str, run_id: str) -> None:
    """Note the newest run whose end the survey's state reflects."""
    _change(connection, survey, settled_run_id=run_id)


def mark_cleaned(connection: Connection, survey: str) -> None:
    """Note that a survey's last layer is done; raise `NotFound`."""
    _change(connection, survey, cleaned_at=func.now())
    events.append(connection, layer_changed(survey, Layer.CLEANUP, LayerChange.DONE))


def remove(connection: Connection, survey: Survey) -> None:
    """Delete a survey's rows; the save's latest falls back to the survey published before it."""
    connection.execute(delete(_T).where(_T.c.id == survey.id))
    before = connection.execute(
        select(_T.c.id)
        .where(_T.c.game == survey.spec.game, _T.c.save == survey.spec.save, _T.c.published_revision.is_not(None))
        .order_by(_T.c.published_at.desc())
        .limit(1)
    ).scalar_one_or_none()
    saves = schema.saves
    connection.execute(
        update(saves)
        .where(
            saves.c.game == survey.spec.game, saves.c.save == survey.spec.save, saves.c.latest_survey_id == survey.id
        )
        .values(latest_survey_id=before)
    )
    events.append(connection, Event(subject=subject_of(survey.id), kind=events.DELETED))


def _forget_other_cuts(connection: Connection, survey: str, revision: str) -> None:
    """Count no tiles of blocks that were cut for another revision."""
    table = schema.blocks
    connection.execute(
        update(table)
        .where(table.c.survey_id == survey, table.c.cut_revision.is_distinct_from(revision))
        .values(tiles_cut=0)
    )


def _change(connection: Connection, survey: str, **values: Any) -> None:
    if connection.execute(update(_T).where(_T.c.id == survey).values(**values)).rowcount != 1:
        raise NotFound(f"There is no survey '{survey}' any more.")


def survey_of(row: Row[Any]) -> Survey:
    """Return the survey of a row of `schema.surveys`."""
    return Survey(
        id=row.id,
        spec=SurveySpec.model_validate(row.spec),
        state=SurveyState(row.state),
        carrier=Carrier(row.carrier),
        reason=row.reason,
        grid=Grid(rows=row.rows, cols=row.cols),
        view=Size(width_px=row.view_width_px, height_px=row.view_height_px),
        reach_px=row.reach_px,
        keep=Keep(row.keep),
        mosaic=_mosaic(row),
        published_revision=row.published_revision,
        created_at=row.created_at,
        finished_at=row.finished_at,
        withheld=row.withheld if row.revision is not None and row.withheld_revision == row.revision else None,
        settled_run_id=row.settled_run_id,
        taken_up_at=row.taken_up_at,
        overlays=None if row.overlays is None else tuple(Rect.model_validate(one) for one in row.overlays),
    )


def _mosaic(row: Row[Any]) -> Mosaic | None:
    if row.revision is None:
        return None
    return Mosaic(
        frame=Frame(number=row.frame_number, native_zoom=row.native_zoom),
        bounds=Rect(
            x_px=row.bounds_x_px, y_px=row.bounds_y_px, width_px=row.bounds_width_px, height_px=row.bounds_height_px
        ),
        shift=Offset(dx_px=row.shift_x_px, dy_px=row.shift_y_px),
        # Surveys of an older version were never given one; nothing is compared with it.
        placement=row.placement or row.revision,
        revision=row.revision,
        fidelity=Fidelity(noise=row.noise, whole_pixels=row.whole_pixels),
    )
