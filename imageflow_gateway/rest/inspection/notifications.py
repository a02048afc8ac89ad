"""Notifications of the bucket that holds the uploads."""

from datetime import UTC, datetime

from fastapi import APIRouter

from imageflow_gateway.gateway import GatewayDep
from imageflow_gateway.rest.inspection.notifications_schema import Closed, NotificationIn
from imageflow_inspection.notifications import close_marked

router = APIRouter(prefix="/api/v1/notifications", tags=["batches"])


@router.post("", status_code=202, summary="Take a notification of the bucket")
def take_notification(notification: NotificationIn, gateway: GatewayDep) -> Closed:
    """Close each batch whose `uploads/inspection/{product}/{batch}/_DONE` was written; ignore everything else.

    The body is what S3 and MinIO send. The same notification again changes nothing.
    """
    return Closed.of(gateway.use(close_marked)(notification.created(), now=datetime.now(UTC)))
