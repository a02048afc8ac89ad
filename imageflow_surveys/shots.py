"""A survey's screenshots: read from the store, and what each shows of the frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imageflow_clients.database.maps import screenshots
from imageflow_clients.database.maps.screenshots import StoredShot
from imageflow_clients.stores import Stores
from imageflow_domain.errors import NotReady
from imageflow_domain.geometry import Rect, Size
from imageflow_domain.grid import Cell
from imageflow_domain.placement import Placement
from imageflow_domain.survey import Survey
from imageflow_surveys.stored_pictures import read_screenshot, take_again


@dataclass(frozen=True)
class Shots:
    """The screenshots of one survey by cell; each is read and decoded at its use."""

    stores: Stores
    survey: Survey
    stored: Mapping[Cell, StoredShot]

    def load(self, cell: Cell) -> NDArray[np.uint8]:
        """Return one screenshot: RGB, (height, width, 3).

        Raises:
            NotReady: Where it has not been taken, or was deleted once its tiles were made.
            ObjectMissing: Where its row stands but its object is gone.
            ObjectDamaged: Where its object is not what was stored.
        """
        return read_screenshot(self.stores, self.survey, cell, self.row(cell))

    def row(self, cell: Cell) -> StoredShot:
        """Return where one screenshot lies; raise `NotReady` as `load` does."""
        if cell not in self.stored:
            again = take_again(self.survey, cell)
            raise NotReady(f"The screenshot of area {cell} of '{self.survey.id}' is not stored: {again}.")
        return self.stored[cell]


def shots_of(stores: Stores, survey: Survey, *, within: range | None = None) -> Shots:
    """Return a survey's stored screenshots, or those of some rows of its grid."""
    with stores.database.begin() as connection:
        return Shots(stores, survey, screenshots.stored(connection, survey.id, within=within))


def visible_parts(view: Size, masks: Sequence[Rect]) -> tuple[Rect, ...]:
    """Return what masks leave of a picture, in its own pixels."""
    return Rect(x_px=0, y_px=0, width_px=view.width_px, height_px=view.height_px).without(masks)


def shot_rect(view: Size, place_: Placement) -> Rect:
    """The pixels of the frame that a placed screenshot covers."""
    return Rect(x_px=place_.x_px, y_px=place_.y_px, width_px=view.width_px, height_px=view.height_px)
