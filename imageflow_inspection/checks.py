"""What must hold of an inspected batch; each check can fail, and says what to do."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from imageflow_catalog.pipelines import find_pipeline
from imageflow_clients.database import Connection
from imageflow_clients.database.inspection import batches, inspections, masters
from imageflow_clients.stores import Stores
from imageflow_domain.errors import ImageFlowError, NotReady, ObjectDamaged, ObjectMissing
from imageflow_domain.inference import ModelId, ModelRegistry
from imageflow_domain.inspection import Batch, Inspection, Picture
from imageflow_domain.masters import MasterState
from imageflow_inspection.kept_pictures import read_kept
from imageflow_pipelines.engine import NoModels

_AT_ONCE = 8
_LISTED = 5
_NOT_WHOLE = (
    "is not kept as it was taken in: upload this picture again under the same name, then inspect the batch again"
)


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was asked of an inspected batch, and what was found wrong."""

    name: str
    faults: tuple[str, ...]
    """What is wrong; nothing for a check that holds."""

    @property
    def holds(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.faults


def check_batch(stores: Stores, batch_id: int, *, models: ModelRegistry | None = None) -> tuple[Check, ...]:
    """Check a batch and the inspection that counts: `pictures_judged`, `items_present`, `checksums`, `judge_known`.

    Reads every picture, and mends those that it can, see `read_kept`.

    Raises `NotReady` for a batch that was not inspected, `StoreUnavailable`.
    """
    with stores.database.begin() as connection:
        batch = batches.get(connection, batch_id)
        if batch.inspection_id is None:
            raise NotReady(f"Batch '{batch.key}' is not inspected yet: materialise inspection_results.")
        inspection = inspections.get(connection, batch.inspection_id)
        pictures = batches.pictures(connection, batch_id)
        judged = inspections.judged_places(connection, inspection.id)
        items = inspections.judged_items(connection, inspection.id)
        known = tuple(_unknown(connection, batch.product, inspection, models or NoModels()))
    places = {picture.place for picture in pictures}
    unjudged = [picture.name for picture in pictures if picture.place not in judged]
    incomplete = [
        f"item '{by.code}' was judged on {items.get(by.code, 0)} of {len(places)} pictures: inspect the batch again"
        for by in inspection.judged_by
        if by.required and items.get(by.code, 0) != len(places)
    ]
    return (
        Check(name="pictures_judged", faults=_some(unjudged, "has no result: inspect the batch again")),
        Check(name="items_present", faults=tuple(incomplete)),
        Check(name="checksums", faults=_some(_damaged(stores, batch, pictures), _NOT_WHOLE)),
        Check(name="judge_known", faults=known),
    )


def _some(names: Sequence[str], what: str) -> tuple[str, ...]:
    listed = tuple(f"'{name}' {what}" for name in names[:_LISTED])
    return listed if len(names) <= _LISTED else (*listed, f"and {len(names) - _LISTED:,} more")


def _damaged(stores: Stores, batch: Batch, pictures: Sequence[Picture]) -> list[str]:
    def is_whole(picture: Picture) -> bool:
        try:
            read_kept(stores, batch, picture)
        except (ObjectMissing, ObjectDamaged):
            return False
        return True

    with ThreadPoolExecutor(_AT_ONCE, "checksums") as threads:
        whole = threads.map(is_whole, pictures)
        return [picture.name for picture, holds in zip(pictures, whole, strict=True) if not holds]


def _unknown(connection: Connection, product: str, inspection: Inspection, models: ModelRegistry) -> list[str]:
    """Say which master, pipelines and models of an inspection are not what they were."""
    faults = []
    try:
        if masters.get(connection, product, inspection.master_version).state is not MasterState.PUBLISHED:
            faults.append(f"master version {inspection.master_version} is not published")
    except ImageFlowError as error:
        faults.append(str(error))
    for by in inspection.judged_by:
        try:
            if find_pipeline(connection, by.pipeline).digest != by.pipeline_digest:
                faults.append(f"pipeline {by.pipeline} is another one than it was")
            for name, digest in by.models.items():
                if models.describe(ModelId.parse(name)).digest != digest:
                    faults.append(f"model {name} is another one than it was")
        except ImageFlowError as error:
            faults.append(str(error))
    return faults
