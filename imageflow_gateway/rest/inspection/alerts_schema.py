"""Alerts in the API."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from imageflow_domain.inspection import AlertKind
from imageflow_inspection.alerts import AlertWithDeliveries


class DeliveryFacts(BaseModel):
    """What became of an alert at one address."""

    address: str
    attempts: int
    """That failed."""
    delivered_at: datetime | None
    next_at: datetime | None
    """When it is sent again; null where it arrived, or was given up."""
    error: str | None
    """Why it did not arrive, last."""


class AlertFacts(BaseModel):
    """What happened, by which rule, and what to do."""

    id: int
    kind: AlertKind
    product: str | None
    batch_id: int | None
    """Both null for a failed run that is of no batch; `details` names its survey or job."""
    message: str
    details: dict[str, Any]
    created_at: datetime
    deliveries: list[DeliveryFacts]

    @classmethod
    def of(cls, found: AlertWithDeliveries) -> Self:
        """Give the alert one delivery for each of its addresses."""
        alert = found.alert
        return cls(
            id=alert.id,
            kind=alert.kind,
            product=alert.product,
            batch_id=alert.batch_id,
            message=alert.message,
            details=dict(alert.details),
            created_at=alert.created_at,
            deliveries=[
                DeliveryFacts(
                    address=each.address,
                    attempts=each.attempts,
                    delivered_at=each.delivered_at,
                    next_at=each.next_at,
                    error=each.error,
                )
                for each in found.deliveries
            ],
        )


class AlertList(BaseModel):
    """Alerts, newest first."""

    alerts: list[AlertFacts]
    next: str | None
    """Give it as `after` for those that come next; null where these were the last."""
