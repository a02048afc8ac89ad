"""Read models of registered models, by name and version."""

from imageflow_clients.inference.card import Card
from imageflow_clients.inference.stored_models import ModelStore
from imageflow_clients.stores import Stores
from imageflow_domain.inference import ModelId
from imageflow_domain.page import Page, cut


def list_models(stores: Stores, *, after: ModelId | None = None, limit: int = 100) -> Page[Card]:
    """Return the cards of models behind `after`."""
    store = ModelStore(stores.objects)
    found = [model for model in store.list() if after is None or model > after]
    return cut(found, limit, str).each(store.card)


def get_model(stores: Stores, model: ModelId) -> Card:
    """Return a model's card; raise what `ModelStore.card` does."""
    return ModelStore(stores.objects).card(model)
