"""What the steps of a pipeline gave for a picture, in the API."""

from typing import Self

from pydantic import BaseModel

from imageflow_inspection.artefacts import Artefact, Failed


class ArtefactFacts(BaseModel):
    """What a step gave at one of its outputs."""

    step: str
    output: str
    kind: str
    """Such as `image` or `measurements`."""
    media_type: str
    bytes: int
    sha256: str
    """Of the bytes that `href` answers."""
    href: str

    @classmethod
    def of(cls, made: Artefact, address: str) -> Self:
        """Spell `href` below `address`, that of all artefacts of the item."""
        return cls(
            step=made.step,
            output=made.output,
            kind=made.kind,
            media_type=made.media_type,
            bytes=len(made.data),
            sha256=made.sha256,
            href=f"{address}/{made.step}/{made.output}",
        )


class FailedStep(BaseModel):
    """A step that gave nothing."""

    step: str
    problem: str

    @classmethod
    def of(cls, failed: Failed) -> Self:
        """Give the reason in words for people."""
        return cls(step=failed.step, problem=failed.why)


class ArtefactList(BaseModel):
    """What every step gave that an item's verdict needed, in their order."""

    artefacts: list[ArtefactFacts]
    failed: list[FailedStep]
    """Steps that could not be done; those behind them are left out."""
