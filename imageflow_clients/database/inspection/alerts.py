"""Rows of alerts and of their deliveries. An alert of a kind is raised once for each cause."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, exists, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.inspection.schema import alert_deliveries, alerts, batches, inspections
from imageflow_domain.inspection import Alert, AlertDelivery, AlertKind, Batch


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """An alert that is to be sent to an address."""

    alert: Alert
    address: str
    attempts: int
    """Those that failed."""


def add(
    connection: Connection,
    kind: AlertKind,
    product: str | None,
    batch: int | None,
    cause: str,
    *,
    message: str,
    details: Mapping[str, Any],
    addresses: Sequence[str],
) -> Alert | None:
    """Insert an alert and what is to be delivered of it; `None` where its cause raised one before."""
    row = connection.execute(
        upsert(alerts)
        .values(kind=kind, product=product, batch_id=batch, cause=cause, message=message[:4000], details=details)
        .on_conflict_do_nothing()
        .returning(alerts)
    ).one_or_none()
    if row is None:
        return None
    if addresses:
        connection.execute(
            insert(alert_deliveries), [{"alert_id": row.id, "address": address} for address in addresses]
        )
    return _alert(row)


def page(
    connection: Connection, *, product: str | None = None, before: int | None = None, limit: int = 100
) -> tuple[Alert, ...]:
    """Return up to `limit` alerts, newest first, whose id is below `before`."""
    query = select(alerts).order_by(alerts.c.id.desc()).limit(limit)
    if product is not None:
        query = query.where(alerts.c.product == product)
    if before is not None:
        query = query.where(alerts.c.id < before)
    return tuple(_alert(row) for row in connection.execute(query))


def deliveries(connection: Connection, alert_ids: Sequence[int]) -> Mapping[int, tuple[AlertDelivery, ...]]:
    """Return what became of alerts at each of their addresses, by alert; those without addresses are left out."""
    rows = connection.execute(
        select(alert_deliveries)
        .where(alert_deliveries.c.alert_id.in_(alert_ids))
        .order_by(alert_deliveries.c.alert_id, alert_deliveries.c.address)
    )
    found: dict[int, tuple[AlertDelivery, ...]] = {}
    for row in rows:
        found[row.alert_id] = (*found.get(row.alert_id, ()), AlertDelivery(**row._mapping))
    return found


def due(connection: Connection, *, lease: timedelta, limit: int) -> tuple[Delivery, ...]:
    """Return up to `limit` deliveries that are due, the longest due first; nobody else gets them for `lease`."""
    mine = (
        select(alert_deliveries.c.alert_id, alert_deliveries.c.address)
        .where(alert_deliveries.c.next_at <= func.now())
        .order_by(alert_deliveries.c.next_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("mine")
    )
    taken = (
        update(alert_deliveries)
        .where(alert_deliveries.c.alert_id == mine.c.alert_id, alert_deliveries.c.address == mine.c.address)
        .values(next_at=func.now() + lease)
        .returning(alert_deliveries.c.alert_id, alert_deliveries.c.address, alert_deliveries.c.attempts)
        .cte("taken")
    )
    rows = connection.execute(
        select(alerts, taken.c.address, taken.c.attempts)
        .join(taken, taken.c.alert_id == alerts.c.id)
        .order_by(alerts.c.id)
    )
    return tuple(Delivery(alert=_alert(row), address=row.address, attempts=row.attempts) for row in rows)


def set_delivered(connection: Connection, delivery: Delivery) -> None:
    """Note that an alert has arrived."""
    _set(connection, delivery, delivered_at=func.now(), next_at=None, error=None)


def set_failed(connection: Connection, delivery: Delivery, error: str, *, again_in: timedelta | None) -> None:
    """Note that an alert did not arrive, and when to try again; never, for `None`."""
    _set(
        connection,
        delivery,
        attempts=delivery.attempts + 1,
        next_at=None if again_in is None else func.now() + again_in,
        error=error[:1000],
    )


@dataclass(frozen=True, kw_only=True)
class BadShare:
    """Failed and undecided pictures of a batch."""

    batch: str
    pictures: int
    bad: int


def shares_before(connection: Connection, batch: Batch, limit: int) -> tuple[BadShare, ...]:
    """Return up to `limit` other batches of a product that were closed before one, latest first, as they count now.

    Only the newest inspected version of a batch counts, and only if it was closed before: the others were replaced.
    """
    later = batches.alias()
    rows = connection.execute(
        select(batches.c.name, inspections.c.pictures, inspections.c.failed, inspections.c.undecided)
        .join(inspections, inspections.c.id == batches.c.inspection_id)
        .where(
            batches.c.product == batch.product,
            batches.c.name != batch.name,
            batches.c.id < batch.id,
            ~exists().where(
                later.c.product == batches.c.product,
                later.c.name == batches.c.name,
                later.c.version > batches.c.version,
                later.c.inspection_id.is_not(None),
            ),
        )
        .order_by(batches.c.id.desc())
        .limit(limit)
    )
    return tuple(BadShare(batch=row.name, pictures=row.pictures, bad=row.failed + row.undecided) for row in rows)


def _set(connection: Connection, delivery: Delivery, **values: Any) -> None:
    connection.execute(
        update(alert_deliveries)
        .where(alert_deliveries.c.alert_id == delivery.alert.id, alert_deliveries.c.address == delivery.address)
        .values(**values)
    )


def _alert(row: Row[Any]) -> Alert:
    return Alert(
        id=row.id,
        kind=AlertKind(row.kind),
        product=row.product,
        batch_id=row.batch_id,
        message=row.message,
        details=row.details,
        created_at=row.created_at,
    )
