"""Pipelines: checked, published, listed."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query

from imageflow_catalog import pipelines as use_cases
from imageflow_catalog.components import get_registry
from imageflow_gateway.addresses import Limit
from imageflow_gateway.gateway import GatewayDep
from imageflow_gateway.rest.catalog.pipelines_schema import (
    CheckedPipeline,
    PipelineFacts,
    PipelineList,
)

router = APIRouter(prefix="/api/v1/pipelines", tags=["pipelines"])

Spec = Annotated[dict[str, Any], Body(description="The spec as docs/pipelines.md writes it, in JSON.")]
_Reference = Annotated[
    str,
    Path(pattern="^[a-z0-9_]{1,64}(@[1-9][0-9]{0,8})?$", examples=["scratches@1"], description="name or name@version"),
]
_After = Annotated[
    str | None, Query(pattern="^[a-z0-9_]{1,64}@[1-9][0-9]{0,8}$", description="`next` of the page before.")
]


@router.get("", summary="List pipelines")
def list_pipelines(gateway: GatewayDep, after: _After = None, limit: Limit = 100) -> PipelineList:
    """By name and version."""
    name, _, version = (after or "@0").partition("@")
    page = gateway.use(use_cases.list_pipelines)(after=(name, int(version)), limit=limit)
    registry = gateway.use(get_registry)()
    return PipelineList(pipelines=[PipelineFacts.of(each, registry) for each in page.items], next=page.next)


@router.post("", status_code=201, summary="Publish a pipeline")
def create_pipeline(spec: Spec, gateway: GatewayDep) -> PipelineFacts:
    """Publish a spec under the name and version that stand in it; the same one again changes nothing.

    422 lists every fault with its path in the spec, 409 says that another spec has its name and version.
    """
    return PipelineFacts.of(gateway.use(use_cases.publish_pipeline)(spec), gateway.use(get_registry)())


@router.post("/check", summary="Validate a pipeline")
def check_pipeline(spec: Spec, gateway: GatewayDep) -> CheckedPipeline:
    """Publish nothing. 422 lists every fault with its path in the spec."""
    return CheckedPipeline.of(gateway.use(use_cases.check_pipeline)(spec))


@router.get("/{reference}", summary="One pipeline")
def read_pipeline(reference: _Reference, gateway: GatewayDep) -> PipelineFacts:
    """In one version, or in the newest where none is named."""
    return PipelineFacts.of(gateway.use(use_cases.get_pipeline)(reference), gateway.use(get_registry)())
