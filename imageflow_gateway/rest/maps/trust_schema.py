"""What can be said for and against a survey, in the API."""

from typing import Self

from pydantic import BaseModel, Field

from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Cell
from imageflow_domain.placement import PlacementStatus
from imageflow_gateway.rest.maps.findings_schema import FindingFacts, finding_facts
from imageflow_surveys import trust_report
from imageflow_surveys.trust_report import ReportedSurvey, Seam, TrustReport


class Bin(BaseModel):
    """One bar of a distribution."""

    at_least: float
    below: float | None
    """Exclusive; null for no bound."""
    count: int

    @classmethod
    def of(cls, one: trust_report.Bin) -> Self:
        """Keep the bounds in the report's unit: pixels of a misclosure, or a share of equal pixels."""
        return cls(at_least=one.at_least, below=one.below, count=one.count)


class Loops(BaseModel):
    """Loops of neighbouring offsets: right ones add up to nothing."""

    closed: int
    open: int
    misclosures: list[Bin]
    """Open loops by how far they are off, in pixels: the longer of both axes."""


class Seams(BaseModel):
    """Verified offsets between neighbours, by how well the overlap agrees there."""

    offsets: int
    decisive: int
    """Whose overlap agrees at that offset only."""
    dropped: int
    """That the solve could not keep."""
    mean_agreement: float | None
    worst_agreement: float | None
    agreements: list[Bin]
    """By the share of compared pixels that are exactly equal, 0 to 1."""


class SeamPictures(BaseModel):
    """The same place as two screenshots show it: pictures of equal size."""

    row: int
    col: int
    """Of the neighbour."""
    agreement: float | None
    """Null where no offset between the two was verified."""
    width: int
    height: int
    own: str | None
    neighbour: str | None
    """Null once one of the screenshots was deleted."""

    @classmethod
    def of(cls, survey: str, cell: Cell, seam: Seam) -> Self:
        """Spell the addresses of the picture that `cell` shows, and of the neighbour's."""

        def address(one: Cell, other: Cell) -> str | None:
            return (
                f"/api/v1/surveys/{survey}/seams/{one.row}/{one.col}/{other.row}/{other.col}.webp"
                if seam.kept
                else None
            )

        return cls(
            row=seam.other.row,
            col=seam.other.col,
            agreement=seam.pair.agreement if seam.pair else None,
            width=seam.size.width_px,
            height=seam.size.height_px,
            own=address(cell, seam.other),
            neighbour=address(seam.other, cell),
        )


class FidelityFacts(BaseModel):
    """How alike screenshots show one place, and how exactly they are placed."""

    lossless: bool
    noise: float | None
    """Standard deviation of the difference of two screenshots' brightness, in grey levels; null: they are equal."""
    whole_pixels: bool
    """False where scaling made the true offsets fractional."""
    promise_px: float
    """How far from its neighbours' an anchored screenshot may lie."""
    largest_sigma_px: float
    """Of the anchored screenshots' standard errors against the survey's middle; 0 without loss."""
    text: str
    """The same in English, as the command line says it."""
    overlays: list[Rect]
    """What stands still in every screenshot while the map moves; looked for only where screenshots are lossy."""

    @classmethod
    def of(cls, report: TrustReport) -> Self:
        """Give the promise and the largest error that the report found."""
        fidelity = report.fidelity
        return cls(
            lossless=fidelity.is_lossless,
            noise=fidelity.noise,
            whole_pixels=fidelity.whole_pixels,
            promise_px=fidelity.promise_px,
            largest_sigma_px=report.largest_sigma_px,
            text=str(fidelity),
            overlays=list(report.overlays),
        )


class WorstShot(BaseModel):
    """A screenshot that is least surely placed."""

    row: int
    col: int
    x: int
    y: int
    status: PlacementStatus
    confidence: float
    sigma_px: float
    """Standard error of the place against the survey's middle; 0 where pixels are exact."""
    group: int
    """0: tied to the map by verified offsets."""
    weakest_agreement: float | None
    """Of its verified offsets; null where it has none."""
    seam: SeamPictures | None
    """Along its weakest seam, or its longest where none was verified; null where no neighbour overlaps it."""


class TrustFacts(BaseModel):
    """What can be said for and against a placed survey."""

    survey: str
    withheld: str | None
    """Why the map is not published, in words for people; null where nothing holds it back."""
    screenshots: int
    anchored: int
    ambiguous: int
    unplaced: int
    anchored_share: float = Field(ge=0, le=1)
    fidelity: FidelityFacts
    findings: list[FindingFacts]
    """By the names that Dagster's asset checks have."""
    loops: Loops
    seams: Seams
    worst: list[WorstShot]

    @classmethod
    def of(cls, found: ReportedSurvey) -> Self:
        """Count all screenshots, those without a place included."""
        survey, report = found.survey, found.report
        count = report.count
        screenshots = sum(count.values())
        return cls(
            survey=survey.id,
            withheld=survey.withheld,
            screenshots=screenshots,
            anchored=count[PlacementStatus.ANCHORED],
            ambiguous=count[PlacementStatus.AMBIGUOUS],
            unplaced=count[PlacementStatus.UNPLACED],
            anchored_share=count[PlacementStatus.ANCHORED] / screenshots if screenshots else 0.0,
            fidelity=FidelityFacts.of(report),
            findings=[finding_facts(found) for found in report.findings],
            loops=Loops(
                closed=report.loops_closed,
                open=report.loops_open,
                misclosures=[Bin.of(one) for one in report.misclosures],
            ),
            seams=Seams(
                offsets=report.offsets,
                decisive=report.decisive,
                dropped=report.dropped,
                mean_agreement=report.mean_agreement,
                worst_agreement=report.worst_agreement,
                agreements=[Bin.of(one) for one in report.agreements],
            ),
            worst=[
                WorstShot(
                    row=shot.placement.cell.row,
                    col=shot.placement.cell.col,
                    x=shot.placement.x_px,
                    y=shot.placement.y_px,
                    status=shot.placement.status,
                    confidence=shot.placement.confidence,
                    sigma_px=shot.placement.sigma_px,
                    group=shot.placement.group,
                    weakest_agreement=shot.weakest.agreement if shot.weakest else None,
                    seam=SeamPictures.of(survey.id, shot.placement.cell, shot.seam) if shot.seam else None,
                )
                for shot in report.worst
            ],
        )
