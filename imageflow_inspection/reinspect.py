"""Which batches would be judged by other criteria, pipelines, models or code now than they were, and at what cost."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from imageflow_clients.database.inspection import batches, inspections
from imageflow_clients.stores import Stores
from imageflow_domain.inference import ModelRegistry
from imageflow_domain.inspection import Batch, Inspection, JudgedBy
from imageflow_inspection.identity import Judge, judge_now
from imageflow_inspection.intake import ATTEMPTS
from imageflow_inspection.judging import CODE_VERSION

_PAGE = 1000


@dataclass(frozen=True, kw_only=True)
class StaleBatch:
    """A batch whose inspection that counts is not the one that would be made now."""

    batch: Batch
    inspection: Inspection
    changes: tuple[str, ...]
    """What changed, as text, e.g. "item 'spots': criteria"."""
    pictures: int
    seconds: float
    """Of computing, by what its pictures took last time; 0 where the judgement was made before."""


def stale_batches(
    stores: Stores, product: str, *, models: ModelRegistry | None = None, after: str = "", limit: int = 1000
) -> tuple[StaleBatch, ...]:
    """Return up to `limit` inspected batches of a product, by name beyond `after`, that must be inspected again.

    Only the newest version of a batch is looked at. Inspecting it again is `inspect_batch`.

    Raises:
        NotReady: Where the product has no published master.
        NotFound: For an unknown product, pipeline or model.
    """
    with stores.database.begin() as connection:
        now = judge_now(connection, product, models)
    found: list[StaleBatch] = []
    while len(found) < limit:
        with stores.database.begin() as connection:
            page = batches.latest_inspected(connection, product, after=after, limit=_PAGE)
            counting = inspections.get_many(connection, [each.inspection_id for each in page if each.inspection_id])
            again = inspections.batches_judged_by(connection, [each.id for each in page], now.identity)
        found += _stale(page, counting, now, again)
        if len(page) < _PAGE:
            break
        after = page[-1].name
    return tuple(found[:limit])


def inspect_again(
    stores: Stores, product: str, *, models: ModelRegistry | None = None, names: Collection[str] | None = None
) -> tuple[Batch, ...]:
    """Let stale batches of a product wait for another inspection, like new ones.

    So do those that failed: the cause may be corrected by now. Of inspected ones that are named, pictures that
    could not be judged are judged anew, as a step may have died or run out of its time for a reason that has passed;
    those that people have verified stay as they are.

    Args:
        stores: Where they are.
        product: Its code.
        models: The registered ones.
        names: Only these batches; those among them that are neither stale nor failed, and whose pictures were all
            judged or verified, are left alone. All that are stale or failed, if not given.

    Returns the batches that wait by this call; one that waited already is not among them.
    Raises as `stale_batches` does.
    """
    asked: list[Batch] = []
    after = ""
    while stale := stale_batches(stores, product, models=models, after=after, limit=_PAGE):
        wanted = [each.batch.name for each in stale if names is None or each.batch.name in names]
        with stores.database.begin() as connection:
            asked += batches.ask_again(connection, product, wanted, most=ATTEMPTS)
        after = stale[-1].batch.name
    with stores.database.begin() as connection:
        failed = batches.failed_names(connection, product)
        wanted = [name for name in failed if names is None or name in names]
        asked += batches.ask_again(connection, product, wanted, most=ATTEMPTS)
    if names is not None:
        asked += _undecided_again(stores, product, names)
    return tuple(sorted(asked, key=lambda batch: batch.name))


def _undecided_again(stores: Stores, product: str, names: Collection[str]) -> tuple[Batch, ...]:
    with stores.database.begin() as connection:
        inspected = batches.hold_inspected(connection, product, names)
        ids = {each.inspection_id: each.name for each in inspected if each.inspection_id is not None}
        unfinished = inspections.forget_undecided(connection, ids.keys())
        return batches.ask_again(connection, product, [ids[each] for each in unfinished], most=ATTEMPTS)


def _stale(
    page: Sequence[Batch], counting: Mapping[int, Inspection], now: Judge, again: frozenset[int]
) -> Iterator[StaleBatch]:
    for batch in page:
        inspection = counting[batch.inspection_id or 0]
        if inspection.identity != now.identity:
            yield StaleBatch(
                batch=batch,
                inspection=inspection,
                changes=what_changed(inspection, now.judged_by),
                pictures=batch.pictures,
                seconds=0.0 if batch.id in again else inspection.seconds,
            )


def what_changed(inspection: Inspection, now: Sequence[JudgedBy]) -> tuple[str, ...]:
    """Say what would judge otherwise now, item by item."""
    old = {by.code: by for by in inspection.judged_by}
    new = {by.code: by for by in now}
    changes = [] if inspection.code_version == CODE_VERSION else ["the code that judges"]
    changes += [f"item '{code}' is new" for code in new if code not in old]
    changes += [f"item '{code}' was removed" for code in old if code not in new]
    for code in new.keys() & old.keys():
        differs = [name for name in _WORDS if getattr(old[code], name) != getattr(new[code], name)]
        changes += [f"item '{code}': {_WORDS[name]}" for name in differs]
    return tuple(sorted(changes))


_WORDS = {
    "type": "type",
    "required": "whether it is required",
    "criteria": "criteria",
    "pipeline": "pipeline",
    "models": "models",
    "images": "container images",
}
