"""Frames that were taken before: files of one folder, checked before any work starts."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Annotated, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import override

from game_capture.opening import Opening
from game_capture.picture import MAX_BYTES, decode_rgb
from game_capture.positions import Index, Shot, index_by_list, index_by_name, is_picture_name
from imageflow_domain.capture import Grabbed
from imageflow_domain.errors import BadFile, BadFrames, InvalidInput, NotFound, PositionUnreachable, UnusableImage
from imageflow_domain.geometry import Position, Size
from imageflow_domain.grid import Cell, Grid
from imageflow_domain.keys import POSITIONS_FILE
from imageflow_domain.ports import Area, Capabilities, FrameSource, GameDriver

_CHECK_THREADS = 4  # decoding leaves Python's lock, reading from a store waits


class FolderParameters(BaseModel):
    """How a folder of frames is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    step: tuple[Annotated[int, Field(ge=1, le=16_383)], Annotated[int, Field(ge=1, le=16_383)]] | None = None
    """Pixels from a frame to its right and to its lower neighbour, where there is no positions.csv."""
    skip_bad: bool = False
    """Leave holes where files cannot be used, instead of refusing the folder."""
    reach_px: int = Field(default=160, ge=1, le=4096)
    """Largest error of an estimated position against its neighbour's."""
    follow_links: bool = False
    """Follow symbolic links that lead out of the folder; only the command line sets it, for its own user."""
    unordered: bool = False
    """Neither names nor a list give the frames' places: only areas that name their files can be grabbed."""
    size: tuple[Annotated[int, Field(ge=1, le=16_383)], Annotated[int, Field(ge=1, le=16_383)]] | None = None
    """Width and height of the frames to take, in pixels; others are left out. By default the size that most have."""

    @model_validator(mode="after")
    def _steps_need_an_order(self) -> Self:
        if self.unordered and self.step is not None:
            raise ValueError("frames in no order have no step: leave it out")
        return self


class FolderDriver(GameDriver):
    """Serves the frames of a source as areas.

    Args:
        parameters: How to read it.
        frames: A local folder or a prefix of the object store.
    """

    Parameters: ClassVar[type[BaseModel]] = FolderParameters
    settable: ClassVar[frozenset[str]] = frozenset({"step", "skip_bad", "reach_px"})
    moves_freely: ClassVar[bool] = False

    def __init__(self, parameters: FolderParameters, *, frames: FrameSource) -> None:
        self._parameters = parameters
        self._frames = frames
        self._view = parameters.size and Size(width_px=parameters.size[0], height_px=parameters.size[1])

    @classmethod
    def open(cls, parameters: FolderParameters, opening: Opening) -> Self:
        """Return a driver that has read nothing yet; raise `InvalidInput` where no frames are given."""
        if opening.frames is None:
            raise InvalidInput("The folder driver needs frames: name a folder with --source.")
        return cls(parameters, frames=opening.frames)

    @property
    @override
    def capabilities(self) -> Capabilities:
        """Raises as `check` does: the view is the requested size, or that of most frames."""
        view = self._checked[0]
        return Capabilities(
            view=view, moves_freely=self.moves_freely, retakes=False, reach_px=self._parameters.reach_px
        )

    @property
    def skipped(self) -> tuple[BadFile, ...]:
        """What was left out, and why; empty unless `skip_bad` is set."""
        return self._checked[2]

    @property
    def usable(self) -> tuple[str, ...]:
        """Names of the frames that `grab` can give, after `check`; sorted."""
        return tuple(sorted(self._checked[3]))

    def of_size(self, size: Size) -> Self:
        """Return a driver of the same frames that takes those of one size; what was checked is not checked again."""
        parameters = self._parameters.model_copy(update={"size": (size.width_px, size.height_px)})
        other = type(self)(parameters, frames=self._frames)
        other._verdicts = self._verdicts
        return other

    def check(self) -> None:
        """Decode every frame.

        Raises `InvalidInput` where there are none, and `BadFrames` with every fault of every file unless bad ones
        are to be skipped.
        """
        _ = self._checked

    @override
    def areas(self, grid: Grid | None) -> tuple[Area, ...]:
        """Return the areas that have a usable frame, after `check`; those outside `grid` are left out.

        Raises `InvalidInput` for frames in no order: they have to be compared first.
        """
        if self._parameters.unordered:
            raise InvalidInput(
                f"The places of the frames in '{self._frames.label}' are unknown: survey them with `imageflow survey "
                f"run`, which arranges them, or list them in {POSITIONS_FILE}."
            )
        shots = self._checked[1]
        return tuple(
            Area(cell=shot.cell, position=self._position(shot), file=shot.file)
            for shot in shots
            if grid is None or (shot.cell.row < grid.rows and shot.cell.col < grid.cols)
        )

    @override
    def grab(self, area: Area) -> Grabbed:
        if self._parameters.unordered and area.file is not None:
            return Grabbed(frame=self._in_view(area.file), position=area.position)
        shot = self._by_cell.get(area.cell)
        if shot is None:
            raise PositionUnreachable(f"'{self._frames.label}' has no frame for {area.cell}: it is a hole in the map.")
        return Grabbed(frame=self._in_view(shot.file), position=area.position)

    def picture(self, name: str) -> NDArray[np.uint8]:
        """Return one frame by its name, as `grab` does, but of any size; raise `BadFrames`."""
        try:
            return decode_rgb(self._read(name))
        except UnusableImage as error:
            raise self._bad(name, error.reason) from error

    def _in_view(self, name: str) -> NDArray[np.uint8]:
        pixels = self.picture(name)
        size = _size_of(pixels)
        self._view = self._view or size
        if size != self._view:
            wanted = f"{self._view.width_px}x{self._view.height_px} px"
            raise self._bad(name, f"is {size.width_px}x{size.height_px} px instead of {wanted}")
        return pixels

    def _bad(self, name: str, reason: str) -> BadFrames:
        return BadFrames([BadFile(name=name, reason=reason)], source=self._frames.label)

    def __enter__(self) -> Self:
        _ = self._index
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Nothing was started."""

    @cached_property
    def _index(self) -> Index:
        names = self._frames.names()
        if not any(is_picture_name(name) for name in names):
            raise InvalidInput(f"'{self._frames.label}' holds no pictures: put the frames into it.")
        if self._parameters.unordered:
            return Index(shots=())
        listed = POSITIONS_FILE in names
        if listed and self._parameters.step is not None:
            raise InvalidInput(f"'{self._frames.label}' has a {POSITIONS_FILE}: leave out the step.")
        index = index_by_list(self._read_list(), names) if listed else index_by_name(names)
        if index.unusable:
            raise BadFrames(index.faults, source=self._frames.label)
        return index

    def _read_list(self) -> bytes:
        try:
            return self._read(POSITIONS_FILE)
        except UnusableImage as error:
            raise self._bad(POSITIONS_FILE, error.reason) from error

    @cached_property
    def _by_cell(self) -> dict[Cell, Shot]:
        return {shot.cell: shot for shot in self._index.shots}

    @cached_property
    def _verdicts(self) -> dict[str, Size | BadFile]:
        """The size of each picture, or why it cannot be used."""
        pictures = [name for name in self._frames.names() if is_picture_name(name)]
        with ThreadPoolExecutor(_CHECK_THREADS) as pool:
            return dict(zip(pictures, pool.map(self._try, pictures), strict=True))

    @cached_property
    def _checked(self) -> tuple[Size, tuple[Shot, ...], tuple[BadFile, ...], frozenset[str]]:
        """The common size, the usable shots, what was skipped, and the names of all usable files."""
        index, verdicts, asked = self._index, self._verdicts, self._parameters.size
        sizes = Counter(verdict for verdict in verdicts.values() if isinstance(verdict, Size))
        faults = list(index.faults)
        # Among equally common sizes the largest, so that the verdict does not depend on the order of files.
        view = self._view if asked else max(sizes, key=lambda s: (sizes[s], s.width_px * s.height_px), default=None)
        # Frames in no order may differ in size until they are surveyed.
        any_size = self._parameters.unordered and asked is None
        good = set()
        for name, verdict in verdicts.items():
            if isinstance(verdict, BadFile):
                faults.append(verdict)
            elif any_size or verdict == view:
                good.add(name)
            elif asked is None and view is not None:
                faults.append(BadFile(name=name, reason=_unequal(verdict, view)))
        shots = tuple(shot for shot in index.shots if shot.file in good)
        nothing = not (good if self._parameters.unordered else shots)
        if asked is not None and nothing and not faults:
            raise InvalidInput(f"'{self._frames.label}' has no frame of {asked[0]}x{asked[1]} px: leave out the size.")
        if view is None or nothing or (faults and not self._parameters.skip_bad):
            raise BadFrames(faults, source=self._frames.label)
        self._view = view
        return view, shots, tuple(faults), frozenset(good)

    def _try(self, name: str) -> Size | BadFile:
        try:
            return _size_of(decode_rgb(self._read(name)))
        except UnusableImage as error:
            return BadFile(name=name, reason=error.reason)

    def _read(self, name: str) -> bytes:
        try:
            if self._frames.size(name) > MAX_BYTES:
                raise UnusableImage(f"is larger than {MAX_BYTES // 1024**2} MiB")
            return self._frames.read(name)
        except NotFound as error:
            raise UnusableImage("is not there") from error
        except UnusableImage:
            raise
        except InvalidInput as error:
            raise UnusableImage(str(error)) from error
        except OSError as error:
            raise UnusableImage(f"cannot be read ({error.strerror})") from error

    def _position(self, shot: Shot) -> Position | None:
        if shot.position is not None or self._parameters.step is None:
            return shot.position
        step_x, step_y = self._parameters.step
        return Position(x_px=float(shot.cell.col * step_x), y_px=float(shot.cell.row * step_y))


def _size_of(pixels: NDArray[np.uint8]) -> Size:
    return Size(width_px=pixels.shape[1], height_px=pixels.shape[0])


def _unequal(size: Size, view: Size) -> str:
    return f"is {size.width_px}x{size.height_px} px, but most frames are {view.width_px}x{view.height_px} px"
