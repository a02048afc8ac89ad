"""What was found in a crop, at its place in the image that the crop was made from."""

from typing import ClassVar, NamedTuple

from imageflow_domain.errors import InvalidInput
from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Box, Detection, Detections, Measurement, Measurements, Point, Transform

_POWERS = {"px": 1, "mm": 1, "px2": 2, "mm2": 2}
"""By unit: the power of the scale by which a size grows."""


class Mapped(NamedTuple):
    """One port each; nothing at one whose input is not fed."""

    detections: Detections | None
    measurements: Measurements | None


class ToOriginal(Component):
    """Map detections and measurements of a crop back to the image that it was made from.

    `transforms` lead from the crop to the image, in the order in which they are applied: that of the last step comes
    first. Boxes become outlines. Lengths and areas are those in the image; other units stay as they are.
    """

    name: ClassVar[str] = "to_original"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.001, bytes_per_px=0)

    def __call__(
        self,
        transforms: tuple[Transform, ...],
        detections: Detections | None = None,
        measurements: Measurements | None = None,
    ) -> Mapped:
        """Raise `InvalidInput` for lengths under a perspective, which has no single scale."""
        whole = transforms[0]
        for each in transforms[1:]:
            whole = whole.then(each)
        return Mapped(
            detections=None
            if detections is None
            else Detections(tuple(_found(each, whole) for each in detections.items)),
            measurements=None if measurements is None else _sizes(measurements, whole),
        )


def _found(found: Detection, transform: Transform) -> Detection:
    points = found.outline
    if not points and found.box is not None:
        left, top = found.box.x_px, found.box.y_px
        right, bottom = left + found.box.width_px, top + found.box.height_px
        points = tuple(Point(x_px=x, y_px=y) for x, y in ((left, top), (right, top), (right, bottom), (left, bottom)))
    outline = tuple(transform.apply(point) for point in points)
    box = Box.around(outline) if outline else None
    return Detection(label=found.label, score=found.score, box=box, outline=outline, text=found.text)


def _sizes(measured: Measurements, transform: Transform) -> Measurements:
    if not any(item.unit in _POWERS for item in measured.items):
        return measured
    scale = transform.scale
    if scale is None:
        raise InvalidInput("A perspective has no single scale: align with the motion 'similarity' to measure lengths.")
    return Measurements(
        tuple(
            Measurement(name=item.name, value=round(item.value * scale ** _POWERS.get(item.unit, 0), 6), unit=item.unit)
            for item in measured.items
        )
    )
