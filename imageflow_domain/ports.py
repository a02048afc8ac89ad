"""What the layers below must offer: the game driver, the frame source, and what a driver sees its own moves with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from imageflow_domain.capture import Grabbed, Movement, StoredFrame, Turn, Uncertainty
from imageflow_domain.geometry import Offset, Position, Rect, Size
from imageflow_domain.grid import Cell, Grid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Area:
    """A commanded camera position: its cell, and where the driver believes that the picture's top left corner lies."""

    cell: Cell
    position: Position | None
    """`None` where the source does not know: the survey then estimates a step from neighbouring pictures."""
    file: str | None = None
    """Name of the picture's file, where the source has files."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a driver can do, known before it is started."""

    view: Size
    moves_freely: bool
    """It can go to any position, not only to the cells of its own grid."""
    retakes: bool
    """Going to an area again gives its picture again; False for a folder whose files may be gone."""
    reach_px: int
    """Largest error of an estimated position against its neighbour's, on either axis."""
    moves_step_by_step: bool = False
    """It goes from area to area by moves from where it is, so that the order of areas costs time and certainty."""
    hud: tuple[Rect, ...] = ()
    """Rectangles of every picture that the driver knows to show its game's head-up display, not the map."""


class GameDriver(Protocol):
    """Drives one game for one survey, area by area. A context manager: entering starts, leaving closes.

    Contract, which `tests/game_capture/test_driver_contract.py` holds every driver to:
    - `capabilities` and `areas` need no started game.
    - `__enter__` returns once the game shows its map; raises `GameMissing`, `GameDied`, `InvalidInput`.
    - `grab` goes to the area, waits until the picture has settled and returns it: RGB, uint8, C-contiguous,
      shape (view.height_px, view.width_px, 3), the caller's to keep; with where it was seen to lie, and how sure that
      is. An area outside the world, or a hole, is an answer too, without a picture. It raises `GameDied` (a fresh
      driver may go on), `GameNeverSettled`, `PositionUnreachable`, or `BadFrames` where the source is unusable.
    - With a game that stands still, grabbing an area twice gives equal pictures.
    - `__exit__` ends every process that it started, also after an error, and may be called twice.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What the driver can do; it never changes."""
        ...

    def areas(self, grid: Grid | None) -> tuple[Area, ...]:
        """Return the areas to take for `grid`, row by row; cells without an area are holes.

        `None` asks for the source's own grid; raises `InvalidInput` where it has none.
        """
        ...

    def grab(self, area: Area) -> Grabbed:
        """Go to `area` and return what is shown there once it has settled; raise as the contract says."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc_info: object) -> None: ...


class Comparer(Protocol):
    """Sees how far a camera moved between two frames. A wrong answer is worse than none."""

    def compare(
        self, before: "NDArray[np.uint8]", after: "NDArray[np.uint8]", expected: Offset, reach_px: int
    ) -> Movement | None:
        """Return the one offset that both frames agree on; `None` where they show nothing distinctive.

        Args:
            before: RGB, shape (height, width, 3). The same array may come again, and must not change meanwhile.
            after: As `before`.
            expected: Middle of the offsets that are looked at.
            reach_px: How far from there, on either axis.
        """
        ...


class StoredFrames(Protocol):
    """Frames of the survey that are stored already, whichever game took them."""

    def near(self, cell: Cell) -> Sequence[StoredFrame]:
        """Return some frames beside an area whose place in the survey's plane is known, the surest first."""
        ...

    def first(self, cell: Cell, *, is_row: bool, within_px: float) -> Sequence[StoredFrame]:
        """Return the frames at the start of an area's row, or of its column, whose place is known.

        Args:
            within_px: How far from the row's first area they may lie.
        """
        ...

    def has_other(self, cell: Cell, at: Position, within: Uncertainty) -> bool:
        """Whether another area than `cell` shows a place of the survey's plane, or is still to show it.

        Args:
            within: How far from there that area may lie, on each axis.
        """
        ...

    def turn(self) -> Turn:
        """Return what the survey knows of the world's turn."""
        ...


class FrameSource(Protocol):
    """Pictures as named files: a local folder, or a prefix of the object store."""

    @property
    def label(self) -> str:
        """How messages name it."""
        ...

    def names(self) -> Sequence[str]:
        """Every file name, sorted, without folders. Raises `InvalidInput` where it is missing or empty."""
        ...

    def size(self, name: str) -> int:
        """Bytes of one file."""
        ...

    def read(self, name: str) -> bytes:
        """One file, whole. Raises `NotFound`."""
        ...
