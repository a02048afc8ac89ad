"""What a person sees of a materialisation in Dagster's UI."""

from collections.abc import Sequence

import dagster as dg

from imageflow_assets.metadata import Shown, listed, megabytes, picture, table
from imageflow_clients.settings import Settings
from imageflow_domain.placement import Placement, PlacementStatus
from imageflow_domain.survey import Survey
from imageflow_surveys.blocks import CapturedBlocks
from imageflow_surveys.clean_up import Cleaned
from imageflow_surveys.cut_block import Cut
from imageflow_surveys.findings import Finding
from imageflow_surveys.overview import Overview
from imageflow_surveys.place import Placed
from imageflow_surveys.register_block import Registered
from imageflow_surveys.trust import least_sure

_ROWS = 20
"""Rows of a table that a person is shown."""


def captured(done: Sequence[CapturedBlocks], seconds: float) -> Shown:
    shots = sum(d.shots for d in done)
    return {
        "screenshots": dg.MetadataValue.int(shots),
        "kept_from_an_earlier_attempt": dg.MetadataValue.int(sum(d.kept for d in done)),
        "game_restarts": dg.MetadataValue.int(sum(d.restarts for d in done)),
        "megabytes": megabytes(sum(d.size_bytes for d in done)),
        **_time(seconds, shots),
    }


def registered(done: Sequence[Registered], seconds: float) -> Shown:
    shots = sum(d.shots for d in done)
    offsets = [offset for d in done for offset in d.offsets]
    weakest = sorted(offsets, key=lambda pair: (pair.agreement, pair.votes))[:_ROWS]
    return {
        "screenshots": dg.MetadataValue.int(shots),
        "neighbouring_pairs": dg.MetadataValue.int(sum(d.pairs for d in done)),
        "verified_offsets": dg.MetadataValue.int(len(offsets)),
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
        **_time(seconds, shots),
    }


def placed(result: Placed, seconds: float) -> Shown:
    mosaic = result.mosaic
    return {
        **{status.value: dg.MetadataValue.int(result.count(status)) for status in PlacementStatus},
        "fidelity": dg.MetadataValue.text(str(mosaic.fidelity)),
        "dropped_offsets": dg.MetadataValue.int(len(result.dropped)),
        "frame": dg.MetadataValue.int(mosaic.frame.number),
        "new_frame": dg.MetadataValue.bool(result.new_frame),
        "mosaic_px": dg.MetadataValue.text(f"{mosaic.bounds.width_px} x {mosaic.bounds.height_px}"),
        "revision": dg.MetadataValue.text(mosaic.revision),
        "least_sure": table(_row(place) for place in least_sure(result.placements, _ROWS)),
        **_time(seconds, len(result.placements)),
    }


def cut(done: Sequence[Cut], seconds: float) -> Shown:
    count = sum(d.tiles for d in done)
    return {
        "squares": dg.MetadataValue.int(sum(d.squares for d in done)),
        "tiles": dg.MetadataValue.int(count),
        "composed_native_tiles": dg.MetadataValue.int(sum(d.composed for d in done)),
        "encoded": dg.MetadataValue.int(sum(d.encoded for d in done)),
        "made_from": dg.MetadataValue.text(" and ".join(sorted({d.source for d in done}))),
        "megabytes": megabytes(sum(d.size_bytes for d in done)),
        "seconds": dg.MetadataValue.float(round(seconds, 2)),
    }


def overviews(survey: Survey, made: Overview, seconds: float) -> Shown:
    return {
        "mosaic": dg.MetadataValue.md(picture(f"The map of {survey.id}", made.thumbnail, "webp")),
        "map": dg.MetadataValue.url(f"{Settings().gateway_url}/maps/{survey.id}"),
        "levels": dg.MetadataValue.int(made.levels),
        "tiles": dg.MetadataValue.int(made.tiles),
        "megabytes": megabytes(made.size_bytes),
        "seconds": dg.MetadataValue.float(round(seconds, 2)),
    }


def cleaned(result: Cleaned, seconds: float) -> Shown:
    return {
        "kept": dg.MetadataValue.int(result.kept),
        "deleted": dg.MetadataValue.int(result.deleted),
        "megabytes_freed": megabytes(result.bytes_freed),
        "sealed_record": dg.MetadataValue.text(result.lineage_key),
        "seconds": dg.MetadataValue.float(round(seconds, 2)),
    }


def finding(found: Finding) -> Shown:
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
