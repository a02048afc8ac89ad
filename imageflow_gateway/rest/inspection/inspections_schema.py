"""Inspections and their results in the API."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel
from typing_extensions import override

from imageflow_domain.inspection import Inspection, JudgedBy, Judgement, Verdict
from imageflow_gateway.rest.inspection.verifications_schema import VerificationFacts
from imageflow_inspection.results import FoundResult, ResultInFull


class Counts(BaseModel):
    """Pictures by verdict."""

    pictures: int
    passed: int
    failed: int
    undecided: int


class JudgeFacts(BaseModel):
    """What an item's verdicts depend on beside the picture."""

    item: str
    type: str
    required: bool
    criteria: dict[str, Any]
    pipeline: str
    pipeline_digest: str
    models: dict[str, str]
    """Digests of the models' files by name@version."""
    images: dict[str, str]
    """Images of components that are containers, by name@version."""

    @classmethod
    def of(cls, by: JudgedBy) -> Self:
        """Name what the inspection used, not what was published since."""
        return cls(
            item=by.code,
            type=by.type,
            required=by.required,
            criteria=dict(by.criteria),
            pipeline=by.pipeline,
            pipeline_digest=by.pipeline_digest,
            models=dict(by.models),
            images=dict(by.images),
        )


class InspectionSummary(BaseModel):
    """One judgement of a batch."""

    id: int
    batch_id: int
    master_version: int
    code_version: int
    counts: Counts | None
    """Null until it is done."""
    seconds: float
    """Of computing, all pictures together; 0 until it is done."""
    begun_at: datetime
    done_at: datetime | None

    @classmethod
    def of(cls, inspection: Inspection) -> Self:
        """Withhold the counts until the inspection is done."""
        return cls.model_validate(_summary(inspection))


class InspectionDetail(InspectionSummary):
    """One judgement of a batch, and by what it was made."""

    identity: str
    """Digest of all that verdicts depend on beside the pictures."""
    judged_by: list[JudgeFacts]
    providers: list[str]
    """Providers that computed its models, e.g. 'cpu', 'triton'."""

    @classmethod
    @override
    def of(cls, inspection: Inspection) -> Self:
        return cls.model_validate(
            {
                **_summary(inspection),
                "identity": inspection.identity,
                "judged_by": [JudgeFacts.of(by) for by in inspection.judged_by],
                "providers": list(inspection.providers),
            }
        )


class ResultLinks(BaseModel):
    """Addresses of a result."""

    self: str
    picture: str
    marked: str | None
    """With what was found drawn on it; null where the picture passed."""


class ResultSummary(BaseModel):
    """The outcome of one picture."""

    inspection_id: int
    place: int
    """From 0, in the order of the batch's pictures."""
    batch_id: int
    product: str
    batch: str
    batch_version: int
    picture: str
    """Its name."""
    digest: str
    """SHA-256 of its bytes."""
    verdict: Verdict
    confidence: float
    seconds: float
    judged_at: datetime
    items: dict[str, Verdict]
    links: ResultLinks

    @classmethod
    def of(cls, found: FoundResult) -> Self:
        """Spell the links by the inspection's id and the picture's place in it."""
        return cls.model_validate(_result(found))


class ItemResult(BaseModel):
    """A verdict on one item."""

    item: str
    verdict: Verdict
    confidence: float
    seconds: float
    details: dict[str, Any]
    """What was found or measured, and against which limits; `reason` where nothing could be judged."""
    artefacts: str
    """Where what each step gave is listed."""

    @classmethod
    def of(cls, judgement: Judgement, address: str) -> Self:
        """Spell `artefacts` below `address`, that of the picture's result."""
        return cls(
            artefacts=f"{address}/items/{judgement.item}/artefacts",
            item=judgement.item,
            verdict=judgement.verdict,
            confidence=judgement.confidence,
            seconds=judgement.seconds,
            details=dict(judgement.details),
        )


class ResultDetail(ResultSummary):
    """The outcome of one picture, and why."""

    judgements: list[ItemResult]
    verifications: list[VerificationFacts]
    """What people said of it, oldest first."""

    @classmethod
    def in_full(cls, in_full: ResultInFull) -> Self:
        """Add every item's judgement and every person's verdict to the summary."""
        found = in_full.found
        return cls.model_validate(
            {
                **_result(found),
                "judgements": [ItemResult.of(each, _address(found)) for each in found.result.items],
                "verifications": [VerificationFacts.of(each) for each in in_full.verifications],
            }
        )


class ResultList(BaseModel):
    """Results, those of the newest inspection first."""

    results: list[ResultSummary]
    next: str | None
    """Give it as `after` for those that come next; null where these were the last."""


def counts_of(inspection: Inspection) -> Counts:
    """Return how many pictures have which verdict; final once the inspection is done."""
    return Counts(
        pictures=inspection.pictures,
        passed=inspection.passed,
        failed=inspection.failed,
        undecided=inspection.undecided,
    )


def _summary(inspection: Inspection) -> dict[str, object]:
    return {
        "id": inspection.id,
        "batch_id": inspection.batch_id,
        "master_version": inspection.master_version,
        "code_version": inspection.code_version,
        "counts": counts_of(inspection) if inspection.done_at else None,
        "seconds": inspection.seconds,
        "begun_at": inspection.begun_at,
        "done_at": inspection.done_at,
    }


def _address(found: FoundResult) -> str:
    return f"/api/v1/inspections/{found.result.inspection_id}/results/{found.result.picture.place}"


def _result(found: FoundResult) -> dict[str, object]:
    result, batch = found.result, found.batch
    address = _address(found)
    return {
        "inspection_id": result.inspection_id,
        "place": result.picture.place,
        "batch_id": batch.id,
        "product": batch.product,
        "batch": batch.name,
        "batch_version": batch.version,
        "picture": result.picture.name,
        "digest": result.picture.digest,
        "verdict": result.verdict,
        "confidence": result.confidence,
        "seconds": result.seconds,
        "judged_at": result.judged_at,
        "items": {each.item: each.verdict for each in result.items},
        "links": ResultLinks(
            self=address, picture=f"{address}/picture", marked=f"{address}/marked" if result.drawn_key else None
        ),
    }
