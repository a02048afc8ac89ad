"""The WebSocket's description, as AsyncAPI: made of the messages themselves."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic.json_schema import models_json_schema

from imageflow_gateway.live import socket
from imageflow_gateway.live.socket_messages import (
    Accepted,
    Cancel,
    Cancelling,
    EndStream,
    ExecutionLogs,
    ExecutionProgress,
    FrameResult,
    Preview,
    Previewed,
    SocketError,
    Start,
    Stream,
    StreamEnded,
    Streaming,
    Subscribe,
    SubscribeLogs,
    Unsubscribe,
    UnsubscribeLogs,
)

_FROM_CLIENT = (
    Start,
    Preview,
    Stream,
    EndStream,
    Subscribe,
    Unsubscribe,
    SubscribeLogs,
    UnsubscribeLogs,
    Cancel,
)
_FROM_GATEWAY = (
    Accepted,
    Cancelling,
    ExecutionProgress,
    ExecutionLogs,
    Previewed,
    Streaming,
    FrameResult,
    StreamEnded,
    SocketError,
)
_SCHEMAS = "#/components/schemas"

router = APIRouter(include_in_schema=False)


@router.get("/asyncapi.json")
async def read_asyncapi() -> JSONResponse:
    """The description."""
    return JSONResponse(asyncapi())


def asyncapi() -> dict[str, Any]:
    """Return the document, version 3.0 of AsyncAPI."""
    messages = (*_FROM_CLIENT, *_FROM_GATEWAY)
    _, schemas = models_json_schema([(one, "serialization") for one in messages], ref_template=f"{_SCHEMAS}/{{model}}")
    channel = "#/channels/executions"
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ImageFlow",
            "version": version("imageflow"),
            "description": "Live executions over one WebSocket. Text frames hold the messages below as JSON. Binary "
            "frames hold the images that a start or a preview announces, one image after the other; or, of a camera "
            "stream, one frame each.",
        },
        "channels": {
            "executions": {
                "address": socket.PREFIX,
                "messages": {one.__name__: {"$ref": f"#/components/messages/{one.__name__}"} for one in messages}
                | {"Frame": {"$ref": "#/components/messages/Frame"}},
            }
        },
        "operations": {
            "receive": _operation("receive", channel, [*(one.__name__ for one in _FROM_CLIENT), "Frame"]),
            "send": _operation("send", channel, [one.__name__ for one in _FROM_GATEWAY]),
        },
        "components": {
            "messages": {
                one.__name__: {
                    "summary": " ".join((one.__doc__ or "").split()),
                    "contentType": "application/json",
                    "payload": {"$ref": f"{_SCHEMAS}/{one.__name__}"},
                }
                for one in messages
            }
            | {
                "Frame": {
                    "summary": "Bytes of an image that a start or a preview announced, or a frame of a camera stream.",
                    "contentType": "application/octet-stream",
                    "payload": {"type": "string", "format": "binary"},
                }
            },
            "schemas": schemas["$defs"],
        },
    }


def _operation(action: str, channel: str, names: list[str]) -> dict[str, Any]:
    messages = [{"$ref": f"{channel}/messages/{name}"} for name in names]
    return {"action": action, "channel": {"$ref": channel}, "messages": messages}
