"""Inspection: a sensor's tick over a million keys, a batch on two cores, and batches put into a running stack.

Needs about 5 GB of disk, mostly for names, under the temporary folder while it runs.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import psutil
from sqlalchemy import insert, text

from bench.figures import Figure, Result, spending
from bench.uploads import uploads
from imageflow_clients.database.inspection_schema import batches
from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain import keys
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.intake import Bounds, Cursor, notice_batches
from imageflow_inspection.masters import create_draft, create_product, publish_master
from imageflow_inspection.pipelines import publish_pipeline
from imageflow_inspection.take_in import take_in
from imageflow_inspection.uploaded import upload_of

PRODUCTS, BATCHES, PICTURES = 100, 1_000, 10
TICKS = 60
BATCH = 64

_SPEC = {
    "pipeline": "bench",
    "steps": {
        "decode": {"use": "decode@1", "from": {"picture": "inputs.picture"}},
        "smooth": {"use": "blur@1", "with": {"radius_px": 3}, "from": {"image": "decode.image"}},
        "dark": {"use": "threshold@1", "with": {"level": 60, "dark": True}, "from": {"image": "smooth.image"}},
        "spots": {"use": "blobs@1", "with": {"mm_per_px": 0.1, "min_area_mm2": 1}, "from": {"mask": "dark.mask"}},
    },
    "outputs": {"defects": "spots.detections"},
}
_ITEM = {"code": "spots", "name": "Spots", "type": "VISUAL", "pipeline": "bench@1", "criteria": {}}


def run() -> Result:
    """Return a tick's time and memory, what a second core brings to a batch, and how long a stack takes for one."""
    return Result(figures=(*ticks(), *cores(), *uploads()))


def ticks() -> tuple[Figure, ...]:
    """Measure ticks that go round once and find the one new batch."""
    with _stores() as stores:
        _fill(stores)
        stores.objects.put(keys.inspection_upload_file("p000", "new", "p.png"), b"new")
        later = datetime.now(UTC) + timedelta(hours=1)
        process = psutil.Process()
        cursor, seconds, cpu_s, found = Cursor(), [], [], 0
        for number in range(TICKS):
            if number == 1:  # whatever the first one loads stays
                before = process.memory_info().rss
            with spending() as spent:
                tick = notice_batches(stores, cursor, now=later, bounds=Bounds())
            seconds.append(spent.wall_s)
            cpu_s.append(spent.cpu_s)
            cursor, found = tick.cursor, found + len(tick.closed)
        grown_mb = (process.memory_info().rss - before) / 1e6
        assert found == 1
        return (
            Figure(
                name="slowest of 60 ticks over 1,000,000 keys and 100,000 batches",
                value=max(seconds),
                unit="s",
                at_most=5,
            ),
            Figure(name="median of them", value=sorted(seconds)[TICKS // 2], unit="s"),
            Figure(name="most processor time of one", value=max(cpu_s), unit="s"),
            Figure(name="memory that 59 ticks added", value=grown_mb, unit="MB", at_most=50),
        )


def cores() -> tuple[Figure, ...]:
    """Measure a batch of 1080p pictures on one thread and on two, each from its first row to its last."""
    with _stores() as stores:
        _product(stores, "cores")
        for place in range(BATCH):
            stores.objects.put(keys.inspection_upload_file("cores", "b1", f"p{place:03d}.jpg"), _picture(place))
        (batch,) = notice_batches(stores, Cursor(), now=datetime.now(UTC) + timedelta(hours=1)).closed
        take_in(stores, batch.id)
        rates = {1: 0.0, 2: 0.0}
        for _ in range(3):
            for threads in rates:
                begun = time.perf_counter()
                inspect_batch(stores, batch.id, threads=threads)
                rates[threads] = max(rates[threads], BATCH / (time.perf_counter() - begun))
                with stores.database.begin() as connection:
                    connection.execute(text("DELETE FROM inspections"))
        return (
            Figure(name="1080p pictures a second of a batch, two threads", value=rates[2]),
            Figure(name="batch throughput on two cores / on one", value=rates[2] / rates[1], at_least=1.7),
        )


@contextmanager
def _stores() -> Iterator[Stores]:
    with TemporaryDirectory() as folder:
        home = Path(folder)
        stores = open_stores(Settings(home=home))
        try:
            yield stores
        finally:
            stores.database.close()
            EmbeddedPostgres(home / "postgres").stop()


def _product(stores: Stores, code: str) -> None:
    publish_pipeline(stores, _SPEC)
    create_product(stores, code, code)
    draft = create_draft(stores, code, [_ITEM])
    publish_master(stores, code, draft.version, revision=draft.revision)


def _fill(stores: Stores) -> None:
    """Write a million files and the rows of their batches, as if all had been noticed."""
    root = Path(str(stores.scratch.parent)) / "objects"
    for product in range(PRODUCTS):
        code = f"p{product:03d}"
        _product(stores, code)
        rows: list[dict[str, Any]] = []
        for number in range(BATCHES):
            folder = root / keys.inspection_upload(code, f"b{number:04d}")
            folder.mkdir(parents=True)
            for place in range(PICTURES):
                os.close(os.open(f"{folder}/p{place}.png", os.O_CREAT | os.O_WRONLY))  # a tenth of what pathlib costs
        found = stores.objects.list_page(f"{keys.INSPECTION_UPLOADS}/{code}", limit=BATCHES * PICTURES)
        for folder_key, pictures in groupby(found, key=lambda stored: stored.key.rpartition("/")[0]):
            upload = upload_of(code, folder_key.rpartition("/")[2], pictures)
            rows.append(
                {
                    "product": code,
                    "name": upload.name,
                    "version": 1,
                    "folder": upload.folder,
                    "state": "inspected",
                    "listing": upload.listing,
                    "pictures": upload.pictures,
                    "bytes": 0,
                }
            )
        with stores.database.begin() as connection:
            connection.execute(insert(batches), rows)


def _picture(seed: int) -> bytes:
    """Return a noisy 1080p JPEG with a dark spot."""
    noise = np.random.default_rng(seed).integers(100, 200, (270, 480, 3), dtype=np.uint8)
    pixels = cv2.resize(noise, (1920, 1080), interpolation=cv2.INTER_CUBIC)
    pixels[500:540, 900:950] = 0
    done, data = cv2.imencode(".jpg", pixels)
    assert done
    return data.tobytes()
