"""Through the gate into the registry; and the models that come with ImageFlow, made by `imageflow model train`."""

from pathlib import Path

from imageflow_clients.inference.stored_models import ModelStore
from imageflow_domain.inference import ModelId
from imageflow_models.bundle import read_bundle
from imageflow_models.gate import check_model

FOLDER = Path(__file__).with_name("models")


def shipped() -> tuple[Path, ...]:
    """Return the bundles' folders."""
    return tuple(sorted(path.parent for path in FOLDER.glob("*/model.json")))


def register(store: ModelStore, folder: Path) -> ModelId:
    """Register the model of a bundle, if the gate takes it; again the same one changes nothing.

    Raises `ModelRefused`, or `Conflict` where another model has the name and version.
    """
    bundle = read_bundle(folder)
    store.add(check_model(bundle), bundle.data)
    return bundle.wanted.id
