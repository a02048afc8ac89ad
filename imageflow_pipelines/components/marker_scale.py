"""An image brought to a known scale by a printed marker in it."""

import math
from typing import ClassVar, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from imageflow_domain.errors import InvalidInput
from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.limits import MAX_PICTURE_PX, MAX_SIDE_PX
from imageflow_pipelines.values import (
    Box,
    Detection,
    Detections,
    Image,
    Measurement,
    Measurements,
    Point,
    Transform,
)

Dictionary = Literal["4x4_50", "4x4_1000", "5x5_50", "5x5_1000", "6x6_50", "6x6_1000", "aruco_original"]
_DICTIONARIES: dict[Dictionary, int] = {
    "4x4_50": cv2.aruco.DICT_4X4_50,
    "4x4_1000": cv2.aruco.DICT_4X4_1000,
    "5x5_50": cv2.aruco.DICT_5X5_50,
    "5x5_1000": cv2.aruco.DICT_5X5_1000,
    "6x6_50": cv2.aruco.DICT_6X6_50,
    "6x6_1000": cv2.aruco.DICT_6X6_1000,
    "aruco_original": cv2.aruco.DICT_ARUCO_ORIGINAL,
}
_MOST_TILT = 0.04
"""How much the sides of the marker may differ, as a share of their mean."""


class Scaled(NamedTuple):
    """One port each; `transform` maps the scaled image to the one that came in."""

    image: Image
    transform: Transform
    measurements: Measurements
    detections: Detections


class MarkerScale(Component):
    """Scale an image so that a pixel is `mm_per_px` wide, by an ArUco marker of `marker_mm` in the plane of the part.

    Steps after it measure with the same `mm_per_px`, however far away the camera was. `mm_per_px` is measured: how
    wide a pixel of the given image is. `detections` has the marker in the given image. The camera looks straight at the
    plane: sides that differ by more than 4 % are refused.
    """

    name: ClassVar[str] = "marker_scale"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.15, bytes_per_px=30)

    marker_mm: float = Field(gt=0, le=1000, description="Side of the marker's black square.")
    mm_per_px: float = Field(gt=0, le=1000, description="Side of a pixel in the scaled image.")
    dictionary: Dictionary = "4x4_50"
    marker: int | None = Field(default=None, ge=0, le=1023, description="Its number; any, if it is left out.")

    def __call__(self, image: Image) -> Scaled:
        """Raise `InvalidInput` where there is not exactly one marker, where it is tilted, or for a huge result."""
        number, corners = self._find(image)
        sides = [math.dist(corners[i], corners[(i + 1) % 4]) for i in range(4)]
        mean = sum(sides) / 4
        if max(sides) - min(sides) > _MOST_TILT * mean:
            raise InvalidInput(
                f"The marker's sides are {min(sides):.1f} to {max(sides):.1f} px long: let the camera look "
                "straight at it."
            )
        given = self.marker_mm / mean
        scale = given / self.mm_per_px
        width, height = (max(1, round(side * scale)) for side in (image.width_px, image.height_px))
        if width * height > MAX_PICTURE_PX or max(width, height) > MAX_SIDE_PX:
            raise InvalidInput(f"Scaled, the image would have {width:,} x {height:,} px: give a larger mm_per_px.")
        outline = tuple(Point(x_px=round(float(x), 3), y_px=round(float(y), 3)) for x, y in corners)
        found = Detection(label=str(number), score=1.0, box=Box.around(outline), outline=outline)
        return Scaled(
            image=Image(_scaled(image, scale, width, height)),
            transform=Transform(((1 / scale, 0.0, 0.0), (0.0, 1 / scale, 0.0), (0.0, 0.0, 1.0))),
            measurements=Measurements((Measurement(name="mm_per_px", value=round(given, 9), unit="mm"),)),
            detections=Detections((found,)),
        )

    def _find(self, image: Image) -> tuple[int, NDArray[np.float64]]:
        """Return the marker's number and corners; pixel (0, 0) covers x 0 to 1."""
        parameters = cv2.aruco.DetectorParameters()
        # The others put the corners of a blurred marker up to half a pixel inside it.
        parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_APRILTAG
        dictionary = cv2.aruco.getPredefinedDictionary(_DICTIONARIES[self.dictionary])
        found, numbers, _ = cv2.aruco.ArucoDetector(dictionary, parameters).detectMarkers(image.grey())
        seen = [] if numbers is None else [int(number) for number in numbers.ravel()]
        places = [place for place, number in enumerate(seen) if self.marker in (None, number)]
        if len(places) != 1:
            wanted = "marker" if self.marker is None else f"marker {self.marker}"
            listed = ", ".join(map(str, sorted(seen))) or "none"
            raise InvalidInput(
                f"There are {len(places)} of {wanted} of '{self.dictionary}', not one (seen: {listed}): put one beside "
                "the part, or name its number."
            )
        return seen[places[0]], np.asarray(found[places[0]], np.float64).reshape(4, 2)


def _scaled(image: Image, scale: float, width_px: int, height_px: int) -> NDArray[np.uint8]:
    """Return the image scaled by exactly `scale`, which sides of whole pixels are not."""
    pixels = image.pixels
    if scale < 1:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.4 * math.sqrt(1 / scale**2 - 1) + 1e-3), np.uint8)
    shift = (scale - 1) / 2  # OpenCV counts from the centre of the first pixel
    matrix = np.array([(scale, 0, shift), (0, scale, shift)])
    made = cv2.warpAffine(
        pixels, matrix, (width_px, height_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(made, np.uint8)
