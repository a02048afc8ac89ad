"""Batches: uploaded, followed, tried again, inspected again."""

from datetime import UTC, datetime
from typing import Annotated, Final

from anyio import CancelScope, to_thread
from fastapi import APIRouter, Query, Request, Response

from imageflow_clients.database.inspection import batches as rows
from imageflow_clients.database.inspection import inspections
from imageflow_domain.errors import InvalidInput
from imageflow_domain.ids import Name
from imageflow_domain.inspection import Batch, BatchState
from imageflow_domain.texts import check_text
from imageflow_gateway.addresses import AfterId, Gateway, GatewayDep, Limit, LinksDep, ProductQuery, RowId
from imageflow_gateway.parts import Part, parts
from imageflow_gateway.schemas.batches import (
    AgainIn,
    Asked,
    BatchDetail,
    BatchList,
    BatchSummary,
    BatchUploaded,
    RefusedFacts,
    RefusedList,
    StaleFacts,
    StaleList,
)
from imageflow_gateway.schemas.pages import cut
from imageflow_inspection.intake import try_again
from imageflow_inspection.reinspect import inspect_again, stale_batches
from imageflow_inspection.uploading import BatchUpload, new_batch_name

PREFIX: Final = "/api/v1/batches"

router = APIRouter(prefix=PREFIX, tags=["batches"])

_ProductOf = Annotated[Name, Query(examples=["lid"], description="What the pictures show.")]
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["pictures"],
                    "properties": {
                        "pictures": {"type": "array", "items": {"type": "string", "format": "binary"}},
                    },
                }
            }
        },
    }
}


@router.get("", summary="List batches")
def list_batches(
    gateway: GatewayDep,
    product: ProductQuery = None,
    name: Annotated[Name | None, Query(description="Only versions of this batch.")] = None,
    state: Annotated[BatchState | None, Query(description="Only those in this state.")] = None,
    after: AfterId = None,
    limit: Limit = 100,
) -> BatchList:
    """Newest first."""
    with gateway.stores.database.begin() as connection:
        found = rows.page(connection, product=product, name=name, state=state, before=after, limit=limit + 1)
        shown, following = cut(found, limit, lambda batch: str(batch.id))
        counting = inspections.get_many(connection, [each.inspection_id for each in shown if each.inspection_id])
    return BatchList(
        batches=[BatchSummary.of(batch, counting.get(batch.inspection_id or 0)) for batch in shown], next=following
    )


@router.post("", status_code=202, summary="Upload a batch", openapi_extra=_BODY)
async def create_batch(
    request: Request,
    response: Response,
    gateway: GatewayDep,
    product: _ProductOf,
    name: Annotated[Name | None, Query(description="Of the batch; the time, if not given.")] = None,
) -> BatchUploaded:
    """Take pictures as a form (multipart/form-data), each as a file `pictures` with its own name.

    Once all have arrived the batch is closed, and is inspected by itself. It is taken whole or not at all. The same
    pictures again under the same name are the same batch, with others beside them its next version; what would replace
    or leave out a picture that is there is refused (409). Files that are no pictures by their names (`.DS_Store`,
    notes, sidecars, unfinished downloads) are `skipped`; all others that cannot be taken are named at once (400).
    """
    upload = await to_thread.run_sync(BatchUpload, gateway.stores, product, name or new_batch_name(datetime.now(UTC)))
    try:
        async for part in parts(
            request, most_bytes=gateway.settings.upload_limit_bytes, scratch=gateway.stores.scratch
        ):
            await to_thread.run_sync(_keep, upload, part, limiter=gateway.capacity.batch_images)
        batch = await to_thread.run_sync(upload.close, datetime.now(UTC))
    finally:
        with CancelScope(shield=True):  # a gateway that is told to stop must not leave half a batch
            await to_thread.run_sync(upload.take_back)
    response.headers["location"] = f"{PREFIX}/{batch.id}"
    summary = await to_thread.run_sync(_summary, gateway, batch)
    return BatchUploaded.of_all(summary, upload.skipped)


@router.get("/stale", summary="Batches that would be judged otherwise now")
def list_stale_batches(
    gateway: GatewayDep,
    product: _ProductOf,
    after: Annotated[Name | None, Query(description="`next` of the page before.")] = None,
    limit: Limit = 100,
) -> StaleList:
    """What changed of criteria, pipelines, models or code since, and how long inspecting them again will take."""
    found = stale_batches(gateway.stores, product, models=gateway.models, after=after or "", limit=limit + 1)
    shown, following = cut(found, limit, lambda stale: stale.batch.name)
    return StaleList(
        batches=[StaleFacts.of(stale) for stale in shown],
        pictures=sum(stale.pictures for stale in shown),
        seconds=sum(stale.seconds for stale in shown),
        next=following,
    )


@router.post("/stale", status_code=202, summary="Inspect stale batches again")
def inspect_stale_batches(which: AgainIn, gateway: GatewayDep) -> Asked:
    """They wait from now on as new ones do, and are inspected by themselves; until then the former results count."""
    asked = inspect_again(gateway.stores, which.product, models=gateway.models, names=which.batches)
    with gateway.stores.database.begin() as connection:
        counting = inspections.get_many(connection, [each.inspection_id for each in asked if each.inspection_id])
    return Asked(batches=[BatchSummary.of(batch, counting.get(batch.inspection_id or 0)) for batch in asked])


@router.get("/refused", summary="Uploads that are no batches")
def list_refused_uploads(
    gateway: GatewayDep,
    after: Annotated[str, Query(max_length=200, description="`next` of the page before.")] = "",
    limit: Limit = 100,
) -> RefusedList:
    """Manifests, folders and files that were uploaded and are not inspected, with the reason, by key."""
    with gateway.stores.database.begin() as connection:
        found = rows.refusals(connection, after=check_text(after, "`after`", most=200), limit=limit + 1)
    shown, following = cut(found, limit, lambda refusal: refusal.key)
    return RefusedList(
        refused=[RefusedFacts(key=each.key, reason=each.reason, noticed_at=each.noticed_at) for each in shown],
        next=following,
    )


@router.get("/{batch}", summary="One batch")
def read_batch(batch: RowId, gateway: GatewayDep, links: LinksDep) -> BatchDetail:
    """Its state, how far its inspection is, and every inspection of it."""
    with gateway.stores.database.begin() as connection:
        found = rows.get(connection, batch)
        judgements = inspections.of_batch(connection, batch)
        latest = [each.id for each in judgements[-1:]]
        judged = sum(inspections.judged_counts(connection, latest).values())
    return BatchDetail.of_all(found, judgements, judged=judged, dagster_url=links.batch(found.key))


@router.post("/{batch}/retry", status_code=202, summary="Try a batch again that failed")
def retry_batch(batch: RowId, gateway: GatewayDep) -> BatchSummary:
    """It waits from now on as a new one does. A batch that did not fail is refused in words (409)."""
    return _summary(gateway, try_again(gateway.stores, batch))


def _keep(upload: BatchUpload, part: Part) -> None:
    if part.name != "pictures" or part.file_name is None:
        raise InvalidInput(f"'{part.name[:80]}' is no picture: send files as 'pictures', each with its name.")
    if upload.takes(part.file_name):
        upload.add(part.file_name, part.file.read())


def _summary(gateway: Gateway, batch: Batch) -> BatchSummary:
    if batch.inspection_id is None:
        return BatchSummary.of(batch, None)
    with gateway.stores.database.begin() as connection:
        return BatchSummary.of(batch, inspections.get(connection, batch.inspection_id))
