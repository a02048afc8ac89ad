"""Uploads of frames; a closed folder becomes a survey by itself."""

import tempfile
from typing import Annotated, Final

from anyio import to_thread
from fastapi import APIRouter, Path, Request, Response

from imageflow_domain import keys
from imageflow_domain.errors import StoreUnavailable
from imageflow_domain.file_names import MOST_NAME_BYTES
from imageflow_domain.ids import Name
from imageflow_gateway.addresses import AfterId, GamePart, Limit, SavePart
from imageflow_gateway.gateway import GatewayDep
from imageflow_gateway.rest.maps.uploads_schema import RefusedMapUpload, RefusedMapUploads, Uploaded
from imageflow_surveys.uploads import keep_file, list_refused

PREFIX: Final = "/api/v1/uploads/"

router = APIRouter(prefix="/api/v1/uploads", tags=["uploads"])


@router.put(
    "/maps/{game}/{save}/{batch}/{file}",
    summary="Upload one file of a map's frames",
    status_code=201,
    responses={200: {"model": Uploaded, "description": "The file took the place of an older one."}},
    openapi_extra={"requestBody": {"content": {"application/octet-stream": {}}, "required": True}},
)
async def put_map_file(
    request: Request,
    response: Response,
    gateway: GatewayDep,
    game: GamePart,
    save: SavePart,
    batch: Annotated[Name, Path(examples=["monday"])],
    file: Annotated[str, Path(max_length=MOST_NAME_BYTES, examples=["r00_c00.png"])],
) -> Uploaded:
    """Take a picture, `positions.csv`, or the empty `_DONE` that closes the folder; the body is the file itself.

    The file is there whole or not at all. Once `positions.csv` or `_DONE` has come, a survey of the folder begins, so
    send that last.
    """
    key = keys.map_upload_file(game, save, batch, file)
    try:
        # A file without a name: nothing of it is left, however this process ends.
        with tempfile.TemporaryFile(dir=gateway.scratch) as spool:
            async for chunk in request.stream():
                spool.write(chunk)
            kept = await to_thread.run_sync(gateway.use(keep_file), key, spool, limiter=gateway.capacity.uploads)
    except OSError as error:
        raise StoreUnavailable(
            f"'{gateway.scratch}' cannot hold the upload ({error.strerror}): free some space, then try again."
        ) from error
    if kept.replaced:
        response.status_code = 200
    return Uploaded(key=kept.key, bytes=kept.bytes)


@router.get("/maps/refused", summary="Uploaded folders of frames that began no survey")
def list_refused_map_uploads(gateway: GatewayDep, after: AfterId = None, limit: Limit = 100) -> RefusedMapUploads:
    """Newest first, each with the reason. Correct the folder and close it again: its survey begins then."""
    page = gateway.use(list_refused)(after=after, limit=limit)
    return RefusedMapUploads(refused=[RefusedMapUpload.of(each) for each in page.items], next=page.next)
