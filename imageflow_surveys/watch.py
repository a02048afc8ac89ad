"""Look at what a camera brings, screenshot by screenshot: recognise what is no map, and keep the picture of it."""

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from game_capture.standing import SQUARE_PX, Squares, Standing, enclosed, squares_of, standing
from imageflow_clients.database.maps import layers, screenshots, sightings
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.capture import Grabbed
from imageflow_domain.errors import CaptureError, NoMap, Unavailable
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Cell, block_of
from imageflow_domain.survey import Survey
from imageflow_mosaic.encoding import encode_png
from imageflow_mosaic.rectangles import enclosing

_LOG = logging.getLogger(__name__)

FIRST = 4
"""Screenshots of one game after which what stands still in all of them is looked at."""

LATER = 6
"""The newest ones that are looked at from then on, where a game is driven: a dialog may pop up at any time."""

MOST_STILL = 0.15
"""Share of the picture above which what stands still stops a survey."""

_WHOLLY_STILL = 0.5
"""Share above which it is no panel over a map, but all that is shown."""

_LEAST_PX = 2 * SQUARE_PX
"""Of a panel's shorter side to be reported: a sprite may stand at one place of several screenshots by chance."""

_DRIVEN = frozenset({"x11"})
"""Drivers that do not know whether their game shows its map."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """One screenshot, as far as it is held."""

    cell: Cell
    squares: Squares


class Watch:
    """Looks at the screenshots of one game, in the order in which they are taken.

    Args:
        survey: Whose they are.
    """

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._goes_on = survey.spec.driver.name in _DRIVEN
        self._shown: deque[_Shown] = deque(maxlen=LATER)
        self._last: Picture | None = None
        self._seen = 0

    def see(self, cell: Cell, grabbed: Grabbed) -> None:
        """Look at what came of an area, before it is stored.

        Raises:
            NoMap: Where this and the ones before show the same at the same place, over more than `MOST_STILL` of the
                picture; where a game is driven, also where `LATER` of them are equal all over, words on plain ground.
        """
        picture = grabbed.frame
        if picture is None or (self._seen >= LATER and not self._goes_on):
            return
        self._seen += 1
        before, self._last = self._last, picture
        self._shown.append(_Shown(cell=cell, squares=squares_of(picture, self._survey.spec.masks)))
        wanted = FIRST if self._seen < LATER else LATER
        if before is None or len(self._shown) < wanted:
            return
        found = standing([one.squares for one in self._shown])
        is_held = found.is_all and self._goes_on and self._seen >= LATER
        if found.share > MOST_STILL or is_held:
            cells = [one.cell for one in self._shown]
            raise NoMap(self._message(found, before, picture), picture=picture, cells=cells)

    def panels(self) -> tuple[Rect, ...]:
        """Return rectangles of what stands still over less of the picture, once `LATER` screenshots were seen."""
        if len(self._shown) < LATER:
            return ()
        rects = _rectangles(standing([one.squares for one in self._shown]))
        return tuple(rect for rect in rects if min(rect.width_px, rect.height_px) >= _LEAST_PX)

    def _message(self, found: Standing, before: Picture, picture: Picture) -> str:
        first, last = self._shown[0].cell, self._shown[-1].cell
        where = f"The {len(self._shown)} screenshots from {first} to {last} show the same at the same place"
        if found.is_all or found.share > _WHOLLY_STILL:
            share = 1.0 if found.is_all else found.share
            return f"{where}, over {share:.0%} of the picture: {_STILL[self._goes_on]}"
        panels = [enclosed(rect, before, picture) for rect in _rectangles(found)]
        masks = " ".join(f"--mask {rect}" for rect in panels)
        return f"{where}, over {found.share:.0%} of the picture: {_PANEL[self._goes_on].format(masks=masks)}"


_STILL = {
    True: "a menu, a dialog or a loading screen is open, or the camera does not move. Close it in `prepare`, give the "
    "game more time with `start_wait_s`, or set the keys of `scroll`, and survey again; where it is open water, cover "
    "what lies over it with `masks`.",
    False: "they show a menu or a dialog, or the camera did not move. Leave them out.",
}
_PANEL = {
    True: "a panel lies over the map. Cut it off with `crop`, cover it with {masks}, or close it in `prepare`.",
    False: "a panel lies over the map. Cover it with {masks}.",
}


def _rectangles(found: Standing) -> tuple[Rect, ...]:
    """Return rectangles of what stands still, in pixels: to the square."""
    left = found.squares.copy()
    rects = []
    for shape in _parts(left):
        rects += [
            Rect(
                x_px=rect.x_px * SQUARE_PX,
                y_px=rect.y_px * SQUARE_PX,
                width_px=rect.width_px * SQUARE_PX,
                height_px=rect.height_px * SQUARE_PX,
            )
            for rect in enclosing(shape)
        ]
    return tuple(sorted(rects, key=lambda rect: (rect.y_px, rect.x_px)))


def _parts(shape: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """Yield the connected parts of a shape."""
    left = {(int(row), int(col)) for row, col in np.argwhere(shape)}
    while left:
        front = [min(left)]
        left.discard(front[0])
        part = np.zeros_like(shape)
        while front:
            row, col = front.pop()
            part[row, col] = True
            near = {(row + 1, col), (row - 1, col), (row, col + 1), (row, col - 1)} & left
            left -= near
            front += sorted(near)
        yield part


@contextmanager
def kept_picture(stores: Stores, survey: Survey) -> Iterator[None]:
    """Keep the picture that an error of the capture carries, and forget the screenshots that show the same.

    Resuming the survey takes these again.

    Raises:
        CaptureError: As the body did, its message naming the picture's object.
    """
    try:
        yield
    except CaptureError as error:
        if error.picture is None:
            raise
        key = keys.no_map(survey.id)
        try:
            stores.objects.put(key, encode_png(error.picture))
            _forget(stores, survey, error.cells)
        except Unavailable as lost:
            _LOG.warning("The picture of what stopped '%s' could not be kept: %s", survey.id, lost)
            raise error from lost
        kept = type(error)(f"{error} The picture is kept as '{key}'.", picture=error.picture, cells=error.cells)
        kept.kept_as = key
        raise kept from error


def _forget(stores: Stores, survey: Survey, cells: Sequence[Cell]) -> None:
    if not cells:
        return
    with stores.database.begin() as connection:
        rows.get(connection, survey.id, lock=True)
        layers.reopen_capture(connection, survey.id, sorted({block_of(cell, survey.block_side) for cell in cells}))
        screenshots.forget(connection, survey.id, cells)
        sightings.forget(connection, survey.id, cells)


def note_panels(stores: Stores, survey: Survey, panels: Sequence[Rect]) -> None:
    """Store what stands still over the map as the survey's overlays, where none are known."""
    with stores.database.begin() as connection:
        if panels and rows.get(connection, survey.id, lock=True).overlays is None:
            rows.set_overlays(connection, survey.id, tuple(panels))
