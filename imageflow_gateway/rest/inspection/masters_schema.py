"""Products and their masters in requests and responses of the API."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from imageflow_domain.ids import Name
from imageflow_domain.masters import Item, ItemType, Master, MasterState, Product
from imageflow_inspection.masters import ItemChange

Revision = Field(ge=1, lt=2**31, description="The one that was read: 409 if the draft was changed since.")


class ProductIn(BaseModel):
    """A product that is to be created."""

    model_config = ConfigDict(extra="forbid")

    code: Name
    name: str = Field(min_length=1, max_length=255)
    description: str = Field(default="", max_length=10_000)


class ProductFacts(BaseModel):
    """A product."""

    code: str
    name: str
    description: str
    created_at: datetime

    @classmethod
    def of(cls, product: Product) -> Self:
        """Leave out how the product is inspected: its masters say so."""
        return cls(code=product.code, name=product.name, description=product.description, created_at=product.created_at)


class ProductList(BaseModel):
    """Products by code."""

    products: list[ProductFacts]
    next: str | None
    """Give it as `after` for those that come next; null where these were the last."""


class DraftIn(BaseModel):
    """The items of a new draft. Errors name their paths, such as `items.0.criteria`."""

    model_config = ConfigDict(extra="forbid")

    items: list[Any]
    """As in `GET /api/v1/masters/{product}/versions/{version}`; `GET /api/v1/criteria` has the schemas."""


class DraftChange(DraftIn):
    """The items that take the place of a draft's."""

    revision: int = Revision


class Publication(BaseModel):
    """Which draft is to be published."""

    model_config = ConfigDict(extra="forbid")

    revision: int = Revision


class ItemFacts(BaseModel):
    """One thing that every picture of a product is inspected for."""

    code: str
    name: str
    type: ItemType
    pipeline: str
    criteria: dict[str, Any]
    required: bool

    @classmethod
    def of(cls, item: Item) -> Self:
        """List the criteria as they were checked, defaults included."""
        return cls.model_validate(item.model_dump())


class MasterFacts(BaseModel):
    """A version of what a product is inspected for."""

    product: str
    version: int
    state: MasterState
    revision: int
    """Name it to change or publish a draft."""
    updated_at: datetime
    published_at: datetime | None
    items: list[ItemFacts]
    """In the order in which they are inspected."""

    @classmethod
    def of(cls, master: Master) -> Self:
        """Keep the items in the order in which they are inspected."""
        return cls(
            product=master.product,
            version=master.version,
            state=master.state,
            revision=master.revision,
            updated_at=master.updated_at,
            published_at=master.published_at,
            items=[ItemFacts.of(item) for item in master.items],
        )


class MasterList(BaseModel):
    """Versions of a product's master, oldest first."""

    versions: list[MasterFacts]
    next: str | None
    """Give it as `after` for those that come next; null where these were the last."""


class ItemDifference(BaseModel):
    """How an item differs between two versions."""

    code: str
    before: ItemFacts | None
    """Null where it was added."""
    after: ItemFacts | None
    """Null where it was removed."""
    fields: list[str]
    """Those that differ, `order` included."""

    @classmethod
    def of(cls, change: ItemChange) -> Self:
        """Leave the side empty on which the item does not exist."""
        return cls(
            code=change.code,
            before=ItemFacts.of(change.before) if change.before else None,
            after=ItemFacts.of(change.after) if change.after else None,
            fields=list(change.fields),
        )


class Comparison(BaseModel):
    """What differs between two versions, in the order of the later one."""

    product: str
    before: int
    after: int
    changes: list[ItemDifference]


class CriteriaSchemas(BaseModel):
    """JSON Schema of the criteria of each type of items."""

    criteria: dict[ItemType, dict[str, Any]]
