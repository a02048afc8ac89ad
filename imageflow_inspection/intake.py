"""Notice uploaded batches, each once: a function of a cursor, the store and the rows, which any tick may repeat.

Rows are committed before the cursor that stands behind them is returned, and batches that wait are told every time:
whoever asks for runs does so under `Batch.run_key`, and so asks once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from imageflow_clients.database import Connection
from imageflow_clients.database.inspection import batches as rows
from imageflow_clients.database.inspection import manifests, masters
from imageflow_clients.database.inspection.batches import Upload
from imageflow_clients.stored_object import StoredObject
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import Conflict, InvalidInput, NotFound, ObjectMissing
from imageflow_domain.ids import check_name
from imageflow_domain.inspection import Batch, BatchState, RefusedBatch
from imageflow_inspection.comparing import (
    MOST_COMPARED_BYTES,
    Compared,
    Postponed,
    UploadComparer,
    is_known_by_listing,
)
from imageflow_inspection.manifests import MOST_BYTES, close_batch, read_manifest, time_of
from imageflow_inspection.refusals import KEY_CHARS, Refusals
from imageflow_inspection.uploaded import check_names, list_folder, list_pictures, pictures_among, upload_of

OVERLAP = timedelta(minutes=10)
"""How late a manifest may appear behind others of the same time, and how far clocks may differ."""
ATTEMPTS = 3
PAUSE = timedelta(seconds=30)
"""After the first of them."""
_INBOX_PAGE = 1000


class IntakeCursor(BaseModel):
    """Where a tick goes on. It holds two marks, however much there is."""

    model_config = ConfigDict(frozen=True)

    inbox_ms: int = Field(default=0, ge=0)
    """Time of the newest manifest that was read."""
    sweep_after: str = ""
    """The key behind which the sweep goes on; empty to begin again."""

    @classmethod
    def read(cls, text: str | None) -> Self:
        """Return the cursor that `write` wrote; a new one for none, or for one that cannot be read."""
        try:
            return cls.model_validate_json(text or "{}")
        except ValidationError:  # rows know what was noticed: beginning again costs a few ticks, and doubles nothing
            return cls()

    def write(self) -> str:
        """Return text that `read` takes, as a sensor's cursor keeps it."""
        return self.model_dump_json()


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What one tick does at most."""

    manifests: int = 200
    """New ones that are read."""
    sweep_keys: int = 5_000
    """Of all uploads; an S3 server takes a tenth of a second or more for a thousand."""
    sweep_batches: int = 300
    """Folders that the sweep closes; it goes on behind them."""
    compared_bytes: int = MOST_COMPARED_BYTES
    """What is read to find out that pictures which were uploaded again are those that were taken."""
    waiting: int = 1_000
    quiet: timedelta = timedelta(minutes=5)
    """A folder that no manifest closed is closed when nothing was written to it for so long."""


@dataclass(frozen=True, kw_only=True)
class Tick:
    """What one tick found."""

    cursor: IntakeCursor
    closed: tuple[Batch, ...]
    """Batches, or versions of them, that are new."""
    waiting: tuple[Batch, ...]
    """All that are to be inspected, oldest first, those of earlier ticks included."""
    refused: tuple[RefusedBatch, ...]
    """What was uploaded and is no batch, each told once."""


def notice_batches(stores: Stores, cursor: IntakeCursor, *, now: datetime, bounds: Bounds | None = None) -> Tick:
    """Notice what was uploaded and closed since the cursor, and one more page of everything.

    Raises `StoreUnavailable` or `DatabaseUnavailable`; the same cursor is then good for the next try.
    """
    most = bounds or Bounds()
    comparer = UploadComparer(stores, most_bytes=most.compared_bytes)
    refused = Refusals(stores)
    inbox_ms, from_inbox = _read_inbox(stores, comparer, refused, cursor.inbox_ms, now, most)
    sweep_after, from_sweep = _sweep(stores, comparer, refused, cursor.sweep_after, now, most)
    with stores.database.begin() as connection:
        waiting = rows.waiting(connection, most.waiting)
    return Tick(
        cursor=IntakeCursor(inbox_ms=inbox_ms, sweep_after=sweep_after),
        closed=(*from_inbox, *from_sweep),
        waiting=waiting,
        refused=tuple(refused.new),
    )


def close_now(
    stores: Stores, product: str, name: str, *, now: datetime, check: Callable[[Sequence[StoredObject]], None]
) -> Batch:
    """Close an uploaded batch by a manifest, and note it at once instead of at the next tick.

    The manifest is written just before the rows are committed: whoever dies in between leaves it to a tick. Returns the
    batch: another one only if its pictures are others than before.

    Args:
        stores: Where it lies.
        product: Its code.
        name: Of the batch.
        now: The time.
        check: Told the pictures that lie there, while nobody else closes or takes back a batch of the product; the
            batch is not closed if it raises.

    Raises:
        InvalidInput: Where there are no pictures, or too many.
        NotFound: For a product without a published master.
        Postponed: Where the pictures change meanwhile.
    """
    found = list_pictures(stores, product, name)
    compared = UploadComparer(stores).compare(upload_of(product, name, found), found)
    with stores.database.begin() as connection:
        masters.get_product(connection, product, lock=True)
        pictures = list_pictures(stores, product, name)
        check(pictures)
        batch, _ = _note_in(connection, upload_of(product, name, pictures), compared)
        manifest = close_batch(stores, product, name, now=now)
        manifests.note_manifest(connection, manifest, batch=batch.id)
        return rows.get(connection, batch.id)


def run_gave_up(stores: Stores, batch: Batch, reason: str, *, for_good: bool = False) -> Batch:
    """Note that the run which `batch.run_key` asked for failed: another is asked for, three each time it is taken up.

    A pause comes before each, half a minute and then twice that, so that what is down has time to come back.
    Telling it again of the same `Batch` changes nothing.

    Args:
        stores: Where it is noted.
        batch: As it was when the run was asked for.
        reason: Why, for people.
        for_good: None other is asked for: somebody cancelled it.
    """
    most = 1 if for_good else ATTEMPTS
    with stores.database.begin() as connection:
        pause = PAUSE * 2 ** (batch.attempts % ATTEMPTS)
        return rows.note_attempt(connection, batch.id, batch.attempts, most=most, pause=pause, reason=reason)


def try_again(stores: Stores, batch_id: int) -> Batch:
    """Let a batch that failed be inspected again by the next tick; raise `Conflict` for one that did not fail."""
    with stores.database.begin() as connection:
        batch = rows.get(connection, batch_id, lock=True)
        if batch.state is not BatchState.FAILED:
            raise Conflict(f"Batch '{batch.key}' did not fail, it is {batch.state}: only a failed one is tried again.")
        return rows.take_up_again(connection, batch_id, most=ATTEMPTS)


# Manifests


def _read_inbox(
    stores: Stores, comparer: UploadComparer, refused: Refusals, inbox_ms: int, now: datetime, most: Bounds
) -> tuple[int, list[Batch]]:
    now_ms = int(now.timestamp() * 1000)
    overlap_ms = int(OVERLAP.total_seconds() * 1000)
    newest, closed, left = inbox_ms, [], most.manifests
    postponed_ms = now_ms
    for stored in _unread(stores, refused, keys.inbox_since(max(inbox_ms - overlap_ms, 0))):
        if left == 0:
            break
        left -= 1
        try:
            batch = _close_by_manifest(stores, comparer, refused, stored)
        except Postponed:
            postponed_ms = min(postponed_ms, time_of(stored.key) or 0)
            continue
        closed += [] if batch is None else [batch]
        # One from the future must not hide those of the present.
        newest = max(newest, min(time_of(stored.key) or 0, now_ms))
    # One that is looked at again must not be passed.
    return max(inbox_ms, min(newest, postponed_ms)), closed


def _unread(stores: Stores, refused: Refusals, after: str) -> Iterator[StoredObject]:
    while page := stores.objects.list_page(keys.INBOX, after=after, limit=_INBOX_PAGE, passed_over=refused.note_name):
        with stores.database.begin() as connection:
            noted = manifests.noted_manifests(connection, [stored.key for stored in page])
        yield from (each for each in page if each.key not in noted and len(each.key) <= KEY_CHARS)
        after = page[-1].key


def _close_by_manifest(
    stores: Stores, comparer: UploadComparer, refused: Refusals, stored: StoredObject
) -> Batch | None:
    """Close the batch that a manifest names, and note in the same transaction what became of the manifest."""
    try:
        if time_of(stored.key) is None or stored.size > MOST_BYTES:
            raise InvalidInput(f"'{stored.key}' is no manifest: write them to {keys.INBOX}/{{utc_ms}}-{{uuid}}.json.")
        manifest = read_manifest(stores.objects.get(stored.key, next_step="write it again"))
        folder = keys.inspection_upload(manifest.product, manifest.batch)
        found = list_folder(stores, folder)
        pictures = pictures_among(found, folder)
        batch = _note(stores, comparer, manifest.product, manifest.batch, pictures, manifest_key=stored.key)
        if batch is not None:
            refused.note_skipped(found, folder)
        return batch
    except ObjectMissing:
        return None  # taken back by its writer
    except (InvalidInput, NotFound) as error:
        refused.note({stored.key: str(error)})
        return None


# The sweep


def _sweep(
    stores: Stores, comparer: UploadComparer, refused: Refusals, after: str, now: datetime, most: Bounds
) -> tuple[str, list[Batch]]:
    """Look at one page of all uploads; return behind which key the next one begins, and what was closed."""
    page, is_last = stores.objects.list_page_of_folders(
        keys.INSPECTION_UPLOADS, after=after, limit=most.sweep_keys, passed_over=refused.note_name
    )
    folders = [(folder, tuple(found)) for folder, found in groupby(page, key=_folder_of)]
    if is_last:
        after = ""
    elif len(folders) > 1:
        folders.pop()  # it may go on behind the page
        after = folders[-1][1][-1].key
    else:
        folder, found = folders[0]
        if _name_of(folder, found) is not None:
            found = list_folder(stores, folder)
        folders = [(folder, found)]
        after = f"{folder}0"  # the first text behind all keys of the folder
    closed, stopped_at = _close_quiet(stores, comparer, refused, folders, now - most.quiet, most.sweep_batches)
    return stopped_at or after, closed


def _folder_of(stored: StoredObject) -> str:
    return "/".join(stored.key.split("/", 4)[:4])


def _close_quiet(
    stores: Stores,
    comparer: UploadComparer,
    refused: Refusals,
    folders: Sequence[tuple[str, tuple[StoredObject, ...]]],
    before: datetime,
    most: int,
) -> tuple[list[Batch], str | None]:
    """Close those folders that nobody writes to any more and that are not what is known of them.

    Returns them, and behind which key folders are left if there were more than `most`, or more to compare.
    """
    seen = {}
    for folder, found in folders:
        named = _name_of(folder, found)
        if named is not None and max(stored.last_modified for stored in found) <= before:
            seen[named] = found
    with stores.database.begin() as connection:
        known = rows.latest_of(connection, seen.keys())
        ready = masters.products_with_masters(connection, sorted({product for product, _ in seen}))
    closed: list[Batch] = []
    reasons: dict[str, str] = {}
    looked_at, stopped_at = 0, None
    for (product, name), found in seen.items():
        folder = keys.inspection_upload(product, name)
        try:
            pictures = pictures_among(found, folder)
            latest = known.get((product, name))
            if latest is not None and latest.listing == upload_of(product, name, pictures).listing:
                continue
            if product not in ready:
                raise NotFound(f"There is no product '{product}' with a published master: publish one.")
            batch = _note(stores, comparer, product, name, pictures, may_be_fewer=True)
        except Postponed:
            stopped_at = folder
            break
        except (InvalidInput, NotFound) as error:
            reasons[folder] = str(error)
            continue
        if batch is not None:
            closed.append(batch)
            refused.note_skipped(found, folder)
        looked_at += 1
        if looked_at == most:
            stopped_at = found[-1].key
            break
    refused.note(reasons)
    return closed, stopped_at


def _name_of(folder: str, found: Sequence[StoredObject]) -> tuple[str, str] | None:
    """Return product and batch; `None` for what lies elsewhere than in a folder of a batch, or has other names."""
    parts = folder.split("/")
    if len(parts) != 4 or not found or found[0].key == folder:
        return None
    try:
        return check_name(parts[2]), check_name(parts[3])
    except InvalidInput:
        return None


# Both


def _note(
    stores: Stores,
    comparer: UploadComparer,
    product: str,
    name: str,
    pictures: Sequence[StoredObject],
    manifest_key: str | None = None,
    may_be_fewer: bool = False,
) -> Batch | None:
    """Note an upload that is whole, and return the batch if it is new or another version.

    Raises `NotFound`, `BadFileNames`, or `Postponed` where another tick has to look at it.
    """
    upload = upload_of(product, name, pictures)
    check_names(pictures, upload.folder)
    compared = comparer.compare(upload, pictures, may_be_fewer=may_be_fewer)
    with stores.database.begin() as connection:
        masters.get_product(connection, product, lock=True)  # one at a time counts versions
        if compared is not None:  # reading took its time
            upload = upload_of(product, name, list_pictures(stores, product, name))
        batch, is_new = _note_in(connection, upload, compared)
        if manifest_key is not None:
            manifests.note_manifest(connection, manifest_key, batch=batch.id)
    return batch if is_new else None


def _note_in(connection: Connection, upload: Upload, compared: Compared | None) -> tuple[Batch, bool]:
    """Note an upload in a transaction that has locked the product; return its batch, and whether that is new.

    Raises `NotFound`, or `Postponed` where `compared` says nothing of what lies there now.
    """
    if masters.find_published(connection, upload.product) is None:
        raise NotFound(f"The product '{upload.product}' has no published master: publish one, then upload again.")
    latest = rows.latest_of(connection, [(upload.product, upload.name)]).get((upload.product, upload.name))
    if latest is not None and _is_known(connection, latest, upload, compared):
        return latest, False
    batch = rows.add_version(connection, upload)
    manifests.forget_refusal(connection, upload.folder)
    return batch, True


def _is_known(connection: Connection, latest: Batch, upload: Upload, compared: Compared | None) -> bool:
    if is_known_by_listing(latest, upload):
        if latest.listing == upload.listing or rows.set_upload(connection, latest.id, upload):
            return True  # nobody has looked at it: it is simply what lies there now
        raise Postponed(upload)  # somebody takes it in right now
    if compared is None or (compared.batch, compared.listing) != (latest.id, upload.listing):
        raise Postponed(upload)
    if compared.is_same:
        rows.set_listing(connection, latest.id, upload.listing)
    return compared.is_same
