"""Components: what pipelines are made of."""

from fastapi import APIRouter

from imageflow_catalog import components as use_cases
from imageflow_gateway.addresses import Reference
from imageflow_gateway.gateway import GatewayDep
from imageflow_gateway.rest.catalog.components_schema import ComponentFacts, ComponentList, NewComponent

router = APIRouter(prefix="/api/v1/components", tags=["pipelines"])


@router.get("", summary="List components")
def list_components(gateway: GatewayDep) -> ComponentList:
    """All of them, with their ports and the JSON Schema of their parameters, from which forms are drawn."""
    registry = gateway.use(use_cases.get_registry)()
    return ComponentList(components=[ComponentFacts.of(release.component) for release in registry])


@router.post("", status_code=201, summary="Register a container component")
def create_component(component: NewComponent, gateway: GatewayDep) -> ComponentFacts:
    """Register an image under the name and version of its manifest; the same again changes nothing.

    422 lists every fault of the manifest with its path, 409 says that another component has its name and version.
    """
    registered = gateway.use(use_cases.register_component)(component.image, component.manifest)
    return ComponentFacts.of(gateway.use(use_cases.get_registry)().find(registered.reference))


@router.get("/{reference}", summary="One component")
def read_component(reference: Reference, gateway: GatewayDep) -> ComponentFacts:
    """In one version."""
    return ComponentFacts.of(gateway.use(use_cases.get_registry)().find(reference))
