"""Requests and images of executions, and waiting for their ends."""

import time
import uuid
from datetime import UTC, datetime
from typing import Any

import cv2
import numpy as np

from imageflow_clients.database.executions import logs
from imageflow_clients.database.executions.logs import LogChunk
from imageflow_clients.stores import Stores
from imageflow_domain.access import LOCAL_OPERATOR
from imageflow_domain.execution_logs import ExecutionLine, LogCursor
from imageflow_domain.executions import ExecutionRecord, Priority
from imageflow_executions.history import ExecutionInFull, get_execution
from imageflow_executions.start import StartRequest, start_execution

WITHIN_S = 60.0


def image(seed: int = 0, *, width: int = 64, height: int = 48) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    done, data = cv2.imencode(".png", pixels)
    assert done
    return data.tobytes()


def small(name: str = "small", *, version: int = 1, width: int = 32) -> dict[str, Any]:
    """Decode, shrink, encode, and count dark blobs."""
    return {
        "pipeline": name,
        "version": version,
        "steps": {
            "decode": {"use": "decode@1", "from": {"picture": "inputs.picture"}},
            "small": {"use": "resize@1", "with": {"width_px": width}, "from": {"image": "decode.image"}},
            "grey": {"use": "colour@1", "with": {"space": "grey"}, "from": {"image": "small.image"}},
            "encoded": {"use": "encode@1", "with": {"format": "png"}, "from": {"image": "grey.image"}},
        },
        "outputs": {"picture": "encoded.encoded", "pixels": "small.image"},
    }


def hanging() -> dict[str, Any]:
    """Fails at once, and waits for a minute before it tries again."""
    return {
        "pipeline": "hanging",
        "steps": {
            "decode": {
                "use": "decode@1",
                "from": {"picture": "inputs.picture"},
                "retry": {"attempts": 10, "delay_s": 60},
                "timeout_s": 0.000001,
            }
        },
        "outputs": {"picture": "decode.image"},
    }


def started(stores: Stores, spec: dict[str, Any] | None = None, **options: Any) -> ExecutionRecord:
    images = options.pop("images", {"picture": image()})
    start_request = StartRequest(spec=spec or small(), protocol="test", **options)
    return start_execution(stores, start_request, images, LOCAL_OPERATOR)


def ended(stores: Stores, execution: uuid.UUID) -> ExecutionInFull:
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        found = get_execution(stores, execution)
        if found.record.state.is_end:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{execution} is still {found.record.state}: {found.steps}")


def until_running(stores: Stores, execution: uuid.UUID, step: str) -> None:
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        if any(each.step == step for each in get_execution(stores, execution).steps):
            return
        time.sleep(0.02)
    raise AssertionError(f"step {step} of {execution} never began")


def logged(stores: Stores, record: ExecutionRecord, *texts: str, first: int = 1, attempt: int | None = None) -> None:
    """Write log lines as an engine does that has the execution."""
    attempt = record.attempt if attempt is None else attempt
    lines = [
        ExecutionLine(
            cursor=LogCursor(attempt=attempt, number=number),
            step="decode",
            at=datetime.now(UTC),
            level="info",
            text=text,
        )
        for number, text in enumerate(texts, first)
    ]
    chunk = LogChunk(execution=record.id, attempt=attempt, first=first, last=first + len(lines) - 1, lines=lines)
    with stores.database.begin() as connection:
        logs.write(connection, {record.id: attempt}, [chunk])


__all__ = ["Priority", "ended", "hanging", "image", "logged", "small", "started", "until_running"]
