"""Begin surveys of frames in no order: find out which overlap, and make a survey of each group that hangs together."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from game_capture.drivers.folder import FolderDriver
from game_capture.positions import COLUMNS, is_picture_name
from game_capture.registry import open_driver
from game_capture.staging import Staging
from imageflow_clients.database import Connection
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import BadFile, InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_domain.ports import Area
from imageflow_domain.survey import Carrier, DriverSpec, Survey, SurveySpec
from imageflow_mosaic.arrangement import Arrangement, arrange
from imageflow_mosaic.comparison import OnProgress
from imageflow_mosaic.groups import Arranged, Group
from imageflow_surveys.camera import frames_of
from imageflow_surveys.plan import checked_plan

_REACH_PX = 16
"""Positions of arranged frames are verified to the pixel already; a survey looks around a little all the same."""


@dataclass(frozen=True, kw_only=True)
class ArrangedFrames:
    """Frames in no order, each one accounted for."""

    driver: FolderDriver
    """Has read and checked the frames."""
    arrangement: Arrangement
    left_out: tuple[BadFile, ...]
    """Files that cannot be used, where it was said to leave them out."""

    @property
    def summary(self) -> str:
        """What became of the frames, in a sentence."""
        found = self.arrangement
        sizes = ", ".join(str(len(group.pictures)) for group in found.groups)
        left = [
            (len(found.strays), "overlap no other"),
            (len(found.doubles), "show the same as another"),
            (len(found.rescaled), "show a place at another scale"),
            (sum(len(of_another_size(group)) for group in found.groups), "have another size than their group"),
        ]
        rest = "".join(f"; {count} {what}" for count, what in left if count)
        return f"Frames by group: {sizes or 'none'}{rest}."


def _nothing(connection: Connection, surveys: Sequence[Survey]) -> None:
    """Add nothing to the transaction."""


def _say_nothing(what: str, done: int, total: int) -> None:
    """Nobody listens."""


def arrange_frames(
    stores: Stores,
    source: str | None,
    parameters: Mapping[str, Any],
    masks: Sequence[Rect],
    on_progress: OnProgress = _say_nothing,
    *,
    most: int | None = None,
    most_by_content: int | None = None,
) -> ArrangedFrames:
    """Read frames and find out how they lie to one another; nothing is registered.

    Args:
        source: An absolute folder, or an upload's prefix.
        parameters: Of the folder driver.
        masks: Rectangles of the head-up display in every picture.
        on_progress: Called with the part of the work, and how far it is.
        most: Frames that may be compared; `None` for any number.
        most_by_content: Of them, those that were compressed with loss or scaled.

    Raises:
        InvalidInput: With every file that cannot be used; for too many frames.
    """
    spec = DriverSpec(name="folder", parameters={**parameters, "unordered": True})
    frames = frames_of(stores, source, parameters)
    count = 0 if frames is None else sum(map(is_picture_name, frames.names()))
    if most is not None and count > most:
        raise InvalidInput(
            f"'{source}' holds {count} frames in no order; no more than {most} are compared here. Survey the folder "
            "with `imageflow survey run`, which compares any number, or upload a positions.csv with them."
        )
    driver = open_driver(spec, frames=frames, staging=Staging(scratch=stores.scratch))
    assert isinstance(driver, FolderDriver)  # noqa: S101 - the registry's own name for it
    driver.check()
    arrangement = arrange(driver.usable, driver.picture, masks, on_progress, most_by_content=most_by_content)
    return ArrangedFrames(driver=driver, arrangement=arrangement, left_out=driver.skipped)


def plan_groups(
    stores: Stores,
    spec: SurveySpec,
    frames: ArrangedFrames,
    carrier: Carrier,
    along: Callable[[Connection, Sequence[Survey]], None] = _nothing,
) -> tuple[Survey, ...]:
    """Register a survey of each group, the largest first, all in one transaction.

    Each opens a frame of its own: pixels do not tell how groups lie to one another. A survey takes the frames of one
    size, that of most frames of the group; `of_another_size` tells which it leaves out.

    Args:
        spec: What each survey is asked to do; the frames are those of its source.
        along: Writes what must stand or fall with the surveys, in the same transaction.

    Raises:
        InvalidInput: Where no two frames overlap, or a grid is asked for.
    """
    if spec.grid is not None:
        raise InvalidInput("Frames in no order get a grid of their own: leave the grid out.")
    groups = frames.arrangement.groups
    if not groups:
        raise InvalidInput(
            "No two of the frames overlap where they show something distinctive: take them so that neighbours share "
            "a fifth of the picture, and name displays over the map with --mask."
        )
    plans = [checked_plan(frames.driver.of_size(group.size), _fitting(spec, group), _areas(group)) for group in groups]
    with stores.database.begin() as connection:
        surveys = [plan.register(connection, carrier) for plan in plans]
        along(connection, surveys)
        return tuple(rows.get(connection, survey.id) for survey in surveys)


def of_one_size(group: Group) -> tuple[Arranged, ...]:
    """Return the frames of a group that its survey takes: those of the size that most of them have."""
    return tuple(picture for picture in group.pictures if picture.size == group.size)


def of_another_size(group: Group) -> tuple[Arranged, ...]:
    """Return the frames of a group that its survey leaves out."""
    return tuple(picture for picture in group.pictures if picture.size != group.size)


def positions_csv(group: Group) -> bytes:
    """Return the `positions.csv` of a group's frames of one size: with these alone it makes the same survey again."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for picture in of_one_size(group):
        x, y = round(picture.position.x_px), round(picture.position.y_px)
        writer.writerow([picture.name, picture.cell.row, picture.cell.col, x, y])
    return text.getvalue().encode()


def _areas(group: Group) -> tuple[Area, ...]:
    return tuple(Area(cell=one.cell, position=one.position, file=one.name) for one in of_one_size(group))


def _fitting(spec: SurveySpec, group: Group) -> SurveySpec:
    """The survey of one group: of its frames of one size."""
    size = (group.size.width_px, group.size.height_px)
    return spec.model_copy(
        update={
            "driver": DriverSpec(name="folder", parameters={**spec.driver.parameters, "unordered": True, "size": size}),
            "reach_px": spec.reach_px or _REACH_PX,
        }
    )
