"""Components: what pipelines are made of."""

from fastapi import APIRouter

from imageflow_gateway.addresses import Reference
from imageflow_gateway.rest.catalog.components_schema import ComponentFacts, ComponentList
from imageflow_pipelines.registry import RELEASED

router = APIRouter(prefix="/api/v1/components", tags=["pipelines"])


@router.get("", summary="List components")
def list_components() -> ComponentList:
    """All of them, with their ports and the JSON Schema of their parameters, from which forms are drawn."""
    return ComponentList(components=[ComponentFacts.of(release.component) for release in RELEASED])


@router.get("/{reference}", summary="One component")
def read_component(reference: Reference) -> ComponentFacts:
    """In one version."""
    return ComponentFacts.of(RELEASED.find(reference))
