"""Inspection: sensors' ticks over a million keys, and a batch on two cores."""

import time
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
from sqlalchemy import text

from bench.figures import Figure, Result
from bench.inspecting import own_stores, publish
from bench.sensor_ticks import sensor_ticks
from imageflow_domain import keys
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.intake import IntakeCursor, notice_batches
from imageflow_inspection.take_in import take_in

BATCH = 64


def run() -> Result:
    """Return ticks' time and memory, and what a second core brings to a batch."""
    return Result(figures=(*sensor_ticks(), *cores()))


def cores() -> tuple[Figure, ...]:
    """Measure a batch of 1080p pictures on one thread and on two, each from its first row to its last."""
    own = cv2.getNumThreads()
    cv2.setNumThreads(1)  # OpenCV's own threads would lend one picture the second core
    try:
        return _cores()
    finally:
        cv2.setNumThreads(own)


def _cores() -> tuple[Figure, ...]:
    with own_stores() as stores:
        publish(stores, "cores")
        for place in range(BATCH):
            stores.objects.put(keys.inspection_upload_file("cores", "b1", f"p{place:03d}.jpg"), _picture(place))
        (batch,) = notice_batches(stores, IntakeCursor(), now=datetime.now(UTC) + timedelta(hours=1)).closed
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


def _picture(seed: int) -> bytes:
    """Return a noisy 1080p JPEG with a dark spot."""
    noise = np.random.default_rng(seed).integers(100, 200, (270, 480, 3), dtype=np.uint8)
    pixels = cv2.resize(noise, (1920, 1080), interpolation=cv2.INTER_CUBIC)
    pixels[500:540, 900:950] = 0
    done, data = cv2.imencode(".jpg", pixels)
    assert done
    return data.tobytes()
