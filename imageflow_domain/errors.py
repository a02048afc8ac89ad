"""The whole error tree. A message says what happened and what to do next, in one or two sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imageflow_domain.grid import Cell


class ImageFlowError(Exception):
    """Root of every error that a user is meant to read."""


class InvalidInput(ImageFlowError):
    """The request itself is wrong; trying again unchanged cannot help."""


@dataclass(frozen=True, kw_only=True)
class BadFile:
    """One file that cannot be used, and why."""

    name: str
    reason: str


class BadFrames(InvalidInput):
    """One or more source pictures cannot be used; `files` lists every one of them."""

    def __init__(self, files: Sequence[BadFile], *, source: str) -> None:
        self.files = tuple(files)
        self.source = source
        listed = "\n".join(f"  {f.name}: {f.reason}" for f in self.files)
        super().__init__(
            f"{len(self.files)} of the files in '{source}' cannot be used:\n{listed}\n"
            "Correct or remove them, or pass --skip-bad to leave holes in the map."
        )


class BadFileNames(InvalidInput):
    """One or more files cannot be taken, by their names; `files` lists every one of them."""

    def __init__(self, files: Sequence[BadFile]) -> None:
        self.files = tuple(files)
        lines = [f"'{file.name}' {file.reason}" for file in self.files]
        if len(lines) == 1:
            super().__init__(f"{lines[0]}. Rename the file, convert it, or leave it out.")
        else:
            listed = "\n".join(f"  {line}" for line in lines)
            super().__init__(
                f"{len(lines)} files cannot be taken:\n{listed}\nRename, convert or leave out these files."
            )


class TooLarge(InvalidInput):
    """More bytes than are taken at once."""


class UnusableImage(InvalidInput):
    """Bytes that are no image which is read, or not a whole one; `reason` goes on after the name of the file."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)

    def __str__(self) -> str:
        return f"The file {self.reason}."


class ImageTooLarge(UnusableImage, TooLarge):
    """An image of more pixels than are taken at once."""


class Unauthenticated(ImageFlowError):
    """The call needs credentials that prove who makes it."""


class Forbidden(ImageFlowError):
    """The call is not allowed: not from this page, at this address, or for this principal."""


class TooManyRequests(ImageFlowError):
    """More calls than are answered at once; the same call may succeed later."""


class NotFound(ImageFlowError):
    """A survey, tile, object or driver of that name does not exist."""


class SampleForgotten(NotFound):
    """A preview names an image by its digest that is not kept, or not any more: send its bytes."""


class ObjectMissing(NotFound):
    """An object that a row promises is not in the store."""

    def __init__(self, key: str, *, next_step: str, what: str = "") -> None:
        self.key = key
        super().__init__(f"No object at '{key}'{_called(what).rstrip(',')}: {next_step}.")


class ObjectDamaged(NotFound):
    """The object that a row promises is not in the store: other bytes lie in its place."""

    def __init__(self, key: str, *, next_step: str, what: str = "") -> None:
        self.key = key
        named = f"The object at '{key}'{_called(what)}"
        super().__init__(f"{named} is damaged in the store, it is not what was kept: {next_step}.")


def _called(what: str) -> str:
    """Return what an object holds as an apposition to its key."""
    return f", {what}," if what else ""


class Gone(NotFound):
    """It was there, and was deleted on purpose."""


class EventsForgotten(NotFound):
    """The event log does not keep the events after a reader's place any more, or the place is none of this log."""


class Conflict(ImageFlowError):
    """The thing exists already, or is being changed by another call."""


class Outdated(Conflict):
    """The thing was changed since it was read."""


class VersionMissing(InvalidInput):
    """A change lacks the version of the thing that it was made from, so that it could overwrite another one unseen."""


class Superseded(Conflict):
    """A newer request of the same client took the place of this one."""


class NotReady(ImageFlowError):
    """An earlier layer of the survey is missing; the message names it."""


class Cancelled(ImageFlowError):
    """The work was stopped on request, or ran out of time."""


class Unavailable(ImageFlowError):
    """Something that the work needs is not there or down; the same call may succeed later."""


class Timeout(Unavailable):
    """The work was not done in time."""


class BadGateway(Unavailable):
    """Another server that the work needs gave an answer that cannot be used."""


class Overloaded(Unavailable):
    """As much work waits as may: the same call may succeed later."""


class StepDied(Unavailable):
    """What computed a step's input died, or had no memory for it: so it may be again, and it may not."""


class StoreUnavailable(Unavailable):
    """The object store does not answer, is full or refuses to be written."""


class DatabaseUnavailable(Unavailable):
    """PostgreSQL cannot be reached or started."""


class DagsterUnavailable(Unavailable):
    """Dagster's webserver does not answer, has not loaded our code, or is of another version."""


class JobDelayed(Unavailable):
    """A job was taken and begins by itself, later: Dagster could not be reached."""

    def __init__(self, job_id: int, *, survey_id: str, why: str) -> None:
        self.job_id = job_id
        self.survey_id = survey_id
        super().__init__(
            f"Job {job_id} is taken, but not begun yet. {why} The job goes on by itself once Dagster is up: "
            f"GET /api/jobs/{job_id}/status shows its progress; do not send it again."
        )


class CaptureError(ImageFlowError):
    """A game could not be driven."""

    def __init__(self, said: str, *, picture: "NDArray[np.uint8] | None" = None, cells: "Sequence[Cell]" = ()) -> None:
        self.picture = picture
        """RGB, shape (height, width, 3): what was shown, for a person to look at; `None` where nothing was."""
        self.cells = tuple(cells)
        """Areas whose stored screenshots show it."""
        self.kept_as: str | None = None
        """Key of the object that holds the picture, once it is kept."""
        super().__init__(said)


class GameMissing(CaptureError):
    """The game's program, or Xvfb, is not installed."""


class GameDied(CaptureError):
    """The game or its display ended; a fresh one may go on where it stopped."""


class GameNeverSettled(CaptureError):
    """The picture kept changing until the settle rule's time was up."""


class PositionUnreachable(CaptureError):
    """There is no way to the commanded position: it lies outside the map, the frames or the minimap."""


class NoMap(CaptureError):
    """What is shown is no map, or not all of it: a menu, a panel, a window too small. Again would show the same."""

    picture: "NDArray[np.uint8]"

    def __init__(self, said: str, *, picture: "NDArray[np.uint8]", cells: "Sequence[Cell]" = ()) -> None:
        super().__init__(said, picture=picture, cells=cells)


class NothingAnchored(ImageFlowError):
    """No two screenshots of a survey are tied to one another: there is no map."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong in a document: a pipeline's spec, a master's items, a model."""

    path: str
    """Where, e.g. 'steps.small.with.width_px'."""
    reason: str


class Faulty(InvalidInput):
    """Something of many parts is wrong; `faults` lists everything that is."""

    def __init__(self, said: str, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        listed = "\n".join(f"  {fault.path}: {fault.reason}" for fault in self.faults)
        super().__init__(f"{said}\n{listed}")


class WrongSettings(Faulty):
    """The YAML that describes a game, or its driver's parameters, are wrong."""


class InvalidPipeline(Faulty):
    """A pipeline's spec is wrong."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        count = f"{len(faults)} faults" if len(faults) > 1 else "a fault"
        super().__init__(f"The pipeline has {count}:", faults)


class InvalidMaster(Faulty):
    """A master's items are wrong, or it cannot be published."""


class StepRefused(InvalidInput):
    """A step of a pipeline cannot use its inputs, its parameters or its model."""

    def __init__(self, step: str, *, why: str) -> None:
        self.step = step
        super().__init__(f"Step '{step}': {why}")


class PartNotFound(InvalidInput):
    """An image does not show the part of a reference image, or not enough of it to say where it lies."""

    def __init__(self, model: str, *, score: float, why: str) -> None:
        self.model = model
        self.score = score
        super().__init__(
            f"The part of '{model}' was not found (score {score:.2f}): {why}. Show the whole part, or register a "
            "reference image that looks more like it."
        )


class StepFailed(ImageFlowError):
    """A step of a pipeline failed as often as its retry policy lets it be tried; `__cause__` is the last error."""

    def __init__(self, step: str, *, why: str) -> None:
        self.step = step
        super().__init__(f"Step '{step}' failed: {why}")


class ContainerFailed(ImageFlowError):
    """A component that is a container image gave a wrong answer, or none in time; `log` is what it wrote last."""

    def __init__(self, component: str, *, why: str, log: str = "") -> None:
        self.log = log
        super().__init__(f"The container of '{component}' {why}.{last_lines(log)}")


def last_lines(log: str) -> str:
    """Return the last lines of a container's log as the end of a message; nothing for an empty log."""
    return f" Its last lines on standard error:\n{log}" if log else " It wrote nothing to standard error."


class InvalidManifest(Faulty):
    """The manifest of a container component is wrong."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        count = f"{len(faults)} faults" if len(faults) > 1 else "a fault"
        super().__init__(f"The manifest has {count}:", faults)


class ModelRefused(InvalidInput):
    """A model that is not taken, and why; `picture` is the golden picture that it answers otherwise, if it is that."""

    def __init__(self, model: str, why: str, *, picture: str | None = None) -> None:
        self.picture = picture
        super().__init__(f"Model {model} is not taken. {why}")
