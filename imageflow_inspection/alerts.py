"""Alerts: a batch was given up, pictures failed, or quality left its limits."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from imageflow_clients.database import Connection
from imageflow_clients.database.core.event_reading import Reader, read_on
from imageflow_clients.database.inspection import alerts as rows
from imageflow_clients.database.inspection import batches, inspections
from imageflow_clients.database.inspection.alerts import BadShare, Delivery
from imageflow_clients.stores import Stores
from imageflow_clients.webhooks import Webhooks
from imageflow_domain.batch_events import Kind, batch_of
from imageflow_domain.errors import Forbidden, Unavailable
from imageflow_domain.events import Event, LoggedEvent
from imageflow_domain.inspection import Alert, AlertDelivery, AlertKind, Batch, BatchState, Inspection
from imageflow_domain.page import Page, cut

_LOOKED_BACK = 25
_FEWEST_BATCHES = 5
_FEWEST_PICTURES = 100
_SIGMAS = 3.0
_ATTEMPTS = 8
_FIRST_WAIT = timedelta(seconds=30)
_LEASE = timedelta(minutes=2)
_SENT_AT_ONCE = 20


@dataclass(frozen=True, kw_only=True)
class ControlLimits:
    """Between which shares a batch's bad pictures are as those of the batches before."""

    usual: float
    least: float
    most: float
    batches: int


def quality_limits(before: Sequence[BadShare], pictures: int) -> ControlLimits | None:
    """Return the three-sigma limits of a p-chart for a batch of that many pictures.

    `None` with fewer than 5 batches or 100 pictures before it. One more good and bad picture are assumed, half each,
    so that a product that never failed has limits too. W. A. Shewhart, Economic Control of Quality, 1931.
    """
    seen = sum(share.pictures for share in before)
    if len(before) < _FEWEST_BATCHES or seen < _FEWEST_PICTURES or pictures == 0:
        return None
    usual = (sum(share.bad for share in before) + 0.5) / (seen + 1)
    width = _SIGMAS * math.sqrt(usual * (1 - usual) / pictures)
    return ControlLimits(usual=usual, least=max(usual - width, 0.0), most=min(usual + width, 1.0), batches=len(before))


@dataclass(frozen=True, kw_only=True)
class Reason:
    """A reason for an alert about a batch."""

    kind: AlertKind
    cause: str
    """The same one raises no second alert."""
    message: str
    details: Mapping[str, object]


def reasons_of(connection: Connection, batch: Batch, inspection: Inspection) -> tuple[Reason, ...]:
    """Return the reasons for alerts of a finished inspection, by the batches before it as they count now.

    - `pictures_failed`: pictures failed or could not be judged.
    - `quality_drift`: their share left the limits of `quality_limits` over the 25 batches before, on either side.
    """
    bad = inspection.failed + inspection.undecided
    cause = f"inspection {inspection.id}"
    counts: dict[str, object] = {
        "inspection": inspection.id,
        "pictures": inspection.pictures,
        "failed": inspection.failed,
        "undecided": inspection.undecided,
    }
    reasons = []
    if bad:
        message = (
            f"{inspection.failed} of {inspection.pictures} pictures of batch '{batch.key}' failed, and "
            f"{inspection.undecided} could not be judged: look at them, and verify."
        )
        reasons.append(Reason(kind=AlertKind.PICTURES_FAILED, cause=cause, message=message, details=counts))
    limits = quality_limits(rows.shares_before(connection, batch, _LOOKED_BACK), inspection.pictures)
    share = bad / inspection.pictures if inspection.pictures else 0.0
    if limits is not None and not limits.least <= share <= limits.most:
        message = (
            f"{share:.1%} of the pictures of batch '{batch.key}' did not pass. By the {limits.batches} batches "
            f"before it, between {limits.least:.1%} and {limits.most:.1%} were to be expected (three-sigma limits "
            f"of a p-chart, usual share {limits.usual:.1%}): look for what changed in product, camera or pipeline."
        )
        details = {**counts, "share": share, "usual": limits.usual, "least": limits.least, "most": limits.most}
        reasons.append(Reason(kind=AlertKind.QUALITY_DRIFT, cause=cause, message=message, details=details))
    return tuple(reasons)


def raise_alerts(stores: Stores, *, addresses: Sequence[str] = ()) -> tuple[Alert, ...]:
    """Raise alerts of batches that were inspected or given up since the last call; return them.

    Each is raised once, also after a crash on the way: of an inspection, what `reasons_of` returns; of a batch that was
    given up, and not taken up again since, `inspection_failed`.

    Args:
        stores: Where everything is.
        addresses: Where alerts go; see `deliver_alerts`.
    """
    raised: list[Alert] = []

    def handle(connection: Connection, logged: LoggedEvent) -> None:
        batch_id = batch_of(logged.event)
        if batch_id is None or logged.event.kind not in (Kind.INSPECTED, Kind.GIVEN_UP):
            return
        batch = batches.get_many(connection, [batch_id]).get(batch_id)
        if batch is not None:  # a batch that is gone holds up no others
            raised.extend(_raise(connection, batch, logged.event, addresses))

    read_on(stores.database, Reader.ALERTS, handle)
    return tuple(raised)


def _raise(connection: Connection, batch: Batch, event: Event, addresses: Sequence[str]) -> Iterator[Alert]:
    reasons = _given_up(batch) if event.kind == Kind.GIVEN_UP else _inspected(connection, batch, event)
    for reason in reasons:
        alert = rows.add(
            connection,
            reason.kind,
            batch.product,
            batch.id,
            reason.cause,
            message=reason.message,
            details={"batch": batch.key, "version": batch.version, **reason.details},
            addresses=addresses,
        )
        if alert is not None:
            yield alert


def _given_up(batch: Batch) -> tuple[Reason, ...]:
    if batch.state is not BatchState.FAILED:
        return ()
    reason = Reason(
        kind=AlertKind.INSPECTION_FAILED,
        cause=f"attempt {batch.attempts}",
        message=f"Batch '{batch.key}' was given up after {batch.attempts} runs: {batch.reason}",
        details={"attempts": batch.attempts},
    )
    return (reason,)


def _inspected(connection: Connection, batch: Batch, event: Event) -> tuple[Reason, ...]:
    inspection = inspections.get(connection, int(str(event.data["inspection"])))
    # One that goes on again, for pictures that it could not judge, is reported once it ends again.
    return () if inspection.done_at is None else reasons_of(connection, batch, inspection)


@dataclass(frozen=True, kw_only=True)
class AlertWithDeliveries:
    """An alert, and what became of it at each of its addresses."""

    alert: Alert
    deliveries: tuple[AlertDelivery, ...]


def list_alerts(
    stores: Stores, *, product: str | None = None, after: int | None = None, limit: int = 100
) -> Page[AlertWithDeliveries]:
    """Return alerts, newest first, whose id is below `after`; of one product, if that is given."""
    with stores.database.begin() as connection:
        found = rows.page(connection, product=product, before=after, limit=limit + 1)
        page = cut(found, limit, lambda alert: str(alert.id))
        sent = rows.deliveries(connection, [alert.id for alert in page.items])
    return page.each(lambda alert: AlertWithDeliveries(alert=alert, deliveries=sent.get(alert.id, ())))


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What became of the alerts that were due."""

    arrived: int
    given_up: tuple[str, ...]
    """Those that are not sent again, in words: which, where to, why, and what it said."""


def deliver_alerts(stores: Stores, webhooks: Webhooks) -> Delivered:
    """Send what is due, at most 20 alerts.

    One that does not arrive is sent again after half a minute, then after twice that, eight times in all. Whoever dies
    in between leaves it to be sent again: receivers recognise equal ones by their id.
    """
    with stores.database.begin() as connection:
        due = rows.due(connection, lease=_LEASE, limit=_SENT_AT_ONCE)
    with ThreadPoolExecutor(_SENT_AT_ONCE, "alerts") as threads:  # one that does not answer holds up no other
        faults = list(threads.map(lambda delivery: _deliver(stores, webhooks, delivery), due))
    return Delivered(
        arrived=sum(fault is None for fault in faults),
        given_up=tuple(
            f"Alert {delivery.alert.id} is not sent to '{delivery.address}' again: {fault.reason} It said: "
            f"{delivery.alert.message}"
            for delivery, fault in zip(due, faults, strict=True)
            if fault is not None and fault.is_last
        ),
    )


@dataclass(frozen=True, kw_only=True)
class _NotSent:
    reason: str
    is_last: bool


def _deliver(stores: Stores, webhooks: Webhooks, delivery: Delivery) -> _NotSent | None:
    """Send an alert; return why it did not arrive."""
    try:
        webhooks.post(delivery.address, _body(delivery.alert))
    except (Forbidden, Unavailable) as error:
        # A refused address was taken out of the settings meanwhile.
        is_last = isinstance(error, Forbidden) or delivery.attempts + 1 >= _ATTEMPTS
        again_in = None if is_last else _FIRST_WAIT * 2**delivery.attempts
        with stores.database.begin() as connection:
            rows.set_failed(connection, delivery, str(error), again_in=again_in)
        return _NotSent(reason=str(error), is_last=is_last)
    with stores.database.begin() as connection:
        rows.set_delivered(connection, delivery)
    return None


def _body(alert: Alert) -> bytes:
    return json.dumps(
        {
            "id": alert.id,
            "kind": alert.kind.value,
            "product": alert.product,
            "message": alert.message,
            "details": alert.details,
            "created_at": alert.created_at.isoformat(),
        }
    ).encode()
