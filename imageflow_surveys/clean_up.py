"""Seal what a survey knows of its screenshots, then delete those that no tile needs any more."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass

from imageflow_clients.database import Connection
from imageflow_clients.database.maps import dependencies, layers, placements, screenshots
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.database.maps.screenshots import StoredShot
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import NotReady
from imageflow_domain.grid import Cell
from imageflow_domain.survey import Keep, Layer, Survey
from imageflow_surveys.next_step import next_step
from imageflow_surveys.sealed_record import sealed_digests
from imageflow_surveys.trust import judge_anchored


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """The result of a survey's cleanup."""

    kept: int
    deleted: int
    why_kept: str | None
    """Why screenshots are kept although the survey's policy is to delete them, as a message for people."""
    bytes_freed: int
    lineage_key: str


def clean_up(stores: Stores, survey: Survey) -> Cleaned:
    """Write the sealed record, then delete or keep the screenshots as the survey asks.

    A survey whose map is withheld, or of which too few screenshots are anchored, keeps them in any case: they
    show what is wrong with it. A deletion is noted before the first object goes, so that a process that dies half-way
    is finished by the next.

    Raises:
        NotReady: Before the survey's overviews exist, and where some of its screenshots are taken again meanwhile.
        ObjectDamaged: Where the record that was sealed before cannot be read.
    """
    key = keys.lineage(survey.id)
    with stores.database.begin() as connection:
        _check_whole(connection, survey)
        survey = rows.get(connection, survey.id)
        stored = screenshots.stored(connection, survey.id)
        doomed = screenshots.being_deleted(connection, survey.id)
    if stored and not doomed:
        stores.objects.put(key, _record(stores, survey, stored, sealed_digests(stores, survey)))
    with stores.database.begin() as connection:
        now = _check_sealed(connection, survey, stored)
        why_kept = None if now.keep is Keep.KEEP else _why_kept(connection, now)
        if now.keep is Keep.DELETE and why_kept is None:
            # placed again to the same revision, a survey's tiles all exist without being cut again
            dependencies.count_usage(connection, survey.id, now.published().revision, survey.grid.cols)
            unneeded = [cell for cell in dependencies.no_longer_needed(connection, survey.id) if cell in stored]
            screenshots.mark_deleting(connection, survey.id, unneeded)
            doomed = screenshots.being_deleted(connection, survey.id)
        if not doomed:
            rows.mark_cleaned(connection, survey.id)
    if doomed:
        for object_key in doomed.values():
            stores.objects.delete(object_key)
        with stores.database.begin() as connection:
            screenshots.forget(connection, survey.id, doomed)
            rows.mark_cleaned(connection, survey.id)
    return Cleaned(
        kept=len(stored.keys() - doomed.keys()),
        deleted=len(doomed),
        why_kept=why_kept,
        bytes_freed=sum(stored[cell].bytes for cell in doomed if cell in stored),
        lineage_key=key,
    )


def _why_kept(connection: Connection, survey: Survey) -> str | None:
    """Return why a survey keeps its screenshots that asks to delete them; `None` where nothing speaks against it."""
    if survey.withheld is not None:
        return f"The map is not published: {survey.withheld}"
    places = placements.placements(connection, survey.id)
    anchored = judge_anchored(places, placements.refused(connection, survey.id), survey.reach_px)
    return None if anchored.holds else anchored.text


def _check_whole(connection: Connection, survey: Survey) -> None:
    missing = next_step(layers.progress(connection, survey.id))
    if missing is not None and missing.layer is not Layer.CLEANUP:
        raise NotReady(f"'{survey.id}' is not whole: materialise its {missing.layer} first.")


def _check_sealed(connection: Connection, survey: Survey, stored: Mapping[Cell, StoredShot]) -> Survey:
    """Return a survey that still is as it was sealed, or raise `NotReady`; until the transaction ends, it stays so.

    A process that takes a block again either comes before, and this waits for the next map, or finds this note.
    """
    now = rows.get(connection, survey.id, lock=True)
    _check_whole(connection, survey)
    same = screenshots.stored(connection, survey.id).items() <= stored.items()
    if not same or now.placed().revision != survey.placed().revision:
        raise NotReady(f"'{survey.id}' changed while its record was sealed: materialise its {Layer.CLEANUP} again.")
    return now


def _record(stores: Stores, survey: Survey, stored: Mapping[Cell, StoredShot], sealed: Mapping[Cell, str]) -> bytes:
    """Return placement, confidence, offsets and digests of every screenshot as gzipped JSON.

    Args:
        stores: Have the placement.
        survey: Which one.
        stored: Its screenshots.
        sealed: Digests of screenshots that are no longer stored.
    """
    with stores.database.begin() as connection:
        places = placements.placements(connection, survey.id)
        pairs = placements.offsets(connection, survey.id)
    record = {
        "survey": survey.id,
        "spec": survey.spec.model_dump(mode="json"),
        "revision": survey.placed().revision,
        "screenshots": [
            {
                "row": p.cell.row,
                "col": p.cell.col,
                "x_px": p.x_px,
                "y_px": p.y_px,
                "confidence": p.confidence,
                "sigma_px": p.sigma_px,
                "status": p.status,
                "group": p.group,
                "digest": stored[p.cell].digest if p.cell in stored else sealed.get(p.cell),
            }
            for p in places
        ],
        "offsets": [
            {
                "reference": str(pair.reference),
                "moving": str(pair.moving),
                "dx_px": pair.dx_px,
                "dy_px": pair.dy_px,
                "sigma_px": pair.sigma_px,
                "votes": pair.votes,
                "agreement": pair.agreement,
            }
            for pair in pairs
        ],
    }
    # no time of writing in the header: the same record has the same bytes
    return gzip.compress(json.dumps(record, separators=(",", ":")).encode(), mtime=0)
