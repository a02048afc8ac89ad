"""What a person sees of a materialisation in Dagster's UI."""

from collections.abc import Callable, Sequence
from math import fsum

import dagster as dg

from imageflow_assets.metadata import Shown, listed, megabytes, picture, table
from imageflow_clients.database.maps import layers, placements, screenshots
from imageflow_clients.stores import Stores
from imageflow_domain.errors import ObjectDamaged, ObjectMissing
from imageflow_domain.placement import Placement, PlacementStatus
from imageflow_domain.survey import Layer, Survey
from imageflow_surveys import states
from imageflow_surveys.blocks import CapturedBlocks, CutBlocks, RegisteredBlocks
from imageflow_surveys.clean_up import Cleaned
from imageflow_surveys.findings import Finding, Severity
from imageflow_surveys.overview import Overview
from imageflow_surveys.place import Placed
from imageflow_surveys.previews import preview_of_screenshots, preview_of_tiles
from imageflow_surveys.trust import least_sure

_SEVERITIES = {Severity.WARN: dg.AssetCheckSeverity.WARN, Severity.ERROR: dg.AssetCheckSeverity.ERROR}
_ROWS = 20
"""Rows of a table that a person is shown."""


def kept(survey: Survey, layer: Layer) -> Shown:
    """Show that a run found a layer whole, and left it alone."""
    return {"kept": dg.MetadataValue.text(f"{layer} of {survey.id} was whole already: nothing was made again.")}


def captured(stores: Stores, survey: Survey, done: Sequence[CapturedBlocks]) -> Shown:
    """Show the screenshots that a survey has, and of `done`, the shares of one run, what was taken and how fast."""
    with stores.database.begin() as connection:
        stored = screenshots.stored(connection, survey.id)
        shots = layers.shots(connection, survey.id)
    return {
        **({"preview": _preview(stores, survey, preview_of_screenshots)} if stored else {}),
        "screenshots": dg.MetadataValue.int(len(stored)),
        "areas_outside_the_world": dg.MetadataValue.int(shots.outside),
        "holes": dg.MetadataValue.int(shots.holes),
        "taken_unsettled": dg.MetadataValue.int(sum(d.unsettled for d in done)),
        "megabytes": megabytes(sum(shot.bytes for shot in stored.values())),
        "taken_by_this_run": dg.MetadataValue.int(sum(d.shots - d.kept for d in done)),
        "game_restarts": dg.MetadataValue.int(sum(d.restarts for d in done)),
        **_time(fsum(d.seconds for d in done), sum(d.shots for d in done)),
    }


def registered(stores: Stores, survey: Survey, done: Sequence[RegisteredBlocks]) -> Shown:
    """Show the offsets that a survey has, a table of the weakest, and what `done`, the shares of one run, compared."""
    with stores.database.begin() as connection:
        verified = placements.count_offsets(connection, survey.id)
        weakest = placements.weakest_offsets(connection, survey.id, _ROWS)
    return {
        "verified_offsets": dg.MetadataValue.int(verified),
        "pairs_compared_by_this_run": dg.MetadataValue.int(sum(d.pairs for d in done)),
        "weakest_offsets": table(
            {
                "reference": str(pair.reference),
                "moving": str(pair.moving),
                "dx_px": round(pair.dx_px, 2),
                "dy_px": round(pair.dy_px, 2),
                "votes": pair.votes,
                "agreement": round(pair.agreement, 4),
            }
            for pair in weakest
        ),
        **_time(fsum(d.seconds for d in done), sum(d.shots for d in done)),
    }


def placed(result: Placed, seconds: float) -> Shown:
    """Show the confidence of placements, a table of the least confident screenshots, and their mosaic."""
    mosaic = result.mosaic
    return {
        **{status.value: dg.MetadataValue.int(result.count(status)) for status in PlacementStatus},
        "fidelity": dg.MetadataValue.text(str(mosaic.fidelity)),
        "dropped_offsets": dg.MetadataValue.int(len(result.dropped)),
        **_searched(result),
        "frame": dg.MetadataValue.int(mosaic.frame.number),
        "new_frame": dg.MetadataValue.bool(result.new_frame),
        "mosaic_px": dg.MetadataValue.text(f"{mosaic.bounds.width_px} x {mosaic.bounds.height_px}"),
        "revision": dg.MetadataValue.text(mosaic.revision),
        "least_sure": table(_row(place) for place in least_sure(result.placements, _ROWS)),
        **_time(seconds, len(result.placements)),
    }


def _searched(result: Placed) -> Shown:
    """Show the result of the search for screenshots that neighbours did not tie to the map; nothing where none was."""
    searched = result.searched
    if not searched.sought:
        return {}
    found = [(place, place.found_off) for place in result.placements if place.found_off is not None]
    return {
        "searched_for": dg.MetadataValue.int(len(searched.sought)),
        "found_by_search": dg.MetadataValue.int(len(found)),
        "not_searched_for": dg.MetadataValue.int(searched.left_out),
        **(
            {
                "found_elsewhere": table(
                    {"area": str(place.cell), "off_x_px": off.dx_px, "off_y_px": off.dy_px}
                    for place, off in found[:_ROWS]
                )
            }
            if found
            else {}
        ),
    }


def cut(stores: Stores, survey: Survey, done: Sequence[CutBlocks]) -> Shown:
    """Show the tiles that a survey has, with a preview, and of `done`, the shares of one run, what was encoded."""
    with stores.database.begin() as connection:
        count = layers.progress(connection, survey.id).tiles_cut
    now = states.read(stores, survey.id)
    sources = sorted({source for d in done for source in d.sources})
    return {
        "preview": _preview(stores, now, preview_of_tiles),
        "tiles": dg.MetadataValue.int(count),
        "squares_cut_by_this_run": dg.MetadataValue.int(sum(d.squares for d in done)),
        "composed_native_tiles": dg.MetadataValue.int(sum(d.composed for d in done)),
        "encoded": dg.MetadataValue.int(sum(d.encoded for d in done)),
        "made_from": dg.MetadataValue.text(" and ".join(sources) or "nothing: all were there"),
        "megabytes": megabytes(sum(d.size_bytes for d in done)),
        "seconds": dg.MetadataValue.float(round(fsum(d.seconds for d in done), 2)),
    }


def overviews(survey: Survey, made: Overview, gateway_url: str, seconds: float) -> Shown:
    """Show the whole map small, where its page is, and why it was not published, if it was not."""
    return {
        "mosaic": dg.MetadataValue.md(picture(f"The map of {survey.id}", made.thumbnail, "webp")),
        "map": dg.MetadataValue.url(f"{gateway_url}/maps/{survey.id}"),
        "published": dg.MetadataValue.text("yes" if made.withheld is None else f"no: {made.withheld}"),
        "levels": dg.MetadataValue.int(made.levels),
        "tiles": dg.MetadataValue.int(made.tiles),
        "megabytes": megabytes(made.size_bytes),
        "seconds": dg.MetadataValue.float(round(seconds, 2)),
    }


def cleaned(result: Cleaned, seconds: float) -> Shown:
    """Show whether screenshots were deleted, or why they are kept, and the key of the survey's sealed record."""
    return {
        "kept": dg.MetadataValue.int(result.kept),
        **({"kept_because": dg.MetadataValue.text(result.why_kept)} if result.why_kept else {}),
        "deleted": dg.MetadataValue.int(result.deleted),
        "megabytes_freed": megabytes(result.bytes_freed),
        "sealed_record": dg.MetadataValue.text(result.lineage_key),
        "seconds": dg.MetadataValue.float(round(seconds, 2)),
    }


def _preview(
    stores: Stores, survey: Survey, make: Callable[[Stores, Survey], bytes]
) -> dg.MarkdownMetadataValue | dg.TextMetadataValue:
    """Return a preview, or which object it lacks: whether a map with a lost object is published is for its checks."""
    try:
        webp = make(stores, survey)
    except (ObjectMissing, ObjectDamaged) as error:
        return dg.MetadataValue.text(f"There is no preview. {error}")
    return dg.MetadataValue.md(picture(f"A preview of {survey.id}", webp, "webp"))


def check_result(found: Finding, name: str) -> dg.AssetCheckResult:
    """Return a finding as the result of the check of that name."""
    return dg.AssetCheckResult(
        check_name=name,
        passed=found.holds,
        severity=_SEVERITIES[found.severity],
        description=found.text,
        metadata=_finding(found),
    )


def _finding(found: Finding) -> Shown:
    offenders = found.offenders
    return {
        "finding": dg.MetadataValue.text(found.text),
        "offenders": listed(offenders[:100]),
        "offenders_in_all": dg.MetadataValue.int(len(offenders)),
    }


def _row(place: Placement) -> dict[str, str | int | float]:
    return {
        "area": str(place.cell),
        "x_px": place.x_px,
        "y_px": place.y_px,
        "confidence": round(place.confidence, 4),
        "sigma_px": round(place.sigma_px, 3),
        "status": place.status.value,
        "group": place.group,
    }


def _time(seconds: float, shots: int) -> Shown:
    return {
        "seconds": dg.MetadataValue.float(round(seconds, 2)),
        "milliseconds_per_screenshot": dg.MetadataValue.float(round(1000 * seconds / max(1, shots), 1)),
    }
