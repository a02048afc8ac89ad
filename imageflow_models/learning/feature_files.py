"""Features of images in files, so that learning that was interrupted goes on where it was, and memory stays bounded."""

import shutil
from pathlib import Path

import numpy as np

from imageflow_domain.errors import StoreUnavailable
from imageflow_models.learning.photographs import Photograph
from imageflow_models.learning.trunk import Floats, Trunk

_FOLDER = ".features"


class FeatureFiles:
    """Computes each image's features once. Half precision: 2 MB for an image of 2 megapixels."""

    def __init__(self, folder: Path, trunk: Trunk) -> None:
        self._folder = folder / _FOLDER
        self._trunk = trunk
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"'{folder}' cannot be written ({error.strerror}): name another folder.") from error

    def of(self, photograph: Photograph) -> Floats:
        """Return rows x columns x channels."""
        path = self._folder / f"{self._trunk.digest[:16]}-{photograph.digest[:32]}.npy"
        if not path.exists():
            unfinished = path.with_suffix(".part")
            try:
                with unfinished.open("wb") as file:
                    np.save(file, self._trunk.features(photograph.pixels()).astype(np.float16))
                unfinished.replace(path)
            except OSError as error:
                raise StoreUnavailable(f"'{path}' cannot be written ({error.strerror}): make room.") from error
        return np.asarray(np.load(path, allow_pickle=False), np.float32)

    def remove(self) -> None:
        """Delete all of them, once the model is written."""
        shutil.rmtree(self._folder)
