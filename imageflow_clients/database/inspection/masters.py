"""Rows of products and of their masters. A published master is never written again."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.inspection.schema import master_items, masters, products
from imageflow_domain.errors import Conflict, NotFound
from imageflow_domain.masters import Item, Master, MasterState, Product


def add_product(connection: Connection, code: str, name: str, description: str) -> Product:
    """Insert a product; raise `Conflict` where its code is taken."""
    row = connection.execute(
        upsert(products)
        .values(code=code, name=name, description=description)
        .on_conflict_do_nothing()
        .returning(products)
    ).one_or_none()
    if row is None:
        raise Conflict(f"There is a product '{code}' already: choose another code.")
    return Product(**row._mapping)


def get_product(connection: Connection, code: str, *, lock: bool = False) -> Product:
    """Return a product; raise `NotFound`.

    Args:
        connection: In a transaction.
        code: Of the product.
        lock: Other calls with it wait until the transaction ends.
    """
    query = select(products).where(products.c.code == code)
    row = connection.execute(query.with_for_update(key_share=True) if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"There is no product '{code}': create it first.")
    return Product(**row._mapping)


def page_of_products(connection: Connection, *, after: str = "", limit: int = 100) -> tuple[Product, ...]:
    """Return up to `limit` products beyond the code `after`, by code."""
    rows = connection.execute(select(products).where(products.c.code > after).order_by(products.c.code).limit(limit))
    return tuple(Product(**row._mapping) for row in rows)


def add_draft(connection: Connection, product: str, items: Sequence[Item]) -> Master:
    """Insert a draft under the next version; raise `Conflict` where the product has one."""
    get_product(connection, product)
    last = connection.execute(select(func.max(masters.c.version)).where(masters.c.product == product)).scalar_one()
    version = (last or 0) + 1
    begun = connection.execute(
        upsert(masters)
        .values(product=product, version=version, state=MasterState.DRAFT)
        .on_conflict_do_nothing()
        .returning(masters.c.version)
    ).one_or_none()
    if begun is None:
        raise Conflict(f"The master of '{product}' has a draft already: change that one, or publish it first.")
    _write_items(connection, product, version, items)
    return get(connection, product, version)


def change_draft(connection: Connection, product: str, version: int, items: Sequence[Item], revision: int) -> Master:
    """Replace a draft's items.

    Raises:
        NotFound: Where there is no such master.
        Conflict: Where it is published, or has another revision than the one that was read.
    """
    changed = connection.execute(
        update(masters)
        .where(
            masters.c.product == product,
            masters.c.version == version,
            masters.c.state == MasterState.DRAFT,
            masters.c.revision == revision,
        )
        .values(revision=revision + 1, updated_at=func.now())
    ).rowcount
    if not changed:
        _refuse(get(connection, product, version))
    connection.execute(delete(master_items).where(master_items.c.product == product, master_items.c.version == version))
    _write_items(connection, product, version, items)
    return get(connection, product, version)


def publish(connection: Connection, product: str, version: int, revision: int) -> Master:
    """Publish a draft; raises as `change_draft` does."""
    changed = connection.execute(
        update(masters)
        .where(
            masters.c.product == product,
            masters.c.version == version,
            masters.c.state == MasterState.DRAFT,
            masters.c.revision == revision,
        )
        .values(state=MasterState.PUBLISHED, updated_at=func.now(), published_at=func.now())
    ).rowcount
    if not changed:
        _refuse(get(connection, product, version))
    return get(connection, product, version)


def get(connection: Connection, product: str, version: int) -> Master:
    """Return a master; raise `NotFound`."""
    row = connection.execute(
        select(masters).where(masters.c.product == product, masters.c.version == version)
    ).one_or_none()
    if row is None:
        raise NotFound(f"The master of '{product}' has no version {version}.")
    return _master(connection, row)


def find_published(connection: Connection, product: str) -> Master | None:
    """Return the newest published master of a product, if there is one."""
    row = connection.execute(
        select(masters)
        .where(masters.c.product == product, masters.c.state == MasterState.PUBLISHED)
        .order_by(masters.c.version.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else _master(connection, row)


def published_versions(connection: Connection) -> Mapping[str, int]:
    """Return the newest published master's version of every product that has one, products in order."""
    rows = connection.execute(
        select(masters.c.product, func.max(masters.c.version).label("version"))
        .where(masters.c.state == MasterState.PUBLISHED)
        .group_by(masters.c.product)
        .order_by(masters.c.product)
    )
    return {row.product: row.version for row in rows}


def products_with_masters(connection: Connection, codes: Sequence[str]) -> frozenset[str]:
    """Return those of `codes` that are products with a published master."""
    return frozenset(
        connection.execute(
            select(masters.c.product)
            .where(masters.c.product.in_(codes), masters.c.state == MasterState.PUBLISHED)
            .distinct()
        ).scalars()
    )


def page_of_versions(connection: Connection, product: str, *, after: int = 0, limit: int = 100) -> tuple[Master, ...]:
    """Return up to `limit` masters of a product beyond the version `after`, oldest first."""
    rows = connection.execute(
        select(masters)
        .where(masters.c.product == product, masters.c.version > after)
        .order_by(masters.c.version)
        .limit(limit)
    ).all()
    return tuple(_master(connection, row) for row in rows)


def _refuse(found: Master) -> None:
    if found.state is MasterState.PUBLISHED:
        raise Conflict(
            f"Version {found.version} of the master of '{found.product}' is published and never changes: "
            "begin a new draft."
        )
    raise Conflict(
        f"Another person changed the draft of '{found.product}' meanwhile (it is at revision {found.revision} now): "
        "read it again, then make your change."
    )


def _write_items(connection: Connection, product: str, version: int, items: Sequence[Item]) -> None:
    if items:
        connection.execute(
            insert(master_items),
            [
                {"product": product, "version": version, "place": place, **item.model_dump(mode="json")}
                for place, item in enumerate(items)
            ],
        )


def _master(connection: Connection, row: Row[Any]) -> Master:
    items = connection.execute(
        select(master_items)
        .where(master_items.c.product == row.product, master_items.c.version == row.version)
        .order_by(master_items.c.place)
    )
    return Master(
        product=row.product,
        version=row.version,
        state=MasterState(row.state),
        revision=row.revision,
        items=tuple(
            Item(
                code=each.code,
                name=each.name,
                type=each.type,
                pipeline=each.pipeline,
                criteria=each.criteria,
                required=each.required,
            )
            for each in items
        ),
        updated_at=row.updated_at,
        published_at=row.published_at,
    )
