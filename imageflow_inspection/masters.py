"""Products and what they are inspected for: drafts that are changed under optimistic locking, versions that last."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from imageflow_catalog.pipelines import find_pipeline, models_of, plan_of
from imageflow_clients.database import Connection
from imageflow_clients.database.inspection import masters as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Fault, ImageFlowError, InvalidMaster, Unavailable
from imageflow_domain.ids import check_name
from imageflow_domain.inference import ModelRegistry
from imageflow_domain.masters import Item, ItemType, Master, Product, read_items
from imageflow_domain.page import Page, cut
from imageflow_domain.texts import check_text
from imageflow_pipelines.component import ports_of
from imageflow_pipelines.engine import NoModels
from imageflow_pipelines.plan import Plan
from imageflow_pipelines.spec import INPUTS
from imageflow_pipelines.values import Detections, Encoded, Measurements, Text, Value, kind_name

JUDGED_KINDS: dict[ItemType, type[Value]] = {
    ItemType.VISUAL: Detections,
    ItemType.DIMENSION: Measurements,
    ItemType.FUNCTION: Measurements,
    ItemType.TEXT: Text,
}
"""What the output must be that criteria of each type judge."""


@dataclass(frozen=True, kw_only=True)
class ItemChange:
    """How an item differs between two masters; `before` or `after` is missing where it was added or removed."""

    code: str
    before: Item | None
    after: Item | None
    fields: tuple[str, ...]
    """Those that differ, `order` included; empty where it was added or removed."""


def create_product(stores: Stores, code: str, name: str, description: str = "") -> Product:
    """Create a product; raise `Conflict` where its code is taken, `InvalidInput` for one that cannot be a name."""
    check_name(code)
    check_text(name, "A product's name", least=1, most=255)
    check_text(description, "A product's description", most=10_000)
    with stores.database.begin() as connection:
        return rows.add_product(connection, code, name, description)


def list_products(stores: Stores, *, after: str = "", limit: int = 100) -> Page[Product]:
    """Return products beyond the code `after`, by code."""
    with stores.database.begin() as connection:
        found = rows.page_of_products(connection, after=after, limit=limit + 1)
    return cut(found, limit, lambda product: product.code)


def get_product(stores: Stores, code: str) -> Product:
    """Return a product; raise `NotFound`."""
    with stores.database.begin() as connection:
        return rows.get_product(connection, code)


def list_masters(stores: Stores, product: str, *, after: int = 0, limit: int = 100) -> Page[Master]:
    """Return a product's masters beyond the version `after`, oldest first; raise `NotFound` for an unknown product."""
    with stores.database.begin() as connection:
        rows.get_product(connection, product)
        found = rows.page_of_versions(connection, product, after=after, limit=limit + 1)
    return cut(found, limit, lambda master: str(master.version))


def get_master(stores: Stores, product: str, version: int) -> Master:
    """Return one version of a product's master; raise `NotFound`."""
    with stores.database.begin() as connection:
        return rows.get(connection, product, version)


def create_draft(stores: Stores, product: str, items: Any) -> Master:
    """Begin a product's next master.

    Args:
        stores: Where it is kept.
        product: Its code.
        items: Plain data, a list of items; they may be changed until the draft is published.

    Raises:
        NotFound: For an unknown product.
        InvalidMaster: With every fault of the items and its path.
        Conflict: Where the product has a draft.
    """
    read = read_items(items)
    with stores.database.begin() as connection:
        return rows.add_draft(connection, product, read)


def change_draft(stores: Stores, product: str, version: int, items: Any, *, revision: int) -> Master:
    """Replace a draft's items.

    Args:
        stores: Where it is kept.
        product: Its code.
        version: Of the draft.
        items: As for `create_draft`.
        revision: The one that was read: a draft that was changed meanwhile is left as it is.

    Raises:
        NotFound: For an unknown master.
        InvalidMaster: With every fault of the items and its path.
        Conflict: Where it is published, or has another revision.
    """
    read = read_items(items)
    with stores.database.begin() as connection:
        return rows.change_draft(connection, product, version, read, revision)


def publish_master(
    stores: Stores, product: str, version: int, *, revision: int, models: ModelRegistry | None = None
) -> Master:
    """Publish a draft, once every item's pipeline is published, its models are registered, and it gives what is judged.

    Raises `InvalidMaster` with every fault, and as `change_draft` does.
    """
    with stores.database.begin() as connection:
        published = rows.publish(connection, product, version, revision)
        faults = list(_faults(connection, published, models or NoModels()))
        if faults:
            raise InvalidMaster("The master cannot be published:", faults)
        return published


def publish_items(
    stores: Stores, product: str, items: Any, *, models: ModelRegistry | None = None
) -> tuple[Master, bool]:
    """Publish items as a product's next master, in one step; return it, and whether it is new.

    Items that are those of the newest published master change nothing. Raises as `create_draft` and `publish_master`
    do; nothing is left of a master that cannot be published.
    """
    read = read_items(items)
    with stores.database.begin() as connection:
        rows.get_product(connection, product, lock=True)
        newest = rows.find_published(connection, product)
        if newest is not None and newest.items == read:
            return newest, False
        draft = rows.add_draft(connection, product, read)
        published = rows.publish(connection, product, draft.version, draft.revision)
        faults = list(_faults(connection, published, models or NoModels()))
        if faults:
            raise InvalidMaster("The master cannot be published:", faults)
        return published, True


def changes_of_master(stores: Stores, product: str, *, before: int, after: int) -> tuple[ItemChange, ...]:
    """Return what `compare_masters` does of two versions; raise `NotFound`."""
    with stores.database.begin() as connection:
        old, new = rows.get(connection, product, before), rows.get(connection, product, after)
    return compare_masters(old, new)


def compare_masters(before: Master, after: Master) -> tuple[ItemChange, ...]:
    """Return the items that differ between two masters, in the order of the later one, removed ones last."""
    old = {item.code: (place, item) for place, item in enumerate(before.items)}
    new = {item.code: (place, item) for place, item in enumerate(after.items)}
    changes = []
    for code, (place, item) in new.items():
        if code not in old:
            changes.append(ItemChange(code=code, before=None, after=item, fields=()))
            continue
        old_place, old_item = old[code]
        fields = [name for name in Item.model_fields if getattr(item, name) != getattr(old_item, name)]
        fields += ["order"] if place != old_place else []
        if fields:
            changes.append(ItemChange(code=code, before=old_item, after=item, fields=tuple(fields)))
    changes += [
        ItemChange(code=code, before=item, after=None, fields=()) for code, (_, item) in old.items() if code not in new
    ]
    return tuple(changes)


def _faults(connection: Connection, master: Master, models: ModelRegistry) -> Iterator[Fault]:
    if not master.items:
        yield Fault(path="items", reason="there is none: a product is inspected for something")
    for place, item in enumerate(master.items):
        try:
            wanted = plan_of(connection, find_pipeline(connection, item.pipeline))
        except ImageFlowError as error:
            yield Fault(path=f"items.{place}.pipeline", reason=str(error))
            continue
        if len(wanted.spec.inputs) != 1:
            yield Fault(path=f"items.{place}.pipeline", reason="takes several pictures; an item judges one at a time")
        yield from _model_faults(place, wanted, models)
        yield from _output_faults(place, item, wanted)


def _model_faults(place: int, wanted: Plan, models: ModelRegistry) -> Iterator[Fault]:
    for model in models_of(wanted):
        try:
            models.describe(model)
        except Unavailable:
            raise
        except ImageFlowError as error:
            yield Fault(path=f"items.{place}.pipeline", reason=str(error))


def _output_faults(place: int, item: Item, wanted: Plan) -> Iterator[Fault]:
    output = item.rule.output
    path = f"items.{place}.criteria.output"
    kind = JUDGED_KINDS[item.type]
    if output not in wanted.outputs:
        there = ", ".join(wanted.outputs)
        yield Fault(path=path, reason=f"{item.pipeline} has no output '{output}': it has {there}")
    elif (given := _kind_of(wanted, output)) is not None and given is not kind:
        yield Fault(path=path, reason=f"'{output}' is {kind_name(given)}; {item.type} judges {kind_name(kind)}")


def _kind_of(wanted: Plan, output: str) -> type[Value] | None:
    """Return the kind of an output; `None` where it is known only when it runs."""
    source = wanted.outputs[output]
    if source.step == INPUTS:
        return Encoded
    return ports_of(type(wanted.steps[source.step].component)).outputs[source.port].kind
