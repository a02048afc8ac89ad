"""What people say of pictures, in requests and responses of the API."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from imageflow_domain.inspection import MOST_PICTURES, Disagreement, Verdict, Verification


class VerificationIn(BaseModel):
    """A person's verdict on a picture, or on one item of it."""

    model_config = ConfigDict(extra="forbid")

    inspection_id: int = Field(ge=1, lt=2**63)
    """The inspection whose result the person saw."""
    place: int = Field(ge=0, lt=MOST_PICTURES)
    verdict: Literal[Verdict.PASS, Verdict.FAIL]
    inspector: str = Field(min_length=1, max_length=100)
    item: str = Field(default="", max_length=64)
    """Its code; empty for the picture as a whole."""
    notes: str = Field(default="", max_length=2000)
    seconds: float = Field(default=0.0, ge=0, le=86_400)
    """How long the person looked."""


class VerificationFacts(BaseModel):
    """What a person said."""

    id: int
    inspection_id: int
    place: int
    item: str
    """Empty for the picture as a whole."""
    verdict: Verdict
    inspector: str
    notes: str
    seconds: float
    created_at: datetime

    @classmethod
    def of(cls, verification: Verification) -> Self:
        """Give one verdict as it was given, not what the same person said later."""
        return cls(
            id=verification.id,
            inspection_id=verification.inspection_id,
            place=verification.place,
            item=verification.item,
            verdict=verification.verdict,
            inspector=verification.inspector,
            notes=verification.notes,
            seconds=verification.seconds,
            created_at=verification.created_at,
        )


class VerificationList(BaseModel):
    """Verdicts of people, newest first."""

    verifications: list[VerificationFacts]
    next: str | None
    """Give it as `after` for those that come next; null where these were the last."""


class DisagreementFacts(BaseModel):
    """A person's latest verdict that is not the pipelines'."""

    batch: str
    """As partitions are called: product, '-', name."""
    picture: str
    pipelines_said: Verdict
    verification: VerificationFacts

    @classmethod
    def of(cls, disagreement: Disagreement) -> Self:
        """Give the person's verdict in full and the pipelines' in one word."""
        return cls(
            batch=disagreement.batch,
            picture=disagreement.picture,
            pipelines_said=disagreement.pipelines_said,
            verification=VerificationFacts.of(disagreement.verification),
        )


class DisagreementList(BaseModel):
    """Disagreements, newest first."""

    disagreements: list[DisagreementFacts]
    next: str | None
    """Give it as `after` for those that come next; null where these were the last."""
