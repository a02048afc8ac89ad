"""Previews: what one step of a pipeline gives for samples, computed by an engine and not stored."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from imageflow_executions import preview
from imageflow_gateway.gateway import GatewayDep
from imageflow_gateway.previewing import previewed
from imageflow_gateway.previews_schema import PreviewedSample
from imageflow_gateway.rest.executions.preview_form import read_preview_form

PREFIX: Final = "/api/v1/previews"

router = APIRouter(tags=["executions"])

T = TypeVar("T")

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["session", "spec", "step"],
                    "properties": {
                        "session": {
                            "type": "string",
                            "description": "The client: of the requests of one session only the newest goes on.",
                        },
                        "spec": {"type": "object", "description": "The pipeline."},
                        "step": {"type": "string", "description": "The step whose outputs are wanted."},
                        "longest_side_px": {
                            "type": "integer",
                            "minimum": preview.LEAST_SIDE_PX,
                            "maximum": preview.MOST_SIDE_PX,
                            "default": preview.SIDE_PX,
                            "description": "Pixels that are larger are reduced to it.",
                        },
                        "samples": {
                            "type": "array",
                            "maxItems": preview.MOST_SAMPLES,
                            "items": {"type": "object", "additionalProperties": {"type": "string"}},
                            "description": "SHA-256 of each sample's images, by input of the pipeline. Images that "
                            "earlier previews had need not be sent again. Without it, the images that are sent are the "
                            "samples.",
                        },
                        "image": {
                            "type": "string",
                            "format": "binary",
                            "description": "An image: one part for each sample, under the input's name where the "
                            "pipeline has several.",
                        },
                    },
                }
            }
        },
    }
}


class PreviewAnswer(BaseModel):
    """What the step gave for each sample, in their order."""

    samples: list[PreviewedSample]


@router.post(PREFIX, summary="Preview a step", openapi_extra=_BODY)
async def preview_step(request: Request, gateway: GatewayDep) -> PreviewAnswer:
    """Compute the outputs of one step for samples; nothing is stored.

    409 (SUPERSEDED) for a request that a newer one of the same session replaced, 404 (SAMPLE_FORGOTTEN) where the
    images have to be sent again, 504 where it takes too long.
    """
    capacity, limit = gateway.capacity, gateway.settings.upload_limit_bytes
    reading = read_preview_form(request, capacity.forms, most_bytes=limit, scratch=gateway.scratch)
    async with reading as form, capacity.previews:
        asked = await to_thread.run_sync(form.request)
        return PreviewAnswer(samples=await _while_connected(request, previewed(gateway, asked)))


async def _while_connected(request: Request, answer: Awaitable[T]) -> T:
    """Return an answer; cancel it where the client leaves before."""
    answering, leaving = asyncio.ensure_future(answer), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise ClientDisconnect
        return answering.result()
    finally:
        answering.cancel()
        leaving.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
