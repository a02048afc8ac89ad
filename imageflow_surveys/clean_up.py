"""Seal what a survey knows of its screenshots, then delete those that no tile needs any more."""

import gzip
import json
from dataclasses import dataclass

from imageflow_clients.database import dependencies, placements, screenshots
from imageflow_clients.database import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.survey import Keep, Survey


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """What came of a survey's cleanup."""

    kept: int
    deleted: int
    bytes_freed: int
    lineage_key: str


def clean_up(stores: Stores, survey: Survey) -> Cleaned:
    """Write the sealed record, then delete or keep the screenshots as the survey asks.

    A deletion is noted before the first object goes, so that a process that dies half-way is finished by the next.

    Raises:
        NotReady: Before the survey's overviews exist.
    """
    revision = survey.published().revision
    key = keys.lineage(survey.id)
    with stores.database.begin() as connection:
        stored = screenshots.stored(connection, survey.id)
        doomed = screenshots.being_deleted(connection, survey.id)
        if stored and not doomed:
            stores.objects.put(key, _record(stores, survey))
        if survey.keep is Keep.DELETE:
            # placed again to the same revision, a survey's tiles all exist without being cut again
            dependencies.count_usage(connection, survey.id, revision, survey.grid.cols)
            unneeded = [cell for cell in dependencies.no_longer_needed(connection, survey.id) if cell in stored]
            screenshots.mark_deleting(connection, survey.id, unneeded)
            doomed = screenshots.being_deleted(connection, survey.id)
    for object_key in doomed.values():
        stores.objects.delete(object_key)
    with stores.database.begin() as connection:
        screenshots.forget(connection, survey.id, doomed)
        rows.mark_cleaned(connection, survey.id)
    return Cleaned(
        kept=len(stored.keys() - doomed.keys()),
        deleted=len(doomed),
        bytes_freed=sum(stored[cell].bytes for cell in doomed if cell in stored),
        lineage_key=key,
    )


def _record(stores: Stores, survey: Survey) -> bytes:
    """Return placement, confidence, offsets and digests of every screenshot as gzipped JSON."""
    with stores.database.begin() as connection:
        stored = screenshots.stored(connection, survey.id)
        places = placements.placements(connection, survey.id)
        pairs = placements.offsets(connection, survey.id)
    record = {
        "survey": survey.id,
        "spec": survey.spec.model_dump(mode="json"),
        "revision": survey.published().revision,
        "screenshots": [
            {
                "row": p.cell.row,
                "col": p.cell.col,
                "x_px": p.x_px,
                "y_px": p.y_px,
                "confidence": p.confidence,
                "status": p.status,
                "group": p.group,
                "digest": stored[p.cell].digest if p.cell in stored else None,
            }
            for p in places
        ],
        "offsets": [
            {
                "reference": str(pair.reference),
                "moving": str(pair.moving),
                "dx_px": pair.offset.dx_px,
                "dy_px": pair.offset.dy_px,
                "votes": pair.votes,
                "agreement": pair.agreement,
            }
            for pair in pairs
        ],
    }
    # no time of writing in the header: the same record has the same bytes
    return gzip.compress(json.dumps(record, separators=(",", ":")).encode(), mtime=0)
