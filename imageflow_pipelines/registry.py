"""Every component, by name and version. A released version never changes: specs that name it stay reproducible.

To change what a component gives, copy its file to `components/<name>_v2.py`, raise `version` there, say in `changes`
what differs, and add a line here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import cleandoc
from typing import Any

from imageflow_domain.errors import NotFound
from imageflow_pipelines.component import Component, ports_of
from imageflow_pipelines.components.aggregate import Aggregate
from imageflow_pipelines.components.align import Align
from imageflow_pipelines.components.anomaly import Anomaly
from imageflow_pipelines.components.barcodes import Barcodes
from imageflow_pipelines.components.barcodes_v2 import BarcodesV2
from imageflow_pipelines.components.binarise import Binarise
from imageflow_pipelines.components.blobs import Blobs
from imageflow_pipelines.components.blur import Blur
from imageflow_pipelines.components.branch import Branch
from imageflow_pipelines.components.classify import Classify
from imageflow_pipelines.components.colour import Colour
from imageflow_pipelines.components.contours import Contours
from imageflow_pipelines.components.contours_v2 import ContoursV2
from imageflow_pipelines.components.crop import Crop
from imageflow_pipelines.components.decode import Decode
from imageflow_pipelines.components.decode_v2 import DecodeV2
from imageflow_pipelines.components.detect import Detect
from imageflow_pipelines.components.dimensions import Dimensions
from imageflow_pipelines.components.edges import Edges
from imageflow_pipelines.components.encode import Encode
from imageflow_pipelines.components.equalise import Equalise
from imageflow_pipelines.components.feature_match import FeatureMatch
from imageflow_pipelines.components.marker_scale import MarkerScale
from imageflow_pipelines.components.merge import Merge
from imageflow_pipelines.components.morphology import Morphology
from imageflow_pipelines.components.overlay import Overlay
from imageflow_pipelines.components.perspective import Perspective
from imageflow_pipelines.components.resize import Resize
from imageflow_pipelines.components.rotate import Rotate
from imageflow_pipelines.components.sharpen import Sharpen
from imageflow_pipelines.components.template_match import TemplateMatch
from imageflow_pipelines.components.threshold import Threshold
from imageflow_pipelines.components.to_original import ToOriginal
from imageflow_pipelines.values import kind_name


@dataclass(frozen=True)
class Release:
    """A component as it was published."""

    component: type[Component]
    golden: str
    """Digest of what it gives for its sample in `tests/pipelines/samples.py`; empty for a container component."""


class Registry:
    """Components by `name@version`; raises `ValueError` for two of the same."""

    def __init__(self, releases: Iterable[Release]) -> None:
        self._releases: dict[str, Release] = {}
        for each in releases:
            other = self._releases.setdefault(each.component.reference(), each)
            if other is not each:
                classes = f"{other.component.__name__} and {each.component.__name__}"
                raise ValueError(f"{classes} are both {each.component.reference()}: change `name` or `version` of one.")

    def __iter__(self) -> Iterator[Release]:
        return iter(self._releases.values())

    def with_containers(self, components: Iterable[type[Component]]) -> "Registry":
        """Return a registry that also has container components.

        Where a later program ships a component of the same name and version, the registered container stays the one
        that is meant: pipelines that use it are published.
        """
        extended = Registry(self)
        extended._releases.update({each.reference(): Release(each, golden="") for each in components})
        return extended

    def has_name(self, name: str) -> bool:
        """Return whether any version of a component has that name."""
        return any(release.component.name == name for release in self)

    def has(self, reference: str) -> bool:
        """Return whether there is a component of `name@version`."""
        return reference in self._releases

    def find(self, reference: str) -> type[Component]:
        """Return the component of `name@version`; raise `NotFound`, which names the nearest."""
        if reference in self._releases:
            return self._releases[reference].component
        near = get_close_matches(reference, self._releases, n=3, cutoff=0.5) or sorted(self._releases)
        raise NotFound(f"There is no component '{reference}': there is {', '.join(near)}.")

    def newer(self, reference: str) -> tuple[type[Component], ...]:
        """Return the later versions of the component of `name@version`, oldest first; none for an unknown name."""
        name, _, version = reference.partition("@")
        known = (release.component for release in self if release.component.name == name)
        return tuple(sorted((each for each in known if each.version > int(version)), key=lambda each: each.version))


RELEASED = Registry(
    (
        Release(Decode, golden="ca30c64f0b806a58f1c985246e3abdc5"),
        Release(DecodeV2, golden="a650750ef061b6b73a6440035cbee814"),
        Release(Encode, golden="24e3fe24c6d4a9e84758ac466056f8ac"),
        Release(Resize, golden="3d2cd1dc2330cb9480b8ac2d7fecbf52"),
        Release(Crop, golden="340285f604f62ef3ad722e3032c27fd6"),
        Release(Rotate, golden="e189e8981aa357e9c691299de24148e1"),
        Release(Perspective, golden="990464e6a88ef8b3dd91a6e57d3b0e5b"),
        Release(Colour, golden="5343e49a8b0783d3db2413ab9def5d69"),
        Release(Equalise, golden="c223133e2eec2ca43e642e101f3ccebd"),
        Release(Blur, golden="36a63de35a3502ae65461e933e53bf7d"),
        Release(Sharpen, golden="2c214daa845bed8a05f7a3063b73236d"),
        Release(Threshold, golden="cd87d24dcc1c91b17a40837c15e6d5c8"),
        Release(Binarise, golden="39157cd8f824aebae44c5e5e03b785f6"),
        Release(Morphology, golden="fa21c94f4b1eb7e5129cbdf926b2df4a"),
        Release(Edges, golden="bcc4e9c128e32b4b41d207146aaf2a8b"),
        Release(Contours, golden="754ca2dca04c7ade1b095a09e7b00617"),
        Release(ContoursV2, golden="14dee3be6d98c6999475ddf461ee79ef"),
        Release(Blobs, golden="9ddb40b2137103dca0adf8fac8b427d4"),
        Release(Dimensions, golden="ee807a9d6558087482a26496595f54aa"),
        Release(TemplateMatch, golden="a2cfe814be51d1d1b22178b7648069ce"),
        Release(FeatureMatch, golden="d8db7e31918e397425396e445784f607"),
        Release(Align, golden="e6bf6fa753f6808f5d823b23a422fdb2"),
        Release(ToOriginal, golden="950d96ab7e27af87babbe51063102ebf"),
        Release(MarkerScale, golden="9aaad6bcb7599eb4b658489ae30183c6"),
        Release(Barcodes, golden="26252225e4ecafd001acb24e15bdad19"),
        Release(BarcodesV2, golden="ffe042f94f516c2347adb50f65471207"),
        Release(Classify, golden="2d2b87d2346b58113cbc83c74f36b0c3"),
        Release(Detect, golden="641d8495c51b9aba4c819a44a16b7308"),
        Release(Anomaly, golden="af968bc9927886669524338fcb5089b0"),
        Release(Overlay, golden="746e289507954380ce07b96f960450d3"),
        Release(Branch, golden="cd03915e97bd1110e23077b006a655e6"),
        Release(Merge, golden="a650132373b8035ec144226926627c9b"),
        Release(Aggregate, golden="c534175bf5e6cf2f4111580870abab92"),
    )
)


def one_line(component: type[Component]) -> str:
    """Return in one line what a component does and, of a later version, what differs from the one before."""
    does = cleandoc(component.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    return f"{does} Against version {component.version - 1}: {component.changes}" if component.changes else does


def describe(component: type[Component]) -> dict[str, Any]:
    """Return what a form or a catalogue needs: name, version, texts, ports, needs, and the parameters' JSON Schema."""
    ports = ports_of(component)
    return {
        "name": component.name,
        "version": component.version,
        "description": cleandoc(component.__doc__ or ""),
        "changes": component.changes,
        "inputs": [
            {
                "name": port.name,
                "kinds": [kind_name(kind) for kind in port.kinds],
                "required": port.is_required,
                "many": port.takes_many,
            }
            for port in ports.inputs.values()
        ],
        "outputs": [
            {
                "name": port.name,
                "kind": kind_name(port.kind) if port.kind else "same",
                "optional": port.is_optional,
            }
            for port in ports.outputs.values()
        ],
        "needs": {
            "cpu_s_per_megapixel": component.needs.cpu_s_per_megapixel,
            "bytes_per_px": component.needs.bytes_per_px,
            "gpu": component.needs.gpu,
        },
        "image": component.container.image if component.container else None,
        "parameters": component.model_json_schema(),
    }
