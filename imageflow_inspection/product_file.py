"""A product as a file: its name, the pipelines that judge it, and its items. Publishing it again changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.database.inspection import masters as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidMaster, NotFound
from imageflow_domain.faults import faults_of
from imageflow_domain.ids import Name
from imageflow_domain.inference import ModelRegistry
from imageflow_domain.masters import Master
from imageflow_inspection.masters import create_product, publish_items
from imageflow_pipelines.spec_text import read_spec, read_value


def _beside(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("is no file beside this one")
    return value


class ProductFile(BaseModel):
    """What the file says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product: Name
    name: str = Field(min_length=1, max_length=255)
    description: str = Field(default="", max_length=10_000)
    pipelines: list[Annotated[str, AfterValidator(_beside)]] = Field(default=[], max_length=100)
    """Files of pipelines, beside this one."""
    items: list[Any]

    @classmethod
    def parse(cls, text: str) -> "ProductFile":
        """Read YAML or JSON; raise `Faulty` with every fault and its path."""
        try:
            return cls.model_validate(read_value(text))
        except ValidationError as error:
            raise InvalidMaster("The file describes no product:", faults_of(error)) from error


@dataclass(frozen=True, kw_only=True)
class PublishedProduct:
    """The outcome of a file."""

    master: Master
    is_new: bool
    """The master's version was made now."""


def publish_product(
    stores: Stores, file: ProductFile, pipelines: Sequence[str], *, models: ModelRegistry | None = None
) -> PublishedProduct:
    """Publish a product's pipelines and its items, and create the product if it is new.

    Args:
        stores: Where they are kept.
        file: The product.
        pipelines: The texts of the files that it names.
        models: The registered ones; needed where a pipeline asks one.

    Raises:
        Faulty: For what is wrong, with each fault's path.
        Conflict: Where another pipeline has the name and version of one, or the product has a draft.
    """
    for text in pipelines:
        publish_pipeline(stores, read_spec(text).to_data())
    if not _is_there(stores, file.product):
        create_product(stores, file.product, file.name, file.description)
    master, is_new = publish_items(stores, file.product, file.items, models=models)
    return PublishedProduct(master=master, is_new=is_new)


def _is_there(stores: Stores, product: str) -> bool:
    with stores.database.begin() as connection:
        try:
            rows.get_product(connection, product)
        except NotFound:
            return False
        return True
