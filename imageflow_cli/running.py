"""What `survey run`, `resume` and `delete` do with Dagster's instance at hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from imageflow_assets.map import records
from imageflow_cli.making import make_map
from imageflow_cli.picture_folder import print_skipped
from imageflow_cli.progress import survey_bars
from imageflow_cli.session import Session, open_session
from imageflow_clients.database.maps import layers, placements, saves
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.settings import Settings
from imageflow_domain.geometry import Position
from imageflow_domain.grid import Cell
from imageflow_domain.placement import PlacementStatus
from imageflow_domain.survey import Carrier, ShotCount, Survey, SurveySpec
from imageflow_surveys import states, trust
from imageflow_surveys.camera import skipped_files_of
from imageflow_surveys.findings import Finding
from imageflow_surveys.ordered import is_unordered
from imageflow_surveys.plan import least_overlap_px, plan_survey
from imageflow_surveys.recapture import count_anchored, plan_recapture
from imageflow_surveys.reread import reread


def run_any(
    settings: Settings, spec: SurveySpec, *, unless_mapped: bool, bars: bool
) -> tuple[tuple[Survey, ...], dict[str, Any]]:
    """Make the maps that are asked for: one survey, or one of each group where frames lie in no order.

    Args:
        unless_mapped: Return the save's latest survey, where there is one, and do nothing.

    Returns:
        The surveys, the largest first, and what else a program may want to know.
    """
    session = open_session(settings)
    if unless_mapped:
        with session.stores.database.begin() as connection:
            latest = saves.latest(connection, spec.game, spec.save)
        if latest is not None:
            click.echo(f"'{latest.id}' is mapped already.", err=True)
            return (latest,), {}
    print_skipped(skipped_files_of(session.stores, spec))
    if is_unordered(session.stores, spec):
        return _run_unordered(session, spec, bars=bars)
    return (_run_one(session, spec, bars=bars),), {}


def _run_one(session: Session, spec: SurveySpec, *, bars: bool) -> Survey:
    """Plan a survey and make its map; its errors are `plan_survey`'s and `SurveyFailed`."""
    survey = plan_survey(session.stores, spec, Carrier.COMMAND_LINE)
    _introduce(session, survey)
    return _make(session, survey, bars=bars)


def _run_unordered(session: Session, spec: SurveySpec, *, bars: bool) -> tuple[tuple[Survey, ...], dict[str, Any]]:
    """Arrange frames in no order, and survey each group, the largest last: the save then shows that one.

    Its errors are those of `arrange_frames` and `plan_groups`, and `SurveyFailed`; groups that were not begun by then
    stay planned, and can be resumed.
    """
    from imageflow_cli.arranging import arrange, report
    from imageflow_surveys.arrange import plan_groups

    frames = arrange(session.stores, spec.source, spec.driver.parameters, spec.masks, bars=bars)
    surveys = plan_groups(session.stores, spec, frames, Carrier.COMMAND_LINE)
    done = []
    for survey in reversed(surveys):
        _introduce(session, survey)
        done.append(_make(session, survey, bars=bars))
    return tuple(reversed(done)), report(frames, surveys)


def recapture_survey(settings: Settings, survey_id: str, *, bars: bool) -> tuple[Survey, dict[str, int]]:
    """Take a survey again with shots between its areas, to the end; return the new one and what came of it.

    Its errors are `plan_recapture`'s and `SurveyFailed`.
    """
    session = open_session(settings)
    again = plan_recapture(session.stores, survey_id, Carrier.COMMAND_LINE)
    click.echo(
        f"{len(again.unsure)} of the screenshots of '{survey_id}' are not anchored: all areas are taken again, and "
        f"{again.bridging} shots between them.",
        err=True,
    )
    _introduce(session, again.survey)
    done = _make(session, again.survey, bars=bars)
    anchored = count_anchored(session.stores, again)
    click.echo(f"{anchored} of these {len(again.unsure)} screenshots are anchored now.", err=True)
    return done, {"unsure_before": len(again.unsure), "bridging": again.bridging, "anchored_now": anchored}


def resume_survey(settings: Settings, survey_id: str, *, bars: bool) -> Survey:
    """Go on with a survey that no run works on; raise `NotFound` or `Conflict`."""
    return _resume(open_session(settings), survey_id, bars=bars)


def resume_corrected(
    settings: Settings, survey_id: str, config: Path | None, *, bars: bool
) -> tuple[Survey, list[str]]:
    """Go on with a survey as its game's YAML says now; return what changed there, too.

    Args:
        config: Another YAML than the survey was begun with.

    Raises `NotFound`, `Conflict`, or `InvalidInput` where the YAML is wrong.
    """
    session = open_session(settings)
    again = reread(session.stores, survey_id, config)
    if not again.found:
        click.echo(f"'{again.path}' is not there any more: the survey goes on as it was begun.", err=True)
    elif again.path is not None:
        listed = "".join(f"\n  {change}" for change in again.changes) or " nothing changed."
        click.echo(f"Read again '{again.path}':{listed}", err=True)
    return _resume(session, survey_id, bars=bars), [str(change) for change in again.changes]


def _resume(session: Session, survey_id: str, *, bars: bool) -> Survey:
    return _make(session, states.take_up(session.stores, survey_id, Carrier.COMMAND_LINE), bars=bars)


def delete_survey(settings: Settings, survey_id: str) -> None:
    """Delete a survey, its partition and its runs."""
    session = open_session(settings)
    records.delete_survey(session.instance, session.stores, states.read(session.stores, survey_id))


def _introduce(session: Session, survey: Survey) -> None:
    with session.stores.database.begin() as connection:
        areas = rows.areas(connection, survey.id)
    at = {area.cell: area.position for area in areas}
    view = f"{survey.view.width_px}x{survey.view.height_px} px"
    name = click.style(survey.id, bold=True)
    click.echo(f"{name}: {len(areas)} areas in a {survey.grid} grid, {view} each{_step(at)}.", err=True)
    _warn_of_reach(survey, at)


def _step(at: Mapping[Cell, Position | None]) -> str:
    """Say how far the first neighbouring areas lie apart, where there are any."""
    said = []
    for name, d_row, d_col in (("to the right", 0, 1), ("down", 1, 0)):
        for cell, here in at.items():
            there = at.get(Cell(row=cell.row + d_row, col=cell.col + d_col))
            if here is not None and there is not None:
                said.append(f"{there.x_px - here.x_px:.0f},{there.y_px - here.y_px:.0f} px {name}")
                break
    return f", step {' and '.join(said)}" if said else ""


def _make(session: Session, survey: Survey, *, bars: bool) -> Survey:
    with survey_bars(session.stores, survey, shown=bars):
        done = make_map(session, survey)
    _report(session, done)
    return done


def _report(session: Session, survey: Survey) -> None:
    """Say how sure the map is, and every finding against it."""
    with session.stores.database.begin() as connection:
        places = placements.placements(connection, survey.id)
        tiles = layers.progress(connection, survey.id).tiles_cut
        shots = layers.shots(connection, survey.id)
    if survey.withheld is not None:
        _warn_of(f"The map is not published, the save's latest one stays: {survey.withheld}")
    anchored = sum(place.status is PlacementStatus.ANCHORED for place in places)
    fidelity = survey.placed().fidelity
    click.echo(f"{anchored} of {len(places)} screenshots are anchored; {tiles} tiles.", err=True)
    if anchored > 1:
        click.echo(f"{str(fidelity).capitalize()}.", err=True)
    _print_areas(shots)
    if survey.overlays:
        masks = " ".join(f"--mask {rect}" for rect in survey.overlays)
        click.echo(f"The same lies over the map in every screenshot; to leave it out, survey with {masks}", err=True)
    for look in (
        trust.loops_close,
        trust.shots_placed,
        trust.decisive_offsets_kept,
        trust.mostly_anchored,
        trust.one_group,
        trust.positions_hold,
    ):
        _warn(look(session.stores, survey))


def _print_areas(shots: ShotCount) -> None:
    """Say which areas have no screenshot, or one that was not still."""
    if shots.outside:
        click.echo(f"Beyond the world's edge: {shots.outside} areas, which the map does without.", err=True)
    if shots.holes:
        _warn_of(
            f"Nothing usable was shown of {shots.holes} areas: holes in the map where no neighbour shows the place."
        )
    if shots.unsettled:
        _warn_of(
            f"The image of {shots.unsettled} areas never stood still, at a second visit neither: it was taken as it "
            "was. Pause the game in `prepare`, or name what moves in `settle.ignored`."
        )


def _warn_of_reach(survey: Survey, at: Mapping[Cell, Position | None]) -> None:
    """Warn where positions are said to be off by more than neighbours have in common: the reach helps nothing then."""
    common_px, reach_px = least_overlap_px(survey.view, at), survey.spec.reach_px
    if common_px is not None and reach_px is not None and reach_px > common_px:
        _warn_of(
            f"A reach of {reach_px} px is more than the {common_px} px that neighbouring areas have in common: "
            "where positions are that far off, neighbours show nothing in common. Take a smaller step, or a smaller "
            "reach."
        )


def _warn(finding: Finding) -> None:
    if finding.holds:
        return
    listed = "".join(f"\n  {offender}" for offender in finding.offenders[:10])
    more = f"\n  and {len(finding.offenders) - 10} more" if len(finding.offenders) > 10 else ""
    _warn_of(f"{finding.text}{listed}{more}")


def _warn_of(text: str) -> None:
    click.echo(f"{click.style('Warning:', fg='yellow')} {text}", err=True)
