"""Reading the pictures of a batch as they were taken in, and mending what was lost or damaged since."""

import hashlib

from imageflow_clients.stores import Stores
from imageflow_domain.errors import ImageFlowError, ObjectDamaged, ObjectMissing
from imageflow_domain.inspection import Batch, Picture


def read_kept(stores: Stores, batch: Batch, picture: Picture) -> bytes:
    """Return the bytes of a picture that were taken in, and no others.

    Batches share what is kept of equal pictures. What is lost or damaged of it is written again where the batch's
    upload still, or again, holds those bytes under the picture's name.

    Raises:
        ObjectMissing: When it is gone, there too.
        ObjectDamaged: When other bytes lie in its place.
        StoreUnavailable: When the store cannot be read; the picture may be whole.
    """
    next_step = (
        f"upload this picture again under the same name, as '{batch.folder}/{picture.name}' (through the API with the "
        f"whole batch), then inspect the batch '{batch.key}' again"
    )
    fault: ImageFlowError
    try:
        kept = stores.objects.get(picture.key, next_step=next_step)
    except ObjectMissing as error:
        fault = error
    else:
        if _is(picture, kept):
            return kept
        fault = ObjectDamaged(picture.key, next_step=next_step)
    uploaded = _uploaded(stores, f"{batch.folder}/{picture.name}", picture)
    if uploaded is None:
        raise fault
    stores.objects.put(picture.key, uploaded)
    return uploaded


def _is(picture: Picture, data: bytes) -> bool:
    return hashlib.sha256(data).hexdigest() == picture.digest


def _uploaded(stores: Stores, key: str, picture: Picture) -> bytes | None:
    """Return what lies in the upload, if it is the picture that was taken in."""
    there = stores.objects.head(key)
    if there is None or there.size != picture.bytes:
        return None
    try:
        data = stores.objects.get(key, next_step="upload it again")
    except ObjectMissing:
        return None  # taken back just now
    return data if _is(picture, data) else None
