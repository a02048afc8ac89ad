"""Products, and the masters that they are inspected by: drafts, versions, what differs between them."""

from typing import Annotated

from fastapi import APIRouter, Query

from imageflow_domain.ids import Name
from imageflow_domain.masters import ItemType, criteria_schema
from imageflow_gateway.addresses import Limit, Product, Version
from imageflow_gateway.errors import ErrorBody
from imageflow_gateway.gateway import GatewayDep
from imageflow_gateway.rest.inspection.masters_schema import (
    Comparison,
    CriteriaSchemas,
    DraftChange,
    DraftIn,
    ItemDifference,
    MasterFacts,
    MasterList,
    ProductFacts,
    ProductIn,
    ProductList,
    Publication,
)
from imageflow_inspection import masters as use_cases

router = APIRouter(prefix="/api/v1", tags=["masters"])

_VersionQuery = Annotated[int, Query(ge=1, lt=2**31)]
_LOCKED: dict[int | str, dict[str, object]] = {
    409: {"model": ErrorBody, "description": "It is published, or was changed since it was read."}
}


@router.get("/criteria", summary="Schemas of criteria")
def read_criteria() -> CriteriaSchemas:
    """JSON Schema by type of item, from which forms are drawn."""
    return CriteriaSchemas(criteria={kind: criteria_schema(kind) for kind in ItemType})


@router.get("/masters", summary="List products")
def list_products(
    gateway: GatewayDep,
    after: Annotated[Name | None, Query(description="`next` of the page before.")] = None,
    limit: Limit = 100,
) -> ProductList:
    """By code."""
    page = gateway.use(use_cases.list_products)(after=after or "", limit=limit)
    return ProductList(products=[ProductFacts.of(product) for product in page.items], next=page.next)


@router.post("/masters", status_code=201, summary="Create a product")
def add_product(product: ProductIn, gateway: GatewayDep) -> ProductFacts:
    """It is inspected once a master of it is published. 409 where its code is taken."""
    return ProductFacts.of(gateway.use(use_cases.create_product)(product.code, product.name, product.description))


@router.get("/masters/{product}", summary="One product")
def read_product(product: Product, gateway: GatewayDep) -> ProductFacts:
    """By its code."""
    return ProductFacts.of(gateway.use(use_cases.get_product)(product))


@router.get("/masters/{product}/versions", summary="Versions of a product's master")
def list_masters(
    product: Product,
    gateway: GatewayDep,
    after: Annotated[int, Query(ge=0, lt=2**31, description="`next` of the page before.")] = 0,
    limit: Limit = 100,
) -> MasterList:
    """Oldest first; the newest published one judges."""
    page = gateway.use(use_cases.list_masters)(product, after=after, limit=limit)
    return MasterList(versions=[MasterFacts.of(master) for master in page.items], next=page.next)


@router.post("/masters/{product}/versions", status_code=201, summary="Begin a draft")
def add_draft(product: Product, draft: DraftIn, gateway: GatewayDep) -> MasterFacts:
    """Begin the next version. 422 lists every fault of the items, 409 says that there is a draft."""
    return MasterFacts.of(gateway.use(use_cases.create_draft)(product, draft.items))


@router.get("/masters/{product}/versions/{version}", summary="One version of a master")
def read_master(product: Product, version: Version, gateway: GatewayDep) -> MasterFacts:
    """With its items."""
    return MasterFacts.of(gateway.use(use_cases.get_master)(product, version))


@router.put("/masters/{product}/versions/{version}", summary="Change a draft", responses=_LOCKED)
def edit_draft(product: Product, version: Version, change: DraftChange, gateway: GatewayDep) -> MasterFacts:
    """Put other items in the place of a draft's. 422 lists every fault of the items."""
    changed = gateway.use(use_cases.change_draft)(product, version, change.items, revision=change.revision)
    return MasterFacts.of(changed)


@router.post("/masters/{product}/versions/{version}/publish", summary="Publish a draft", responses=_LOCKED)
def publish_draft(product: Product, version: Version, which: Publication, gateway: GatewayDep) -> MasterFacts:
    """From now on it judges, and never changes. 422 lists every item whose pipeline or model is missing or unfit."""
    publish = gateway.use(use_cases.publish_master)
    return MasterFacts.of(publish(product, version, revision=which.revision, models=gateway.models))


@router.get("/masters/{product}/changes", summary="What differs between two versions")
def read_changes_of_master(
    product: Product, gateway: GatewayDep, before: _VersionQuery, after: _VersionQuery
) -> Comparison:
    """Item by item."""
    found = gateway.use(use_cases.changes_of_master)(product, before=before, after=after)
    changes = [ItemDifference.of(change) for change in found]
    return Comparison(product=product, before=before, after=after, changes=changes)
