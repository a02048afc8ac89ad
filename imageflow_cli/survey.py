"""`imageflow survey`: run, arrange, resume, recapture, look at, export and delete surveys."""

import csv
import sys
from pathlib import Path
from typing import Any

import click

from game_capture.registry import DRIVERS
from imageflow_cli.console import print_json, print_table
from imageflow_cli.old_surveys import encode, lineage, prune
from imageflow_cli.options import GRID, NAME, PAIR, RECT, SURVEY, as_json, with_settings
from imageflow_clients.settings import Settings
from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import BLOCK_SIDE
from imageflow_domain.survey import WITHHELD_NEXT, Keep, Survey


@click.group()
def survey() -> None:
    """Survey a game's map, and look at the results."""


@survey.command()
@click.option(
    "--driver",
    type=click.Choice(sorted(DRIVERS)),
    help="What to survey; may be left out with --config.",
)
@click.option("--game", type=NAME, help="Name of the game: a-z, 0-9 and _; by default the name of the --config file.")
@click.option("--save", required=True, type=NAME, help="Name of its save: all surveys of a save share one map frame.")
@click.option("--source", type=click.Path(path_type=Path), help="folder: where the frames lie.")
@click.option("--step", type=PAIR, help="folder: pixels between neighbouring frames, instead of an estimate.")
@click.option("--skip-bad", is_flag=True, help="folder: leave holes where frames cannot be used.")
@click.option(
    "--unordered",
    is_flag=True,
    help="folder: the frames lie in no order; compare them, and make a map of each group that overlaps. Done by "
    "itself where there is no positions.csv, no name like r03_c11.png, no --grid and no --step.",
)
@click.option("--grid", type=GRID, help="How many areas to take; a folder's frames say so themselves.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="city, openttd: the world's seed.")
@click.option("--load", type=click.Path(path_type=Path), help="openttd: the savegame.")
@click.option("--centre", type=PAIR, help="openttd: the tile in the middle of the survey.")
@click.option("--config", type=click.Path(path_type=Path), help="YAML file that describes the game.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any other parameter of the driver.")
@click.option("--mask", "masks", multiple=True, type=RECT, help="A head-up display in every picture; repeat for more.")
@click.option("--reach", type=click.IntRange(1, 4096), help="Largest error of a position against its neighbour's, px.")
@click.option("--block-side", type=click.IntRange(1, 100), help=f"Areas on a block's side, by default {BLOCK_SIDE}.")
@click.option("--keep", type=click.Choice([k.value for k in Keep]), help="What becomes of the screenshots.")
@click.option("--lossless-method", type=click.IntRange(0, 4), help="WebP effort: 0 is fast, 4 is small (default).")
@click.option("--unless-mapped", is_flag=True, help="Do nothing where the save has a map already.")
@as_json
@with_settings
def run(
    settings: Settings,
    /,
    reach: int | None,
    unless_mapped: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Survey a map from here to its end, and print the survey's id.

    \b
    imageflow survey run --driver folder --source shots/ --game mygame --save home
    imageflow survey run --driver city --grid 10x10 --seed 7 --game city --save demo
    imageflow survey run --driver openttd --load town.sav --grid 6x6 --centre 512,512 --game openttd --save town
    imageflow survey run --config mygame.yaml --grid 6x6 --save home
    """
    from imageflow_cli.asked_survey import asked_survey
    from imageflow_cli.session import start_database

    spec = asked_survey(reach_px=reach, **asked)
    start_database(settings)
    from imageflow_cli.running import run_any

    done, facts = run_any(settings, spec, unless_mapped=unless_mapped, bars=not as_json)
    if as_json:
        print_json({"survey": done[0].id, **facts})
        return
    for one in done:
        click.echo(one.id)


@survey.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--mask", "masks", multiple=True, type=RECT, help="A head-up display in every picture; repeat for more.")
@click.option("--skip-bad", is_flag=True, help="Leave out files that cannot be used.")
@click.option(
    "--csv",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write group_1.csv ... there; made if missing.",
)
@as_json
@with_settings
def arrange(
    settings: Settings, source: Path, masks: tuple[Rect, ...], skip_bad: bool, folder: Path | None, as_json: bool
) -> None:
    """Arrange the frames in the folder SOURCE by their content, regardless of their names; nothing is surveyed.

    `--csv` writes each group's positions: with its frames, one of these files is a positions.csv.
    """
    from imageflow_cli.arranging import arrange_only

    facts = arrange_only(settings, source, masks, folder, skip_bad=skip_bad, bars=not as_json)
    if as_json:
        print_json(facts)


@survey.command()
@click.argument("survey_id", metavar="SURVEY", type=SURVEY)
@click.option("--config", type=click.Path(path_type=Path), help="Another YAML file than the survey was begun with.")
@as_json
@with_settings
def resume(settings: Settings, survey_id: str, config: Path | None, as_json: bool) -> None:
    """Go on with a survey that was interrupted or has failed.

    The YAML file that it was begun with is read again: how the game is driven may be corrected there.
    """
    from imageflow_cli.session import start_database

    start_database(settings)
    from imageflow_cli.running import resume_corrected

    done, changes = resume_corrected(settings, survey_id, config, bars=not as_json)
    if as_json:
        print_json({"survey": done.id, "changes": changes})
    else:
        click.echo(done.id)


@survey.command()
@click.argument("survey_id", metavar="SURVEY", type=SURVEY)
@as_json
@with_settings
def recapture(settings: Settings, survey_id: str, as_json: bool) -> None:
    """Survey the map of SURVEY again, with shots half a step around every screenshot that is not anchored.

    The new survey joins the map's frame. The game should stand still, and its driver must go anywhere: city, openttd.
    """
    from imageflow_cli.session import start_database

    start_database(settings)
    from imageflow_cli.running import recapture_survey

    done, facts = recapture_survey(settings, survey_id, bars=not as_json)
    if as_json:
        print_json({"survey": done.id, **facts})
    else:
        click.echo(done.id)


@survey.command(name="list")
@click.option("--game", type=NAME, help="Only of this game.")
@click.option("--save", type=NAME, help="Only of this save.")
@as_json
@with_settings
def list_(settings: Settings, game: str | None, save: str | None, as_json: bool) -> None:
    """List surveys, newest first."""
    from imageflow_clients.database.maps import surveys as rows
    from imageflow_clients.stores import open_stores

    with open_stores(settings).database.begin() as connection:
        found = rows.find(connection, game=game, save=save)
    if as_json:
        print_json([_facts(one) for one in found])
        return
    if not found:
        click.echo("There are no surveys yet: `imageflow survey run --help` shows how to make one.", err=True)
        return
    print_table(
        ("survey", "state", "driver", "grid", "begun", "reason"),
        ((one.id, one.state, one.spec.driver.name, str(one.grid), _begun(one), _reason(one)) for one in found),
    )


@survey.command()
@click.argument("survey_id", metavar="SURVEY", type=SURVEY)
@as_json
@with_settings
def show(settings: Settings, survey_id: str, as_json: bool) -> None:
    """Show the progress of a survey, and the confidence of its map."""
    from imageflow_clients.database.maps import layers, placements
    from imageflow_clients.stores import open_stores
    from imageflow_surveys import states

    stores = open_stores(settings)
    one = states.read(stores, survey_id)
    with stores.database.begin() as connection:
        progress = layers.progress(connection, one.id)
        shots = layers.shots(connection, one.id)
        places = placements.placements(connection, one.id)
    statuses: dict[str, int] = {}
    for place in places:
        statuses[place.status.value] = statuses.get(place.status.value, 0) + 1
    found = [p.found_off for p in places if p.found_off is not None]
    searched = (
        {}
        if not found
        else {"searched": f"{len(found)} found up to {max(max(abs(o.dx_px), abs(o.dy_px)) for o in found)} px off"}
    )
    facts = {
        **_facts(one),
        "areas": shots.planned,
        **{
            name: count
            for name, count in (("outside", shots.outside), ("holes", shots.holes), ("unsettled", shots.unsettled))
            if count
        },
        "tasks": f"{progress.tasks_done} of {progress.tasks}",
        "tiles": progress.tiles_cut,
        **statuses,
        **searched,
    }
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        click.echo(f"{name:<12} {value}")
    if one.withheld is not None:
        click.echo(f"Its map is not published. {WITHHELD_NEXT}", err=True)


@survey.command()
@click.argument("survey_id", metavar="SURVEY", type=SURVEY)
@click.option("--csv", "path", required=True, type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@with_settings
def coordinates(settings: Settings, survey_id: str, path: Path) -> None:
    """Write where every screenshot lies: file,row,col,x,y,confidence,status,group,sigma_px."""
    from imageflow_cli.whole_file import check_folder_of, whole_file
    from imageflow_clients.database.maps import placements
    from imageflow_clients.database.maps import surveys as rows
    from imageflow_clients.stores import open_stores
    from imageflow_surveys import states

    check_folder_of(path)
    stores = open_stores(settings)
    one = states.read(stores, survey_id)
    one.placed()
    with stores.database.begin() as connection:
        places = placements.placements(connection, one.id)
        files = {area.cell: area.file for area in rows.areas(connection, one.id)}
    with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "row", "col", "x", "y", "confidence", "status", "group", "sigma_px"])
        for place in places:
            cell = place.cell
            writer.writerow(
                [
                    files.get(cell) or f"{cell}.webp",
                    cell.row,
                    cell.col,
                    place.x_px,
                    place.y_px,
                    f"{place.confidence:.6f}",
                    place.status.value,
                    place.group,
                    f"{place.sigma_px:.3f}",
                ]
            )
    click.echo(f"{len(places)} positions written to {path}.", err=True)


@survey.command()
@click.argument("survey_id", metavar="SURVEY", type=SURVEY)
@click.option("--region", type=RECT, help="Part of the map, in pixels of its frame; `survey show` prints its bounds.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help=".png or .webp")
@with_settings
def image(settings: Settings, survey_id: str, region: Rect | None, output: Path) -> None:
    """Write the map, or a region of it, at native zoom and without loss."""
    from imageflow_cli.picture_file import check_picture_file, write_picture
    from imageflow_clients.stores import open_stores
    from imageflow_surveys import states
    from imageflow_surveys.image import read_region

    stores = open_stores(settings)
    one = states.read(stores, survey_id)
    part = region or one.published().bounds
    check_picture_file(output, part)
    write_picture(output, read_region(stores, one, part))
    click.echo(f"{part.width_px} x {part.height_px} pixels written to {output}.", err=True)


@survey.command()
@click.argument("survey_id", metavar="SURVEY", type=SURVEY)
@click.option("--pmtiles", type=click.Path(path_type=Path, dir_okay=False), help="One PMTiles file to write.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Folder for the tiles and a page.")
@as_json
@with_settings
def export(settings: Settings, survey_id: str, pmtiles: Path | None, folder: Path | None, as_json: bool) -> None:
    """Write the whole map for use elsewhere: as one PMTiles file, or as a folder for any web server.

    \b
    imageflow survey export openttd-example-0001 --pmtiles example.pmtiles
    imageflow survey export openttd-example-0001 --folder site
    """
    from imageflow_cli.export import write_folder, write_pmtiles
    from imageflow_clients.stores import open_stores
    from imageflow_surveys import states

    write, target = (write_folder, folder) if pmtiles is None else (write_pmtiles, pmtiles)
    if target is None or (pmtiles is not None and folder is not None):
        raise InvalidInput("Say what to write: either --pmtiles FILE or --folder DIR.")
    stores = open_stores(settings)
    done = write(stores, states.read(stores, survey_id), target, bar=not as_json)
    if as_json:
        print_json({"survey": survey_id, "tiles": done.tiles, "written": done.written, "path": str(target)})
    else:
        click.echo(
            f"{done.tiles} tiles written to {target}, {done.tiles - done.written} of them by reference.", err=True
        )


@survey.command()
@click.argument("survey_id", metavar="SURVEY", type=SURVEY)
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_settings
def delete(settings: Settings, survey_id: str, yes: bool) -> None:
    """Delete a survey and its screenshots; tiles that no other survey shows go with `imageflow sweep`."""
    from imageflow_cli.running import delete_survey

    if not yes and not click.confirm(f"Delete '{survey_id}' and its map?", err=True):
        click.echo("Nothing deleted.", err=True)
        sys.exit(1)
    delete_survey(settings, survey_id)
    click.echo(f"'{survey_id}' is deleted; its tiles go once nothing has needed them for a day.", err=True)


for command in (prune, encode, lineage):
    survey.add_command(command)


def _reason(one: Survey) -> str:
    return one.reason or (f"not published: {one.withheld}" if one.withheld else "")


def _begun(one: Survey) -> str:
    return one.created_at.astimezone().strftime("%Y-%m-%d %H:%M")


def _facts(one: Survey) -> dict[str, Any]:
    mosaic = one.mosaic
    return {
        "survey": one.id,
        "state": one.state.value,
        "reason": one.reason,
        "withheld": one.withheld,
        "carrier": one.carrier.value,
        "driver": one.spec.driver.name,
        "grid": str(one.grid),
        "view": f"{one.view.width_px}x{one.view.height_px}",
        "begun": one.created_at.isoformat(timespec="seconds"),
        "ended": one.finished_at.isoformat(timespec="seconds") if one.finished_at else None,
        "bounds": f"{mosaic.bounds.x_px},{mosaic.bounds.y_px},{mosaic.bounds.width_px},{mosaic.bounds.height_px}"
        if mosaic
        else None,
        "frame": mosaic.frame.number if mosaic else None,
        "native_zoom": mosaic.frame.native_zoom if mosaic else None,
        "fidelity": str(mosaic.fidelity) if mosaic else None,
        "overlays": " ".join(map(str, one.overlays)) if one.overlays else None,
        "revision": one.published_revision,
    }
