"""The files beside a game's YAML: read where they lie, stored with the survey, and read from there by its runs."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import InvalidInput, ObjectDamaged
from imageflow_domain.files_beside import ReadBeside, nothing_beside
from imageflow_domain.recipe import Recipe
from imageflow_domain.survey import SurveySpec

MOST_BYTES = 256 * 1024 * 1024
"""Of one file."""


def reader_of(stores: Stores, spec: SurveySpec) -> ReadBeside:
    """Return what reads the files beside a survey's YAML: as stored with it, or before that as they lie there."""
    recipe = spec.recipe
    if recipe is None:
        return nothing_beside

    def read(name: str) -> bytes:
        key = recipe.files.get(name)
        return read_local(Path(recipe.path).parent, name) if key is None else _read_stored(stores, key, name)

    return read


def read_local(folder: Path, name: str) -> bytes:
    """Return a file of a folder; raise `InvalidInput` where it is missing, too large, or leads out of the folder."""
    inside = os.path.realpath(folder)
    path = Path(os.path.realpath(folder / name))
    if not path.is_relative_to(inside):
        raise InvalidInput(f"'{name}' leads out of '{folder}': put the file itself there.")
    if not path.is_file():
        raise InvalidInput(f"There is no file '{name}' in '{folder}', where the game's YAML lies: put it there.")
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"'{name}' in '{folder}' cannot be read: {error.strerror}.") from error
    if len(content) > MOST_BYTES:
        raise InvalidInput(f"'{name}' is larger than {MOST_BYTES // 1024**2} MiB: a game's file may not be.")
    return content


def only_stored(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """Return those of a survey's stored files, with their keys, that a folder has no more."""
    return {name: key for name, key in files.items() if not os.path.lexists(folder / name)}


def store_files(stores: Stores, survey: str, recipe: Recipe, names: Sequence[str]) -> Recipe:
    """Store files from the folder of a game's YAML with a survey; return the recipe with their keys, and those it has.

    Raises `InvalidInput` as `read_local`, and `StoreUnavailable`.
    """
    folder = Path(recipe.path).parent
    files = dict(recipe.files)
    for name in names:
        content = read_local(folder, name)
        files[name] = keys.game_file(survey, digest_of(content))
        stores.objects.put(files[name], content)
    return recipe.model_copy(update={"files": files})


def digest_of(content: bytes) -> str:
    """Return the BLAKE2b digest of a file's bytes, 40 hex digits, by which its key is spelled."""
    return hashlib.blake2b(content, digest_size=20).hexdigest()


def _read_stored(stores: Stores, key: str, name: str) -> bytes:
    what, again = f"the game's file '{name}'", "resume the survey by command line, which stores it again"
    content = stores.objects.get(key, next_step=again, what=what)
    if not key.endswith(f"/{digest_of(content)}"):
        raise ObjectDamaged(key, next_step=again, what=what)
    return content
