"""Through the gate into the registry; and the models that come with ImageFlow, made by `imageflow model train`."""

from pathlib import Path

from imageflow_clients.inference.card import Card
from imageflow_clients.inference.stored_models import ModelStore
from imageflow_domain.inference import ModelId
from imageflow_models.bundle import Bundle, read_bundle
from imageflow_models.gate import accept_model

FOLDER = Path(__file__).with_name("models")


def shipped() -> tuple[Path, ...]:
    """Return the bundles' folders."""
    return tuple(sorted(path.parent for path in FOLDER.glob("*/model.json")))


def register(store: ModelStore, folder: Path) -> ModelId:
    """Register the model of a bundle, if the gate takes it; again the same one changes nothing.

    Raises `ModelRefused`, or `Conflict` where another model has the name and version.
    """
    return register_bundle(store, read_bundle(folder)).id


def register_bundle(store: ModelStore, bundle: Bundle) -> Card:
    """Register a bundle that was read; see `register`."""
    card, sample = accept_model(bundle)
    store.add(card, bundle.data, sample)
    return card
