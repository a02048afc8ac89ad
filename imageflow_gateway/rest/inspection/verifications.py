"""Verifications: people's verdicts of pictures, and where they disagree with the pipelines."""

from typing import Annotated

from fastapi import APIRouter, Header, Query

from imageflow_gateway.addresses import AfterId, Limit, ProductQuery
from imageflow_gateway.errors import ErrorBody
from imageflow_gateway.gateway import GatewayDep
from imageflow_gateway.rest.inspection.verifications_schema import (
    DisagreementFacts,
    DisagreementList,
    VerificationFacts,
    VerificationIn,
    VerificationList,
)
from imageflow_inspection import verifications as use_cases
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
    page = gateway.use(use_cases.list_verifications)(inspector=inspector, after=after, limit=limit)
    return VerificationList(verifications=[VerificationFacts.of(each) for each in page.items], next=page.next)


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
        gateway.use(verify)(
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
    page = gateway.use(use_cases.list_disagreements)(product=product, after=after, limit=limit)
    return DisagreementList(disagreements=[DisagreementFacts.of(each) for each in page.items], next=page.next)
