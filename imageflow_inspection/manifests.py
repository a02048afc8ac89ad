"""Manifests: small objects in the inbox that say which batch is whole, spelled so that they sort by time."""

import re
import uuid
from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import InvalidInput
from imageflow_domain.faults import describe_faults
from imageflow_domain.ids import Name

MOST_BYTES = 65_536
_KEY = re.compile(rf"{keys.INBOX}/([0-9]{{13}})-[0-9a-fA-F-]{{32,36}}\.json")


class Manifest(BaseModel):
    """Its content; other fields are not read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    product: Name
    batch: Name


def close_batch(stores: Stores, product: str, batch: str, *, now: datetime) -> str:
    """Say that all pictures of a batch are uploaded; return the manifest's key. Saying it twice inspects once."""
    manifest = Manifest(product=product, batch=batch)
    key = keys.manifest(int(now.timestamp() * 1000), str(uuid.uuid4()))
    stores.objects.put(key, manifest.model_dump_json().encode())
    return key


def time_of(key: str) -> int | None:
    """Return the milliseconds since 1970 that a manifest's key says; `None` for what is no manifest."""
    match = _KEY.fullmatch(key)
    return None if match is None else int(match[1])


def read_manifest(data: bytes) -> Manifest:
    """Return what a manifest says; raise `InvalidInput`."""
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        raise InvalidInput(
            f'It is no manifest ({describe_faults(error)}): it looks like {{"product": "lid", "batch": "b1"}}.'
        ) from error
