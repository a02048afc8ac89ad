"""The client of live executions: images through pipelines, over REST or gRPC, from any Python program.

    from imageflow.client import Client

    with Client("http://127.0.0.1:8080") as client:
        execution = client.process("photo.jpg", pipeline="edges")
        Path("edges.png").write_bytes(execution.outputs["edges"].data)

`AsyncClient` has the same methods for asyncio. Failures that may pass are tried again, always as the same execution.
Errors are those of `imageflow_domain.errors`.
"""

from imageflow.client.asynchronous import AsyncClient
from imageflow.client.synchronous import Client
from imageflow.client.values import (
    Change,
    Execution,
    Frames,
    LogLine,
    Output,
    PreviewOutput,
    Problem,
    ProcessedFrame,
    Protocol,
    SamplePreview,
    Step,
)
from imageflow_domain.executions import ExecutionState, Priority

__all__ = [
    "AsyncClient",
    "Change",
    "Client",
    "Execution",
    "ExecutionState",
    "Frames",
    "LogLine",
    "Output",
    "PreviewOutput",
    "Priority",
    "Problem",
    "ProcessedFrame",
    "Protocol",
    "SamplePreview",
    "Step",
]
