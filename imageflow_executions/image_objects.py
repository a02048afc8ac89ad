"""Inputs and outputs of executions in the object store: written with their checksums, read only if these hold."""

import hashlib
import uuid
from collections.abc import Mapping

from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import NotFound, ObjectDamaged
from imageflow_domain.executions import ExecutionRecord, ImageObject, created_month
from imageflow_pipelines.value_file import UNKNOWN_TYPE, ValueFile, media_type_of

_ENDINGS = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/bmp": ".bmp",
    "application/json": ".json",
    UNKNOWN_TYPE: "",
}


def put_input(stores: Stores, execution: uuid.UUID, name: str, data: bytes, sha256: str) -> ImageObject:
    """Store what a client sent for one input, whose digest is known."""
    media_type = media_type_of(data)
    key = keys.execution_input(created_month(execution), execution, name, _ENDINGS.get(media_type, ""))
    stores.objects.put(key, data)
    return ImageObject(key=key, sha256=sha256, size=len(data), media_type=media_type)


def put_output(stores: Stores, record: ExecutionRecord, name: str, made: ValueFile) -> ImageObject:
    """Store what one attempt at an execution made for one output."""
    ending = _ENDINGS.get(made.media_type, "")
    key = keys.execution_output(created_month(record.id), record.id, record.attempt, name, ending)
    stores.objects.put(key, made.data)
    return ImageObject(
        key=key,
        sha256=hashlib.sha256(made.data).hexdigest(),
        size=len(made.data),
        media_type=made.media_type,
        kind=made.kind,
    )


def read_inputs(stores: Stores, record: ExecutionRecord) -> Mapping[str, bytes]:
    """Return the bytes of every input; raise `ObjectMissing`, `ObjectDamaged` or `StoreUnavailable`."""
    return {name: read_object(stores, each) for name, each in record.inputs.items()}


def read_object(stores: Stores, stored: ImageObject) -> bytes:
    """Return the bytes that were stored, and no others; raise as `read_inputs` does."""
    next_step = "send the image again"
    data = stores.objects.get(stored.key, next_step=next_step)
    if hashlib.sha256(data).hexdigest() != stored.sha256:
        raise ObjectDamaged(stored.key, next_step=next_step)
    return data


def find_object(objects: Mapping[str, ImageObject | None], name: str, what: str) -> ImageObject:
    """Return an input or output by its name; raise `NotFound` that lists those there are."""
    found = objects.get(name)
    if found is None:
        known = ", ".join(each for each, stored in objects.items() if stored is not None)
        raise NotFound(f"There is no {what} '{name}': there is {known or 'none yet'}.")
    return found
