"""What is sent to ask for a preview, the same over every protocol."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imageflow.client.request import Image, read_image
from imageflow.v1.limits import IMAGE

Sample = Image | Mapping[str, Image]
"""An image, or one for each input of the pipeline."""


@dataclass(frozen=True, kw_only=True)
class SampleImage:
    """An encoded image that a preview names by its digest."""

    sha256: str
    """In hex."""
    data: bytes | None
    """Its bytes; `None` where the server has to have them already."""

    @classmethod
    def of(cls, data: bytes) -> "SampleImage":
        """Return the sample of an image's bytes."""
        return cls(sha256=hashlib.sha256(data).hexdigest(), data=data)


@dataclass(frozen=True, kw_only=True)
class PreviewRequest:
    """A preview to compute."""

    session: str
    """Of its requests only the newest goes on."""
    spec: Mapping[str, Any]
    step: str
    samples: Sequence[Mapping[str, SampleImage]]
    """By input of the pipeline."""
    longest_side_px: int

    def images(self) -> Iterator[bytes]:
        """Yield each image whose bytes are known, once."""
        yield from {
            image.sha256: image.data for sample in self.samples for image in sample.values() if image.data is not None
        }.values()


def preview_request(
    samples: Sample | Sequence[Sample], *, session: str, spec: Mapping[str, Any], step: str, longest_side_px: int
) -> PreviewRequest:
    """Return the request; raise `NotFound` or `InvalidInput` for a file that cannot be read."""
    several = (samples,) if isinstance(samples, bytes | str | Path | Mapping) else samples
    return PreviewRequest(
        session=session,
        spec=spec,
        step=step,
        samples=[
            {name: SampleImage.of(read_image(image)) for name, image in _named(sample).items()} for sample in several
        ],
        longest_side_px=longest_side_px,
    )


def in_turn(images: Iterable[tuple[str, SampleImage]]) -> Sequence[Mapping[str, SampleImage]]:
    """Return samples of images with the names of inputs: the first image of each name is in the first sample."""
    samples: list[dict[str, SampleImage]] = []
    counts: Counter[str] = Counter()
    for name, image in images:
        place = counts[name]
        counts[name] += 1
        if place == len(samples):
            samples.append({})
        samples[place][name] = image
    return samples


def _named(sample: Sample) -> Mapping[str, Image]:
    return sample if isinstance(sample, Mapping) else {IMAGE: sample}
