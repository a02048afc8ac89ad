"""The form (multipart/form-data) by which a client asks for a preview, read to its request."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from anyio import to_thread
from fastapi import Request

from imageflow.client.preview_request import PreviewRequest, SampleImage, in_turn
from imageflow_domain.errors import InvalidInput, TooLarge
from imageflow_executions.preview import MOST_SAMPLES, SIDE_PX
from imageflow_gateway.capacity import FormLimits
from imageflow_gateway.parts import Part, parts
from imageflow_gateway.rest.executions.execution_form import json_of, kept_file, text_of

TEXTS: Final = ("session", "step", "longest_side_px")
JSON: Final = ("spec", "samples")


@dataclass
class PreviewForm:
    """The parts of a form so far, within limits."""

    limits: FormLimits
    texts: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    files: list[tuple[str, IO[bytes]]] = field(default_factory=list)
    """Images by name, in their order; large ones lie on disk until the form is complete."""

    def close(self) -> None:
        """Forget the images."""
        for _, file in self.files:
            file.close()

    def take(self, part: Part) -> None:
        """Take a part; raise `InvalidInput` for one that is not known, or comes twice."""
        name = part.name
        if name in self.texts or name in self.values:
            raise InvalidInput(f"The form has two parts '{name[:80]}': send one.")
        if name in TEXTS:
            self.texts[name] = text_of(part, self.limits)
        elif name in JSON:
            self.values[name] = json_of(part, self.limits)
        elif part.file_name is None:
            known = ", ".join((*TEXTS, *JSON))
            raise InvalidInput(f"The form has a part '{name[:80]}' that is no file: fields are {known}.")
        elif len(self.files) == (most := self.limits.images * MOST_SAMPLES):
            raise TooLarge(f"The form has more than {most} images: send fewer samples.")
        else:
            self.files.append((name, kept_file(part)))

    def request(self) -> PreviewRequest:
        """Return what the client asks for; reads files."""
        missing = [name for name in ("session", "step") if not self.texts.get(name)]
        if missing or not isinstance(self.values.get("spec"), dict):
            raise InvalidInput("A preview needs 'session' (a name for the client), 'spec' (JSON) and 'step'.")
        side = self.texts.get("longest_side_px", str(SIDE_PX))
        if not side.isascii() or not side.isdigit() or len(side) > 9:
            raise InvalidInput("'longest_side_px' is a whole number.")
        return PreviewRequest(
            session=self.texts["session"],
            spec=self.values["spec"],
            step=self.texts["step"],
            samples=self._samples([(name, SampleImage.of(file.read())) for name, file in self.files]),
            longest_side_px=int(side),
        )

    def _samples(self, sent: Sequence[tuple[str, SampleImage]]) -> Sequence[Mapping[str, SampleImage]]:
        """Return the images of each sample: as `samples` names them, or as they were sent."""
        if "samples" not in self.values:
            return in_turn(sent)
        data = {image.sha256: image for _, image in sent}
        return [
            {name: data.get(digest, SampleImage(sha256=digest, data=None)) for name, digest in sample.items()}
            for sample in _digests(self.values["samples"])
        ]


def _digests(value: Any) -> Sequence[Mapping[str, str]]:
    if not isinstance(value, list) or not all(
        isinstance(sample, dict) and all(isinstance(digest, str) for digest in sample.values()) for sample in value
    ):
        raise InvalidInput("'samples' is a JSON list of objects: the SHA-256 of each sample's images, by input.")
    return value


@asynccontextmanager
async def read_preview_form(
    request: Request, limits: FormLimits, *, most_bytes: int, scratch: Path
) -> AsyncIterator[PreviewForm]:
    """Give the form of a request; raise as `parts` does, and as `PreviewForm.take` does."""
    form = PreviewForm(limits)
    try:
        async for part in parts(request, most_bytes=most_bytes, scratch=scratch):
            await to_thread.run_sync(form.take, part)
        yield form
    finally:
        form.close()
