"""What a person sees of batches, statistics and checks in Dagster's UI."""

from collections.abc import Mapping, Sequence

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_IS_USER_PROVIDED_TAG, DATA_VERSION_TAG

from imageflow_assets.metadata import Shown, listed, megabytes, picture, plain, seconds, table
from imageflow_domain.inspection import (
    Batch,
    Disagreement,
    Figures,
    Inspection,
    JudgedBy,
    Picture,
    PictureResult,
    Verdict,
    VerificationEvent,
)
from imageflow_inspection.checks import Check
from imageflow_inspection.identity import Judge
from imageflow_inspection.reinspect import StaleBatch
from imageflow_inspection.report import CHECK_OF_ALERT, Preview, Report

DATA_VERSION_CHARS = 32
"""Of a digest: Dagster's tags hold 63."""

_ROWS = 50


def data_version(digest: str) -> dg.DataVersion:
    """Return the version by which Dagster detects a change: the first digits of a digest."""
    return dg.DataVersion(digest[:DATA_VERSION_CHARS])


def results_version(batch: Batch, inspection: Inspection) -> dg.DataVersion:
    """Return the version of a batch's results: equal pictures judged by equal rules have equal ones."""
    half = DATA_VERSION_CHARS // 2
    return dg.DataVersion(f"{str(batch.source_digest)[:half]}-{inspection.identity[:half]}")


def version_tags(digest: str) -> Mapping[str, str]:
    """Return the tags of an event that no run makes, which give it its data version."""
    return {DATA_VERSION_TAG: data_version(digest).value, DATA_VERSION_IS_USER_PROVIDED_TAG: "true"}


def uploaded(batch: Batch) -> Shown:
    """Show a folder of pictures as it was when it was closed."""
    return {
        **_batch(batch),
        "folder": dg.MetadataValue.text(batch.folder),
        "pictures": dg.MetadataValue.int(batch.pictures),
        "megabytes": megabytes(batch.bytes),
        "closed_at": dg.MetadataValue.timestamp(batch.closed_at),
    }


def taken(batch: Batch, pictures: Sequence[Picture], spent: float) -> Shown:
    """Show what was taken in of a batch in `spent` seconds, and how many pictures are copies of others, to the byte."""
    return {
        **_batch(batch),
        "pictures": dg.MetadataValue.int(len(pictures)),
        "megabytes": megabytes(sum(each.bytes for each in pictures)),
        "equal_pictures": dg.MetadataValue.int(len(pictures) - len({each.digest for each in pictures})),
        "seconds": seconds(spent),
    }


def rules(judge: Judge) -> Shown:
    """Show what a batch is judged by: one row for each item of the master, with its pipeline and models."""
    return {
        "master_version": dg.MetadataValue.int(judge.master.version),
        "items": table(_item(by) for by in judge.judged_by),
        "identity": dg.MetadataValue.text(judge.identity),
    }


def inspected(batch: Batch, inspection: Inspection, wrong: Sequence[PictureResult], spent: float) -> Shown:
    """Show an inspection's counts and what did not pass.

    Args:
        wrong: Pictures that failed or could not be judged, one row each.
        spent: Seconds of the step; the time of a picture is that of judging alone.
    """
    return {
        **_batch(batch),
        **_counts(inspection),
        "not_passed": table(_judgement(result) for result in wrong),
        "seconds": seconds(spent),
        "milliseconds_per_picture": dg.MetadataValue.float(
            round(1000 * inspection.seconds / max(1, inspection.pictures), 1)
        ),
    }


def reported(report: Report) -> Shown:
    """Show what a person has to look at: pictures that did not pass, with their defects, and reasons for alerts."""
    shown = [f"{picture(each.name, each.jpeg, 'jpeg')}\n{plain(_line(each))}" for each in report.previews]
    return {
        **_batch(report.batch),
        **_counts(report.inspection),
        "pictures_with_defects": dg.MetadataValue.md("\n\n".join(shown) or "All passed."),
        "not_passed": table(_judgement(result) for result in report.wrong),
        "alerts": listed(reason.message for reason in report.reasons),
    }


def _line(preview: Preview) -> str:
    line = f"{preview.name}: {preview.verdict}"
    return line if preview.lost is None else f"{line}. {preview.lost}"


def verified(event: VerificationEvent) -> Shown:
    """Show the verdicts of an event, and the progress of people with its batch."""
    return {
        "verdicts": dg.MetadataValue.int(event.verifications),
        "verified_pictures": dg.MetadataValue.int(event.verified_pictures),
        "pictures": dg.MetadataValue.int(event.pictures),
        "disagreements": dg.MetadataValue.int(event.disagreements),
        "version": dg.MetadataValue.int(event.version),
    }


def statistics(figures: Mapping[str, Sequence[Figures]]) -> Shown:
    """Show counts as tables, one for each way to group them."""
    return {
        name: table(
            {
                "day": each.begins.isoformat(),
                "product": each.product,
                "item": each.item,
                "inspector": each.inspector,
                "judged": each.judged,
                "passed": each.passed,
                "failed": each.failed,
                "undecided": each.undecided,
                "corrected": each.corrected,
                "seconds": round(each.seconds, 2),
            }
            for each in found
        )
        for name, found in figures.items()
    }


def disagreeing(found: Sequence[Disagreement]) -> Shown:
    """Show how many verdicts of people are not the pipelines', and the first of those that are given."""
    return {
        "disagreements": dg.MetadataValue.int(len(found)),
        "latest": table(
            {
                "batch": each.batch,
                "picture": each.picture,
                "item": each.verification.item,
                "pipelines_said": each.pipelines_said.value,
                "person_said": each.verification.verdict.value,
                "inspector": each.verification.inspector,
                "notes": each.verification.notes,
            }
            for each in found[:_ROWS]
        ),
    }


def stale(found: Sequence[StaleBatch]) -> Shown:
    """Show what inspecting stale batches again costs in all, and for the first of them why they are stale."""
    return {
        "stale_batches": dg.MetadataValue.int(len(found)),
        "pictures": dg.MetadataValue.int(sum(each.pictures for each in found)),
        "seconds_of_computing": seconds(sum(each.seconds for each in found)),
        "batches": table(
            {
                "batch": each.batch.key,
                "changes": "; ".join(each.changes),
                "pictures": each.pictures,
                "seconds": round(each.seconds, 2),
            }
            for each in found[:_ROWS]
        ),
    }


def check_result(check: Check) -> dg.AssetCheckResult:
    """Products that fail are a warning; everything else means that the batch's report cannot be trusted."""
    fault_of_products = check.name in CHECK_OF_ALERT.values()
    return dg.AssetCheckResult(
        check_name=check.name,
        passed=check.holds,
        severity=dg.AssetCheckSeverity.WARN if fault_of_products else dg.AssetCheckSeverity.ERROR,
        description="; ".join(check.faults) or None,
        metadata={"faults": listed(check.faults)},
    )


def _batch(batch: Batch) -> Shown:
    return {"batch": dg.MetadataValue.text(batch.key), "version": dg.MetadataValue.int(batch.version)}


def _counts(inspection: Inspection) -> Shown:
    return {
        "inspection": dg.MetadataValue.int(inspection.id),
        "master_version": dg.MetadataValue.int(inspection.master_version),
        "pictures": dg.MetadataValue.int(inspection.pictures),
        "passed": dg.MetadataValue.int(inspection.passed),
        "failed": dg.MetadataValue.int(inspection.failed),
        "undecided": dg.MetadataValue.int(inspection.undecided),
    }


def _item(by: JudgedBy) -> dict[str, str | int | float]:
    return {
        "item": by.code,
        "type": by.type,
        "required": "yes" if by.required else "no",
        "pipeline": by.pipeline,
        "models": ", ".join(by.models),
        "containers": ", ".join(f"{reference}: {image}" for reference, image in by.images.items()),
    }


def _judgement(result: PictureResult) -> dict[str, str | int | float]:
    wrong = [item for item in result.items if item.verdict is not Verdict.PASS]
    return {
        "picture": result.picture.name,
        "verdict": result.verdict.value,
        "confidence": round(result.confidence, 3),
        "items": "; ".join(f"{item.item}: {item.details.get('reason', item.verdict.value)}" for item in wrong),
    }
