"""Read a game's YAML again for a survey that goes on: what may change is how the game is driven."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from game_capture.registry import fixed_settings, named_files
from imageflow_clients.database.maps import layers
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import BLOCK_SIDE, Grid
from imageflow_domain.ports import GameDriver
from imageflow_domain.recipe import Recipe
from imageflow_domain.survey import DriverSpec, Layer, Survey, SurveySpec
from imageflow_surveys import states
from imageflow_surveys.camera import driver_of
from imageflow_surveys.files_beside import digest_of, only_stored, read_local, store_files
from imageflow_surveys.games import read_content

_ABSENT = "not set"
_SHOWN = 60
_FREE = frozenset({"title", "savegames", "keep", "encoding"})
"""What a file says for the surveys to come."""


@dataclass(frozen=True, kw_only=True)
class ChangedSetting:
    """One setting that a corrected file gives another value."""

    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.path.startswith("environment"):
            return f"{self.path}: changed"  # it may hold passwords
        return f"{self.path}: {_shown(self.before)} -> {_shown(self.after)}"


@dataclass(frozen=True, kw_only=True)
class Reread:
    """What reading a survey's YAML again gave."""

    path: str | None
    """`None`: the survey has none."""
    found: bool = True
    """The file is still there; where not, the survey goes on as it was begun."""
    changes: tuple[ChangedSetting, ...] = ()
    """What was taken over."""


def reread(stores: Stores, survey_id: str, path: Path | None = None) -> Reread:
    """Let a survey that no run works on go on as its game's YAML says now.

    Args:
        path: Another file than the survey was begun with.

    Raises:
        InvalidInput: For each mistake in the file, or where it changes what must stay; the survey stays as it is.
        Conflict: While a run works on the survey.
    """
    survey = states.read(stores, survey_id)
    recipe = survey.spec.recipe
    if path is None and recipe is None:
        return Reread(path=None)
    file = path or Path(recipe.path if recipe else "")
    if path is None and not file.is_file():
        return Reread(path=str(file), found=False)
    content = read_content(file)
    before = recipe.content if recipe else {"driver": survey.spec.driver.model_dump(mode="json")}
    changes = tuple(change for change in _changes(before, content) if not _is_for_others(change, survey, before))
    kept = only_stored(file.parent, recipe.files) if recipe else {}
    spec = _corrected(survey, before, Recipe(path=str(file.absolute()), content=content, files=kept))
    _check(stores, survey, spec, changes)
    names = tuple(name for name in named_files(spec.driver) if name not in kept)
    changes += tuple(_changed_files(survey, file.parent, names))
    if not changes:
        return Reread(path=str(file))
    driver = driver_of(stores, spec)
    _check_areas(stores, survey, driver)
    assert spec.recipe is not None  # noqa: S101  given above
    now = spec.model_copy(update={"recipe": store_files(stores, survey.id, spec.recipe, names)})
    with stores.database.begin() as connection:
        states.check_idle(connection, rows.get(connection, survey.id, lock=True))
        rows.redrive(connection, survey.id, now, now.reach_px or driver.capabilities.reach_px)
    return Reread(path=str(file), changes=changes)


def _is_for_others(change: ChangedSetting, survey: Survey, before: Mapping[str, Any]) -> bool:
    """Whether a change is for later surveys only, as this one's request overrode the setting."""
    setting = change.path.partition(".")[0]
    if setting == "grid":
        return "grid" not in before or survey.spec.grid != Grid.model_validate(before["grid"])
    if setting == "block_side":
        return bool(survey.spec.block_side != before.get("block_side", BLOCK_SIDE))
    return setting in _FREE


def _corrected(survey: Survey, before: Mapping[str, Any], recipe: Recipe) -> SurveySpec:
    """Return a survey's spec by another file, and by the options that overrode the former one."""
    old, new = _parameters(before), _parameters(recipe.content)
    besides = {name: value for name, value in survey.spec.driver.parameters.items() if old.get(name) != value}
    driver = DriverSpec(name=recipe.content["driver"]["name"], parameters={**new, **besides})
    update: dict[str, Any] = {"driver": driver, "recipe": recipe}
    if survey.spec.masks == _masks(before):
        update["masks"] = _masks(recipe.content)
    if survey.spec.reach_px == before.get("reach_px"):
        update["reach_px"] = recipe.content.get("reach_px")
    return survey.spec.model_copy(update=update)


def _check(stores: Stores, survey: Survey, spec: SurveySpec, changes: tuple[ChangedSetting, ...]) -> None:
    """Raise `InvalidInput` for a change of what decides which areas there are, and what they show."""
    fixed = fixed_settings(spec.driver)
    stays = []
    for change in changes:
        setting = change.path.partition(".")[0]
        if setting == "masks":
            with stores.database.begin() as connection:
                if layers.progress(connection, survey.id).done_blocks[Layer.PAIR_OFFSETS]:
                    stays.append(f"{change}, and screenshots were compared without what a mask hides already")
        elif setting == "driver" or setting in _OF_THE_SURVEY or (fixed is None or setting in fixed):
            stays.append(str(change))
    if stays:
        listed = "".join(f"\n  {one}" for one in stays)
        raise InvalidInput(
            f"This cannot change while '{survey.id}' is under way, because its areas lie as it was begun:{listed}\n"
            "Set it back to go on, or begin another survey with `imageflow survey run`."
        )


_OF_THE_SURVEY = frozenset({"grid", "source", "block_side"})


def _check_areas(stores: Stores, survey: Survey, driver: GameDriver) -> None:
    """Raise `InvalidInput` where the driver would take other areas than the survey's."""
    laid = {area.cell: area.position for area in driver.areas(survey.spec.grid)}
    with stores.database.begin() as connection:
        planned = {area.cell: area.position for area in rows.areas(connection, survey.id)}
    if driver.capabilities.view != survey.view or laid != planned:
        raise InvalidInput(
            f"With this file the areas of '{survey.id}' would lie elsewhere, as the scroll's scale rounds the step: "
            "begin another survey with `imageflow survey run`, or set the scale back to go on."
        )


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[ChangedSetting]:
    """Yield what two files say differently; the driver's parameters by their own names."""
    kinds = [content.get("driver", {}).get("name") for content in (before, after)]
    if kinds[0] != kinds[1]:
        yield ChangedSetting(path="driver.name", before=kinds[0], after=kinds[1])
    besides = [{name: value for name, value in content.items() if name != "driver"} for content in (before, after)]
    yield from _differ("", besides[0], besides[1])
    yield from _differ("", _parameters(before), _parameters(after))


def _differ(path: str, before: Any, after: Any) -> Iterator[ChangedSetting]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*before, *after)):
            here = f"{path}.{name}" if path else str(name)
            yield from _differ(here, before.get(name, _ABSENT), after.get(name, _ABSENT))
    else:
        yield ChangedSetting(path=path, before=before, after=after)


def _changed_files(survey: Survey, folder: Path, names: tuple[str, ...]) -> Iterator[ChangedSetting]:
    stored = survey.spec.recipe.files if survey.spec.recipe else {}
    for name in names:
        key = keys.game_file(survey.id, digest_of(read_local(folder, name)))
        if name in stored and stored[name] != key:
            yield ChangedSetting(path=name, before="the file as it was", after="another content")


def _masks(content: Mapping[str, Any]) -> tuple[Rect, ...]:
    return tuple(Rect.model_validate(mask) for mask in content.get("masks", ()))


def _parameters(content: Mapping[str, Any]) -> dict[str, Any]:
    parameters: dict[str, Any] = content.get("driver", {}).get("parameters", {})
    return parameters


def _shown(value: Any) -> str:
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        return f"{len(value)} entries"
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
