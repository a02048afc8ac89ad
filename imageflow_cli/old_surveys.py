"""`imageflow survey prune`, `encode` and `lineage`: what is kept of old surveys."""

from typing import Any

import click

from imageflow_cli.console import print_json, print_table
from imageflow_cli.options import PAIR, SURVEY, as_json, with_settings
from imageflow_clients.settings import Settings


@click.command()
@click.option(
    "--keep", type=click.IntRange(min=1), help="Published surveys of each save that stay [IMAGEFLOW_RETENTION_SURVEYS]."
)
@click.option(
    "--older-than",
    "days",
    type=click.IntRange(min=0),
    metavar="DAYS",
    help="Younger ones stay, too [IMAGEFLOW_RETENTION_DAYS].",
)
@click.option("--dry-run", is_flag=True, help="Only list what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
@with_settings
def prune(settings: Settings, keep: int | None, days: int | None, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete old surveys; each save's latest always stays."""
    from imageflow_assets.map.records import delete_survey
    from imageflow_assets.map.upkeep import retention
    from imageflow_cli.session import open_session
    from imageflow_surveys.retain import expired_surveys

    session = open_session(settings)
    rule = retention(session.settings, keep=keep, days=days)
    if rule.keep is None:
        raise click.UsageError("Say how many surveys of each save stay: --keep N, or IMAGEFLOW_RETENTION_SURVEYS=N.")
    expired = expired_surveys(session.stores, rule)
    if as_json:
        print_json({"surveys": [survey.id for survey in expired], "dry_run": dry_run})
    else:
        print_table(("survey", "state", "begun"), ((s.id, s.state, s.created_at.date().isoformat()) for s in expired))
    if not expired:
        click.echo("Nothing to prune.", err=True)
    if dry_run or not expired:
        return
    if not yes and not click.confirm(f"Delete {_count(len(expired))}?", err=True):
        raise click.Abort
    for survey in expired:
        delete_survey(session.instance, session.stores, survey)
    click.echo(f"{_count(len(expired))} deleted.", err=True)


@click.command()
@click.argument("survey_id", metavar="SURVEY", type=SURVEY)
@click.option(
    "--lossless-method", type=click.IntRange(0, 4), help="WebP effort of the sharp tiles: 0 is fast, 4 is small."
)
@click.option("--lossy-quality", type=click.IntRange(1, 100), help="WebP quality of the overviews.")
@as_json
@with_settings
def encode(settings: Settings, /, survey_id: str, as_json: bool, **changed: int | None) -> None:
    """Encode a survey's tiles anew: the same pixels, from the screenshots or from its native tiles."""
    from imageflow_cli.running import resume_survey
    from imageflow_clients.stores import open_stores
    from imageflow_domain.survey import Encoding
    from imageflow_surveys import states
    from imageflow_surveys.reencode import ask_to_reencode, describe

    stores = open_stores(settings)
    before = states.read(stores, survey_id).spec.encoding
    wanted = before.model_copy(update={name: value for name, value in changed.items() if value is not None})
    asked = ask_to_reencode(stores, survey_id, Encoding.model_validate(wanted.model_dump()))
    click.echo(f"'{survey_id}' is encoded anew: {describe(asked.spec.encoding)}.", err=True)
    done = resume_survey(settings, survey_id, bars=not as_json)
    if as_json:
        print_json({"survey": done.id, "revision": done.published_revision})
    else:
        click.echo(done.id)


@click.command()
@click.argument("survey_id", metavar="SURVEY", type=SURVEY)
@click.option("--at", "place", required=True, type=PAIR, help="A place of the map, in pixels of its frame.")
@as_json
@with_settings
def lineage(settings: Settings, survey_id: str, place: tuple[int, int], as_json: bool) -> None:
    """Show what a place of the map was made from, also once the screenshots are deleted."""
    from imageflow_clients.stores import open_stores
    from imageflow_surveys.lineage import lineage_at

    found = lineage_at(open_stores(settings), survey_id, *place)
    tile = f"{found.tile.z}/{found.tile.x}/{found.tile.y}"
    shots = [
        {
            "area": str(shot.placement.cell),
            "x": shot.placement.x_px,
            "y": shot.placement.y_px,
            "confidence": round(shot.placement.confidence, 6),
            "sigma_px": round(shot.placement.sigma_px, 3),
            "status": shot.placement.status.value,
            "digest": shot.digest,
            "stored": shot.stored,
        }
        for shot in found.shots
    ]
    if as_json:
        offsets: list[dict[str, Any]] = [
            {
                "reference": str(o.reference),
                "moving": str(o.moving),
                "dx_px": o.dx_px,
                "dy_px": o.dy_px,
                "sigma_px": o.sigma_px,
                "votes": o.votes,
                "agreement": round(o.agreement, 6),
            }
            for o in found.offsets
        ]
        print_json(
            {"tile": tile, "digest": found.digest, "revision": found.revision, "screenshots": shots, "offsets": offsets}
        )
        return
    click.echo(f"Tile {tile} ({found.digest or 'nothing is covered here'}), revision {found.revision}", err=True)
    print_table(
        ("area", "x", "y", "confidence", "status", "digest", "picture"),
        (
            (
                str(shot.placement.cell),
                str(shot.placement.x_px),
                str(shot.placement.y_px),
                f"{shot.placement.confidence:.6f}",
                shot.placement.status,
                (shot.digest or "unknown")[:12],
                "stored" if shot.stored else "deleted",
            )
            for shot in found.shots
        ),
    )


def _count(surveys: int) -> str:
    return "1 survey" if surveys == 1 else f"{surveys} surveys"
