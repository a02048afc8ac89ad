"""A model that is sent part by part: its folder, and the rules for what the folder may hold."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import IO, Self

from imageflow_clients.inference.card import Card
from imageflow_clients.inference.stored_models import ModelStore
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput, NotFound
from imageflow_domain.file_names import PICTURE_TYPES, check_file_name, is_hidden
from imageflow_models.bundle import ANSWERS, CARD, FILE, GOLDEN, MAX_GOLDEN, REFERENCE, read_bundle
from imageflow_models.registering import register_bundle

_FILES = {"model": FILE, "card": CARD, "answers": f"{GOLDEN}/{ANSWERS}"}
_PICTURES = "golden"


class SentModel:
    """A model while its parts arrive. A context manager, which removes the folder.

    Raises `OSError` where the scratch folder cannot hold it.
    """

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._temporary = TemporaryDirectory(dir=stores.scratch, prefix="model-")
        self._folder = Path(self._temporary.name)
        (self._folder / GOLDEN).mkdir()

    def add(self, part: str, file_name: str | None, file: IO[bytes]) -> None:
        """Keep a part.

        Args:
            part: What it is: `card`, `model`, `answers`, `golden` (each golden picture) or `reference`.
            file_name: As its sender calls it; only that of a picture or reference counts.
            file: At its beginning.

        Raises:
            InvalidInput: For a part of another kind, one that comes twice, or one golden picture too many.
            OSError: Where the scratch folder cannot hold it.
        """
        path = self._folder / _place(part, file_name or "")
        if path.exists():
            raise InvalidInput(f"There are two parts for '{path.relative_to(self._folder)}': send one.")
        if path.parent.name == GOLDEN and len(list(path.parent.iterdir())) > MAX_GOLDEN:
            raise InvalidInput(f"A golden set has at most {MAX_GOLDEN} pictures: send fewer.")
        with path.open("wb") as kept:
            shutil.copyfileobj(file, kept)

    def register(self) -> Card:
        """Register the model, if the gate takes it; the same one again changes nothing.

        Raises `InvalidInput` where a part is missing or wrong, `ModelRefused`, or `Conflict` where another model has
        the name and version.
        """
        try:
            bundle = read_bundle(self._folder)
        except (InvalidInput, NotFound) as error:
            # The folder is ours: its sender does not know it.
            raise InvalidInput(str(error).replace(f"{self._folder}/", "")) from error
        return register_bundle(ModelStore(self._stores.objects), bundle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._temporary.cleanup()


def _place(part: str, file_name: str) -> str:
    """Return where a part lies in a model's folder."""
    if part in _FILES:
        return _FILES[part]
    if part not in (_PICTURES, REFERENCE):
        raise InvalidInput(
            f"'{part[:80]}' is no part of a model: send card, model, answers and golden pictures, or card and "
            "reference."
        )
    name = check_file_name(file_name)
    if part == REFERENCE:
        ending = next((each for each in PICTURE_TYPES if name.lower().endswith(each)), None)
        if ending is None:
            raise InvalidInput(f"'{name}' is no reference image: send one of {', '.join(PICTURE_TYPES)}.")
        return f"{REFERENCE}{ending}"
    if not name.endswith(".png") or is_hidden(name):
        raise InvalidInput(f"'{name}' is no golden picture: send PNG files.")
    return f"{GOLDEN}/{name}"
