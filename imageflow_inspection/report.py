"""What people are shown of an inspected batch: whether it holds, what did not pass and how it looks."""

from dataclasses import dataclass

from imageflow_clients.database.inspection import batches, inspections, reports
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput, ObjectDamaged, ObjectMissing
from imageflow_domain.inference import ModelRegistry
from imageflow_domain.inspection import AlertKind, Batch, Inspection, Picture, PictureResult, Verdict
from imageflow_inspection.alerts import Reason, reasons_of
from imageflow_inspection.checks import Check, check_batch
from imageflow_inspection.kept_pictures import read_kept
from imageflow_inspection.results import not_passed
from imageflow_pipelines.components.decode_v2 import DecodeV2
from imageflow_pipelines.components.encode import Encode
from imageflow_pipelines.components.resize import Resize
from imageflow_pipelines.values import Encoded, Image

_SHOWN = 6
_SIDE_PX = 320
_QUALITY = 75

CHECK_OF_ALERT = {AlertKind.PICTURES_FAILED: "pictures_pass", AlertKind.QUALITY_DRIFT: "quality_steady"}
"""These checks fail for what is nobody's fault but the products'."""

CHECKS = {
    "pictures_judged": "Every picture of the batch has a result.",
    "items_present": "Every required item was judged on every picture.",
    "checksums": "Every picture is, to the byte, what was taken in.",
    "judge_known": "The master is published, and pipelines and models are those that judged.",
    "pictures_pass": "Every picture passed. Else an alert is raised.",
    "quality_steady": "The share of pictures that did not pass is as in the batches that count at the check (p-chart).",
}
"""What each check of a report asks."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A small picture of what did not pass, with its defects drawn."""

    name: str
    verdict: Verdict
    jpeg: bytes
    lost: str | None
    """Why it is shown without its defects, though they were drawn."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The report of an inspected batch: checks, and reasons for an alert by the batches that count when it runs."""

    batch: Batch
    inspection: Inspection
    checks: tuple[Check, ...]
    """Those of `CHECKS`."""
    reasons: tuple[Reason, ...]
    """Why somebody is alerted, if there is a reason."""
    wrong: tuple[PictureResult, ...]
    """Up to 20 pictures that failed, then up to 20 that could not be judged."""
    previews: tuple[Preview, ...]
    """Of up to six of them."""


def report_batch(stores: Stores, batch_id: int, *, models: ModelRegistry | None = None) -> Report:
    """Check an inspected batch, and return what to show of it.

    Args:
        stores: Where everything is.
        batch_id: Of an inspected batch.
        models: The registered ones.

    Raises as `check_batch` does.
    """
    checks = check_batch(stores, batch_id, models=models)
    with stores.database.begin() as connection:
        batch = batches.get(connection, batch_id)
        inspection = inspections.get(connection, batch.inspection_id or 0)
        reasons = reasons_of(connection, batch, inspection)
    wrong = not_passed(stores, inspection.id)
    reported = [
        Check(name=name, faults=tuple(reason.message for reason in reasons if reason.kind is kind))
        for kind, name in CHECK_OF_ALERT.items()
    ]
    shown = (preview for result in wrong[:_SHOWN] if (preview := _preview(stores, batch, result)) is not None)
    return Report(
        batch=batch,
        inspection=inspection,
        checks=(*checks, *reported),
        reasons=reasons,
        wrong=wrong,
        previews=tuple(shown),
    )


def note_reported(stores: Stores, report: Report) -> None:
    """Note that Dagster keeps a report: until then it is made again, whoever dies."""
    with stores.database.begin() as connection:
        reports.set_reported(connection, report.inspection.id)


def _preview(stores: Stores, batch: Batch, result: PictureResult) -> Preview | None:
    """Return a small picture; none of what is no picture, or is not kept whole."""
    drawn, lost = _drawn(stores, result)
    image = drawn or _as_taken(stores, batch, result.picture)
    if image is None:
        return None
    if max(image.width_px, image.height_px) > _SIDE_PX:
        image = Resize(width_px=_SIDE_PX, height_px=_SIDE_PX, mode="fit")(image)
    small = Encode(format="jpeg", quality=_QUALITY)(image)
    return Preview(name=result.picture.name, verdict=result.verdict, jpeg=small.data, lost=lost)


def _drawn(stores: Stores, result: PictureResult) -> tuple[Image | None, str | None]:
    """Return the picture with its defects drawn, or why it is lost; neither where nothing was drawn."""
    key = result.drawn_key
    if key is None:
        return None, None
    what = f"'{result.picture.name}' with its defects drawn"
    where = f"/api/v1/inspections/{result.inspection_id}/results/{result.picture.place}"
    step = f"the picture is shown as it was taken in, and GET {where} lists its defects"
    try:
        return DecodeV2()(Encoded(stores.objects.get(key, next_step=step, what=what))), None
    except ObjectMissing as error:
        return None, str(error)
    except InvalidInput:
        return None, str(ObjectDamaged(key, next_step=step, what=what))


def _as_taken(stores: Stores, batch: Batch, picture: Picture) -> Image | None:
    try:
        return DecodeV2()(Encoded(read_kept(stores, batch, picture)))
    except (ObjectMissing, ObjectDamaged):
        return None  # the check `checksums` tells
    except InvalidInput:
        return None  # it is undecided for that
