"""A million uploaded pictures in 100,000 batches that were inspected and reported: files, rows, Dagster's partitions.

`python -m bench.million_uploads LAYOUT FOLDER` fills the stores of the environment. Requests would take an hour, so
files are written as the store keeps them: FOLDER is that of the objects, or that in which MinIO keeps the bucket.
"""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from sqlalchemy import insert, text

from bench.inspecting import publish
from imageflow_assets.inspection.settling import rebuild_batches
from imageflow_clients.database.inspection.schema import batches, inspections
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain import keys
from imageflow_inspection.identity import judge_now
from imageflow_inspection.uploaded import upload_of
from imageflow_resources.storage import load_instance

PRODUCTS, BATCHES, PICTURES = 100, 1_000, 10
INSPECTED = PRODUCTS * BATCHES
KEYS = INSPECTED * PICTURES

_COUNTED = "UPDATE batches SET inspection_id = inspections.id FROM inspections WHERE batch_id = batches.id"
_NEW = keys.inspection_upload_file("p000", "new", "p.png")


def main(layout: str, folder: str) -> None:
    """Fill the stores, and leave one batch that is not yet noticed."""
    settings = Settings()
    stores = open_stores(settings)
    stores.objects.put(_NEW, b"new")
    root = Path(folder)
    write = _like(root / _NEW) if layout == "minio" else _empty_file
    for number in range(PRODUCTS):
        _fill(stores, root, f"p{number:03d}", write)
    with stores.database.begin() as connection:
        connection.execute(text(_COUNTED))
    with stores.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))  # as autovacuum leaves what has grown day by day
    with load_instance(settings) as instance:
        rebuild_batches(instance, stores)
    stores.database.close()


def _fill(stores: Stores, root: Path, product: str, write: Callable[[str], None]) -> None:
    """Write a product's batches, and the rows that a tick and a run would have left of them."""
    publish(stores, product)
    for number in range(BATCHES):
        upload = root / keys.inspection_upload(product, f"b{number:04d}")
        upload.mkdir(parents=True)
        for place in range(PICTURES):
            write(f"{upload}/p{place}.png")
    # the new batch, if there is one, sorts behind the others
    found = stores.objects.list_page(f"{keys.INSPECTION_UPLOADS}/{product}/", limit=BATCHES * PICTURES)
    folders = groupby(found, key=lambda stored: stored.key.rpartition("/")[0])
    uploads = [upload_of(product, folder.rpartition("/")[2], pictures) for folder, pictures in folders]
    now = datetime.now(UTC)
    with stores.database.begin() as connection:
        judge = judge_now(connection, product, None)
        ids = connection.execute(
            insert(batches).returning(batches.c.id),
            [
                {
                    "product": product,
                    "name": upload.name,
                    "version": 1,
                    "folder": upload.folder,
                    "state": "inspected",
                    "listing": upload.listing,
                    "pictures": upload.pictures,
                    "bytes": upload.bytes,
                }
                for upload in uploads
            ],
        ).scalars()
        connection.execute(
            insert(inspections),
            [
                {
                    "batch_id": batch,
                    "identity": judge.identity,
                    "master_version": judge.master.version,
                    "code_version": 1,
                    "judged_by": [],
                    "pictures": PICTURES,
                    "passed": PICTURES,
                    "done_at": now,
                    "reported_at": now,
                }
                for batch in ids
            ],
        )


def _empty_file(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))  # a tenth of what pathlib costs


def _like(kept: Path) -> Callable[[str], None]:
    """Return what writes an object as MinIO kept another: a folder with one file, which says nothing of the key."""

    def write(path: str) -> None:
        Path(path).mkdir()
        file = os.open(f"{path}/xl.meta", os.O_CREAT | os.O_WRONLY)
        os.write(file, data)
        os.close(file)

    data = (kept / "xl.meta").read_bytes()
    return write


if __name__ == "__main__":
    main(*sys.argv[1:])
