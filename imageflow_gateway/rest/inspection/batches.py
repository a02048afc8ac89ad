"""Batches: uploaded, followed, tried again, inspected again."""

from datetime import UTC, datetime
from typing import Annotated, Final

from anyio import CancelScope, to_thread
from fastapi import APIRouter, Query, Request, Response

from imageflow_domain.errors import InvalidInput
from imageflow_domain.ids import Name
from imageflow_domain.inspection import BatchState
from imageflow_gateway.addresses import AfterId, Limit, ProductQuery, RowId
from imageflow_gateway.gateway import GatewayDep, LinksDep
from imageflow_gateway.parts import Part, parts
from imageflow_gateway.rest.inspection.batches_schema import (
    AgainIn,
    Asked,
    BatchDetail,
    BatchList,
    BatchSummary,
    BatchUploaded,
    RefusedFacts,
    RefusedList,
    StaleList,
)
from imageflow_inspection import batches as use_cases
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
    page = gateway.use(use_cases.list_batches)(product=product, name=name, state=state, after=after, limit=limit)
    return BatchList(batches=[BatchSummary.of(each) for each in page.items], next=page.next)


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
    begin = gateway.use(BatchUpload)
    upload = await to_thread.run_sync(begin, product, name or new_batch_name(datetime.now(UTC)))
    try:
        async for part in parts(request, most_bytes=gateway.settings.upload_limit_bytes, scratch=gateway.scratch):
            await to_thread.run_sync(_keep, upload, part, limiter=gateway.capacity.batch_images)
        batch = await to_thread.run_sync(upload.close, datetime.now(UTC))
    finally:
        with CancelScope(shield=True):  # a gateway that stops must not leave half a batch
            await to_thread.run_sync(upload.take_back)
    response.headers["location"] = f"{PREFIX}/{batch.id}"
    counted = await to_thread.run_sync(gateway.use(use_cases.counted_batch), batch)
    return BatchUploaded.of_all(BatchSummary.of(counted), upload.skipped)


@router.get("/stale", summary="Batches that would be judged otherwise now")
def list_stale_batches(
    gateway: GatewayDep,
    product: _ProductOf,
    after: Annotated[Name | None, Query(description="`next` of the page before.")] = None,
    limit: Limit = 100,
) -> StaleList:
    """What changed of criteria, pipelines, models or code since, and how long inspecting them again will take."""
    page = gateway.use(use_cases.list_stale)(product, models=gateway.models, after=after or "", limit=limit)
    return StaleList.of(page)


@router.post("/stale", status_code=202, summary="Inspect stale batches again")
def inspect_stale_batches(which: AgainIn, gateway: GatewayDep) -> Asked:
    """They wait from now on as new ones do, and are inspected by themselves; until then the former results count."""
    asked = gateway.use(use_cases.ask_again)(which.product, models=gateway.models, names=which.batches)
    return Asked(batches=[BatchSummary.of(each) for each in asked])


@router.get("/refused", summary="Uploads that are no batches")
def list_refused_uploads(
    gateway: GatewayDep,
    after: Annotated[str, Query(max_length=200, description="`next` of the page before.")] = "",
    limit: Limit = 100,
) -> RefusedList:
    """Manifests, folders and files that were uploaded and are not inspected, with the reason, by key."""
    page = gateway.use(use_cases.list_refused)(after=after, limit=limit)
    return RefusedList(
        refused=[RefusedFacts(key=each.key, reason=each.reason, noticed_at=each.noticed_at) for each in page.items],
        next=page.next,
    )


@router.get("/{batch}", summary="One batch")
def read_batch(batch: RowId, gateway: GatewayDep, links: LinksDep) -> BatchDetail:
    """Its state, the progress of its inspection, and every inspection of it."""
    found = gateway.use(use_cases.batch_in_full)(batch)
    return BatchDetail.in_full(found, dagster_url=links.batch(found.batch.key))


@router.post("/{batch}/retry", status_code=202, summary="Try a batch again that failed")
def retry_batch(batch: RowId, gateway: GatewayDep) -> BatchSummary:
    """The batch waits again like a new one. For a batch that did not fail the answer is 409."""
    return BatchSummary.of(gateway.use(use_cases.retry_batch)(batch))


def _keep(upload: BatchUpload, part: Part) -> None:
    if part.name != "pictures" or part.file_name is None:
        raise InvalidInput(f"'{part.name[:80]}' is no picture: send files as 'pictures', each with its name.")
    upload.take(part.file_name, part.file)
