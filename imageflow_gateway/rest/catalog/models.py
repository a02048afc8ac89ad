"""Models: listed, and registered through the gate."""

from typing import Annotated, Final

from anyio import to_thread
from fastapi import APIRouter, Query, Request

from imageflow_catalog import models as use_cases
from imageflow_gateway.addresses import Limit, Reference, model_id
from imageflow_gateway.errors import ErrorBody
from imageflow_gateway.gateway import GatewayDep
from imageflow_gateway.parts import cannot_hold, parts
from imageflow_gateway.rest.catalog.models_schema import ModelFacts, ModelList
from imageflow_models.sent_model import SentModel

PREFIX: Final = "/api/v1/models"

router = APIRouter(prefix=PREFIX, tags=["pipelines"])

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["card"],
                    "properties": {
                        "model": {"type": "string", "format": "binary", "description": "model.onnx"},
                        "card": {"type": "string", "format": "binary", "description": "model.json"},
                        "reference": {
                            "type": "string",
                            "format": "binary",
                            "description": "Of a model for `align`, in place of the parts below: an image of the part.",
                        },
                        "answers": {"type": "string", "format": "binary", "description": "answers.npz"},
                        "golden": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "The golden pictures, PNG, by their names.",
                        },
                    },
                }
            }
        },
    }
}


@router.get("", summary="List models")
def list_models(
    gateway: GatewayDep,
    after: Annotated[
        str | None, Query(pattern="^[a-z0-9_]{1,64}@[1-9][0-9]{0,8}$", description="`next` of the page before.")
    ] = None,
    limit: Limit = 100,
) -> ModelList:
    """By name and version."""
    behind = None if after is None else model_id(after)
    page = gateway.use(use_cases.list_models)(after=behind, limit=limit)
    return ModelList(models=[ModelFacts.of(card) for card in page.items], next=page.next)


@router.get("/{reference}", summary="One model")
def read_model(reference: Reference, gateway: GatewayDep) -> ModelFacts:
    """In one version."""
    return ModelFacts.of(gateway.use(use_cases.get_model)(model_id(reference)))


@router.post(
    "",
    status_code=201,
    summary="Register a model",
    openapi_extra=_BODY,
    responses={
        422: {
            "model": ErrorBody,
            "description": "The model is not taken: `details.picture` names the golden picture that it answers "
            "otherwise than the original, if it is that.",
        }
    },
)
async def create_model(request: Request, gateway: GatewayDep) -> ModelFacts:
    """Take a model's folder as docs/models.md describes it, and register it if it answers as its original did.

    The same model again changes nothing; 409 says that another one has its name and version.
    """
    scratch = gateway.scratch
    try:
        with gateway.use(SentModel)() as sent:
            async for part in parts(request, most_bytes=gateway.settings.model_limit_bytes, scratch=scratch):
                await to_thread.run_sync(sent.add, part.name, part.file_name, part.file)
            return ModelFacts.of(await to_thread.run_sync(sent.register, limiter=gateway.capacity.models))
    except OSError as error:
        raise cannot_hold(scratch, error) from error
