"""Verifications: what people say of pictures, and where they disagree with the pipelines."""

from typing import Annotated

from fastapi import APIRouter, Header, Query

from imageflow_clients.database.inspection import verifications as rows
from imageflow_gateway.addresses import AfterId, GatewayDep, Limit, ProductQuery
from imageflow_gateway.errors import ErrorBody
from imageflow_gateway.schemas.pages import cut
from imageflow_gateway.schemas.verifications import (
    DisagreementFacts,
    DisagreementList,
    VerificationFacts,
    VerificationIn,
    VerificationList,
)
from imageflow_inspection.verify import verify

router = APIRouter(prefix="/api/v1/verifications", tags=["inspections"])

_Once = Annotated[
    str | None,
    Header(
        alias="idempotency-key",
        min_length=1,
        max_length=200,
        description="The same verdict under the same key is kept once, however often it is sent.",
    ),
]


@router.get("", summary="List verdicts of people")
def list_verifications(
    gateway: GatewayDep,
    inspector: Annotated[str | None, Query(min_length=1, max_length=100, description="Only of this person.")] = None,
    after: AfterId = None,
    limit: Limit = 100,
) -> VerificationList:
    """Newest first."""
    with gateway.stores.database.begin() as connection:
        found = rows.page(connection, inspector=_storable(inspector), before=after, limit=limit + 1)
    shown, following = cut(found, limit, lambda each: str(each.id))
    return VerificationList(verifications=[VerificationFacts.of(each) for each in shown], next=following)


@router.post(
    "",
    status_code=201,
    summary="Say what a picture is",
    responses={409: {"model": ErrorBody, "description": "The idempotency key stands for another verdict."}},
)
def add_verification(said: VerificationIn, gateway: GatewayDep, idempotency_key: _Once = None) -> VerificationFacts:
    """Keep a person's verdict on a picture, or on one item of it; the latest counts, and all are kept.

    It names the inspection that the person saw: what is judged anew meanwhile stays unverified.
    """
    return VerificationFacts.of(
        verify(
            gateway.stores,
            said.inspection_id,
            said.place,
            said.verdict,
            inspector=said.inspector,
            item=said.item,
            notes=said.notes,
            seconds=said.seconds,
            request_id=idempotency_key,
        )
    )


@router.get("/disagreements", summary="Where people and pipelines disagree")
def list_disagreements(
    gateway: GatewayDep, product: ProductQuery = None, after: AfterId = None, limit: Limit = 100
) -> DisagreementList:
    """Latest verdicts of people that are not the pipelines', newest first; only inspections that count."""
    with gateway.stores.database.begin() as connection:
        found = rows.disagreements(connection, product=product, before=after, limit=limit + 1)
    shown, following = cut(found, limit, lambda each: str(each.verification.id))
    return DisagreementList(disagreements=[DisagreementFacts.of(each) for each in shown], next=following)


def _storable(name: str | None) -> str | None:
    """Return a name that a database can look for; nobody is called otherwise."""
    return name and name.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
