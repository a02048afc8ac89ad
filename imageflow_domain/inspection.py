"""Batches of pictures, what was judged of them by pipelines and by people, and what follows from it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from imageflow_domain.ids import check_name

MOST_PICTURES = 20_000
"""Of one batch."""

MOST_DETAILS_BYTES = 262_144
"""Of a judgement's details, as the database spells them."""


class Verdict(StrEnum):
    """Whether a picture, or one item of it, fulfils its criteria; what is `undecided` could not be judged."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    UNDECIDED = "undecided"
    """The picture could not be judged: it is damaged, or shows nothing that could be measured. People decide."""


class BatchState(StrEnum):
    """How far a batch is: `closed`, `taken` and `inspected` follow one another; `failed` was given up."""

    CLOSED = "closed"
    """All its pictures have arrived; it waits to be inspected."""
    TAKEN = "taken"
    """Its pictures are kept under their digests: changes of the upload do not change the batch."""
    INSPECTED = "inspected"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One version of a batch: uploading other pictures under the same name makes another version."""

    id: int
    product: str
    name: str
    version: int
    folder: str
    """Where it was uploaded."""
    state: BatchState
    reason: str | None
    """Why it failed."""
    listing: str
    """Digest of names, sizes and etags of the upload."""
    source_digest: str | None
    """Digest of names and contents; known once it was taken."""
    pictures: int
    bytes: int
    attempts: int
    """How many runs gave up on it."""
    retry_at: datetime | None
    """No other run is requested before then."""
    inspection_id: int | None
    """The one that counts: the latest that was completed."""
    switches: int
    """How often one came to count."""
    report_tries: int
    """How many runs failed to report it to Dagster."""
    closed_at: datetime

    @property
    def key(self) -> str:
        """Its partition: every version of the batch is one materialisation of it."""
        return batch_key(self.product, self.name)

    @property
    def run_key(self) -> str:
        """One run for each version and attempt, however often it is requested."""
        return f"{self.key}/{self.version}/{self.attempts}"


def batch_key(product: str, name: str) -> str:
    """Spell a batch as a partition's key; neither part can hold the '-'."""
    return f"{check_name(product)}-{check_name(name)}"


def parts_of_batch_key(key: str) -> tuple[str, str]:
    """Return product and name of a batch's key; raise `InvalidInput` where it is none."""
    product, _, name = key.partition("-")
    return check_name(product), check_name(name)


@dataclass(frozen=True, kw_only=True)
class RefusedBatch:
    """A manifest, folder or file that was uploaded, and is no batch."""

    key: str
    reason: str
    noticed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture of a batch."""

    place: int
    """From 0, in the order of names."""
    name: str
    key: str
    digest: str
    """SHA-256 of its bytes, in hex."""
    bytes: int


@dataclass(frozen=True, kw_only=True)
class JudgedBy:
    """Everything that an item's verdicts depend on beside the picture."""

    code: str
    type: str
    required: bool
    criteria: Mapping[str, Any]
    pipeline: str
    pipeline_digest: str
    models: Mapping[str, str]
    """Digests of the models' files by name@version."""
    images: Mapping[str, str] = field(default_factory=dict)
    """Images of components that are containers, by name@version."""

    def to_data(self) -> dict[str, Any]:
        """Return plain data; without containers it is what versions before 0.6 wrote, and so is its digest."""
        data = asdict(self)
        return data if self.images else {name: value for name, value in data.items() if name != "images"}


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """One judgement of a batch: by one master version, its pipelines and models, and one version of the code."""

    id: int
    batch_id: int
    identity: str
    """Digest of all that verdicts depend on beside the pictures."""
    master_version: int
    code_version: int
    judged_by: tuple[JudgedBy, ...]
    providers: tuple[str, ...]
    """Providers that computed its models, e.g. 'cpu', 'triton': several, where it was stopped and went on elsewhere."""
    pictures: int
    passed: int
    failed: int
    undecided: int
    seconds: float
    """Of computing, all pictures together."""
    begun_at: datetime
    done_at: datetime | None
    reported_at: datetime | None
    """When it was reported to Dagster as the one that counts."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A verdict on one item of one picture."""

    item: str
    verdict: Verdict
    confidence: float
    """0 to 1: how sure, or how far from the limits."""
    seconds: float
    details: Mapping[str, Any]
    """What was found or measured, and against which limits; `reason` where nothing could be judged."""


@dataclass(frozen=True, kw_only=True)
class PictureResult:
    """The outcome of one picture: all items, and what they make together."""

    inspection_id: int
    picture: Picture
    verdict: Verdict
    confidence: float
    """That of the least sure item that decides."""
    seconds: float
    drawn_key: str | None
    """The picture with what was found drawn on it; none for one that passed."""
    judged_at: datetime
    items: tuple[Judgement, ...]


@dataclass(frozen=True, kw_only=True)
class Verification:
    """A person's verdict of a picture, or of one item of it."""

    id: int
    inspection_id: int
    place: int
    item: str
    """Empty for the picture as a whole."""
    verdict: Verdict
    inspector: str
    notes: str
    seconds: float
    """How long the person looked."""
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """A person's latest verdict that is not the pipelines'."""

    batch: str
    picture: str
    pipelines_said: Verdict
    verification: Verification


@dataclass(frozen=True, kw_only=True)
class VerificationEvent:
    """What is reported of a batch's verifications as one event; never changes."""

    id: int
    batch_id: int
    product: str
    name: str
    version: int
    verifications: int
    """In this event."""
    verified_pictures: int
    """Of the batch, so far."""
    pictures: int
    disagreements: int
    """Pictures or items of the batch on which people and pipelines disagree, so far."""


class Period(StrEnum):
    """What counts are summed up by; days are those of UTC."""

    DAY = "day"
    WEEK = "week"
    """From Monday."""
    MONTH = "month"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Counts of one period. A key that is not grouped by is empty and summed over."""

    begins: date
    product: str
    item: str
    """Empty for pictures as a whole."""
    inspector: str
    """Empty for the pipelines."""
    judged: int
    passed: int
    failed: int
    undecided: int
    corrected: int
    """Of a person's verdicts: those that differ from the pipelines'."""
    seconds: float

    @property
    def correction_rate(self) -> float:
        """The share of a person's verdicts that differ from the pipelines', 0 to 1; 0 where there are none."""
        return self.corrected / self.judged if self.judged else 0.0


class AlertKind(StrEnum):
    """Which rule raised an alert."""

    INSPECTION_FAILED = "inspection_failed"
    """A batch was given up."""
    PICTURES_FAILED = "pictures_failed"
    """Pictures of a batch failed or could not be judged."""
    QUALITY_DRIFT = "quality_drift"
    """The share of failed pictures left the limits that the batches before it set."""
    RUN_FAILED = "run_failed"
    """A run of Dagster failed, of a survey, a batch or a job, and is not tried again by itself."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something that a person has to know or decide; sent to each address that is configured."""

    id: int
    kind: AlertKind
    product: str | None
    batch_id: int | None
    """Both none of a run that is of no batch."""
    message: str
    """What happened, by which rule, and what to do."""
    details: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class AlertDelivery:
    """The outcome of an alert at one of the addresses that it is sent to."""

    alert_id: int
    address: str
    attempts: int
    """That failed."""
    next_at: datetime | None
    """When it is sent again; none where it arrived, or was given up."""
    delivered_at: datetime | None
    error: str | None
    """Why it did not arrive, last."""
