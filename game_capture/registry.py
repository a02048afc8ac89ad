"""The one list of game drivers, and how one is opened by name. A driver's module is imported when it is chosen."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

from pydantic import BaseModel, ValidationError

from game_capture.opening import DrivenByFile, Opening
from game_capture.staging import Staging
from imageflow_domain.errors import NotFound, WrongSettings
from imageflow_domain.files_beside import ReadBeside, nothing_beside
from imageflow_domain.grid import Grid
from imageflow_domain.mistakes import mistakes_of
from imageflow_domain.ports import Comparer, FrameSource, GameDriver, StoredFrames
from imageflow_domain.survey import DriverSpec

DRIVERS = {
    "city": "game_capture.drivers.city:CityDriver",
    "folder": "game_capture.drivers.folder:FolderDriver",
    "openttd": "game_capture.drivers.openttd:OpenttdDriver",
    "x11": "game_capture.drivers.x11:X11Driver",
}
"""Driver name to `module:class`. A new driver is one file and one line here."""


class _DriverClass(Protocol):
    """What a driver's class offers to be opened by name."""

    Parameters: type[BaseModel]
    settable: frozenset[str]
    moves_freely: bool

    @classmethod
    def open(cls, parameters: Any, opening: Opening) -> GameDriver: ...


def driver_schema(name: str) -> dict[str, Any]:
    """Return the JSON schema of a driver's parameters; raise `NotFound` for an unknown name."""
    return _driver_class(name).Parameters.model_json_schema()


@dataclass(frozen=True, kw_only=True)
class DriverDescription:
    """What is known of a driver before it is opened."""

    parameters: dict[str, Any]
    """JSON Schema."""
    settable: frozenset[str]
    """Parameters that a request may set: neither paths nor commands, which would reach this machine's files."""
    moves_freely: bool
    """As its capabilities will say."""


def describe_driver(name: str) -> DriverDescription:
    """Describe a driver; raise `NotFound` for an unknown name."""
    driver = _driver_class(name)
    return DriverDescription(parameters=driver_schema(name), settable=driver.settable, moves_freely=driver.moves_freely)


def open_driver(
    spec: DriverSpec,
    *,
    frames: FrameSource | None = None,
    staging: Staging,
    grid: Grid | None = None,
    comparer: Comparer | None = None,
    neighbours: StoredFrames | None = None,
    read_beside: ReadBeside = nothing_beside,
) -> GameDriver:
    """Return a driver that is not started yet.

    Args:
        spec: The driver's name and its parameters, which its own model checks.
        frames: Where the `folder` driver finds its pictures; other drivers leave it alone.
        staging: What this machine has for games; drivers without a game leave it alone.
        grid: The survey's grid. With it, areas that an earlier driver laid out can be grabbed without asking this one
            for its areas first.
        comparer: Sees how far a camera moved, for drivers that go step by step.
        neighbours: The survey's frames that are stored already, for the same drivers.
        read_beside: Returns a file beside the game's YAML, for drivers that use some.

    Raises `NotFound` for an unknown name and `InvalidInput` with the path of every wrong parameter.
    """
    opening = Opening(
        frames=frames,
        staging=staging,
        grid=grid,
        comparer=comparer,
        neighbours=neighbours,
        read_beside=read_beside,
    )
    return _driver_class(spec.name).open(parameters_of(spec), opening)


def parameters_of(spec: DriverSpec) -> BaseModel:
    """Return a driver's parameters, checked; raise `NotFound`, or `InvalidInput` with a sentence for every mistake."""
    model = _driver_class(spec.name).Parameters
    try:
        return model.model_validate(spec.parameters)
    except ValidationError as error:
        said = f"The parameters of driver '{spec.name}' are wrong:"
        raise WrongSettings(said, mistakes_of(error, model.model_json_schema())) from error


def named_files(spec: DriverSpec) -> tuple[str, ...]:
    """Return the files beside the game's YAML that a driver uses; the errors are those of `parameters_of`."""
    parameters = parameters_of(spec)
    return tuple(parameters.named_files) if isinstance(parameters, DrivenByFile) else ()


def fixed_settings(spec: DriverSpec) -> frozenset[str] | None:
    """Return the parameters that stay while a survey is under way, `None` for all; the errors as of `parameters_of`."""
    parameters = parameters_of(spec)
    return frozenset(parameters.fixed_settings) if isinstance(parameters, DrivenByFile) else None


def _driver_class(name: str) -> _DriverClass:
    target = DRIVERS.get(name)
    if target is None:
        raise NotFound(f"No game driver is called '{name}': the known ones are {', '.join(sorted(DRIVERS))}.")
    module, _, attribute = target.partition(":")
    return cast("_DriverClass", getattr(import_module(module), attribute))
