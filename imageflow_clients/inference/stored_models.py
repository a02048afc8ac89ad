"""The registered models: a file, a sample and a card each in the object store, and the sessions opened of them.

Whether a model is good enough to be registered is decided above; this module keeps what was accepted.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable

from pydantic import ValidationError
from typing_extensions import override

from imageflow_clients.inference.card import Card
from imageflow_clients.inference.onnx_runtime import OnnxSession, Runtime
from imageflow_clients.inference.sample import Sample
from imageflow_clients.objects import ObjectStore
from imageflow_domain import keys
from imageflow_domain.errors import Conflict, InvalidInput, NotFound, ObjectDamaged, ObjectMissing
from imageflow_domain.inference import InferenceSession, ModelDescription, ModelId, ModelRegistry

_OPEN_SESSIONS = 16
_AGAIN = "register the model again under another version"


class ModelStore:
    """Cards, files and samples of models by name and version."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def list(self) -> tuple[ModelId, ...]:
        """Return every registered model, by name and version."""
        found = [
            ModelId(name=name, version=int(version))
            for name in self._objects.list_folders(keys.MODELS)
            for version in self._objects.list_folders(keys.models(name))
            if version.isdecimal()
        ]
        return tuple(sorted(model for model in found if self._objects.exists(keys.model_card(model))))

    def card(self, model: ModelId) -> Card:
        """Return a model's card.

        Raises:
            NotFound: With those that there are, for one that is not registered.
            ObjectDamaged: Where the card cannot be read.
        """
        key = keys.model_card(model)
        try:
            return Card.model_validate_json(self._objects.get(key, next_step=_AGAIN))
        except ValidationError as error:
            step = "delete it, then register the model again"
            raise ObjectDamaged(key, next_step=step, what=f"the card of model {model}") from error
        except ObjectMissing as error:
            there = ", ".join(map(str, self.list())) or "none yet: `imageflow model register FOLDER` adds one"
            raise NotFound(f"No model '{model}' is registered. There are: {there}.") from error

    def file(self, card: Card) -> bytes:
        """Return a model's file; raise `InvalidInput` where it is not the one that was registered."""
        data = self._objects.get(keys.model_file(card.id), next_step=_AGAIN)
        if hashlib.sha256(data).hexdigest() != card.digest:
            raise InvalidInput(f"The file of model {card.id} is not the one that was registered: {_AGAIN}.")
        return data

    def sample(self, model: ModelId) -> Sample:
        """Return some pictures, and what a registered model answers to them."""
        return Sample.decode(self._objects.get(keys.model_sample(model), next_step=_AGAIN))

    def add(self, card: Card, data: bytes, sample: Sample) -> None:
        """Register a model that was accepted. Again the same one changes nothing; raises `Conflict` for another one."""
        if hashlib.sha256(data).hexdigest() != card.digest:
            raise InvalidInput(f"The card of model {card.id} is that of another file: check it again.")
        if self._objects.exists(keys.model_card(card.id)):
            if self.card(card.id) == card:
                return
            raise Conflict(f"Another model is registered as '{card.id}', and versions never change: raise the version.")
        self._objects.put(keys.model_file(card.id), data)
        self._objects.put(keys.model_sample(card.id), sample.encode())
        self._objects.put(keys.model_card(card.id), card.model_dump_json(indent=2).encode())


class SharedSessions:
    """Sessions by model, each opened once for all threads; the longest unused ones are closed."""

    def __init__(self, load: Callable[[ModelId], InferenceSession], *, at_most: int = _OPEN_SESSIONS) -> None:
        self._load = load
        self._at_most = at_most
        self._lock = threading.Lock()
        self._loading: dict[ModelId, threading.Lock] = {}
        self._open: OrderedDict[ModelId, InferenceSession] = OrderedDict()

    def open(self, model: ModelId) -> InferenceSession:
        """Return the session of a model; raise what loading raises, and load again at the next call.

        Threads that open a model while it is loaded wait for the one session; other models are loaded meanwhile.
        """
        with self._lock:
            turn = self._loading.setdefault(model, threading.Lock())
        with turn:  # others load other models meanwhile
            with self._lock:
                if model in self._open:
                    self._open.move_to_end(model)
                    return self._open[model]
            session = self._load(model)
            with self._lock:
                self._open[model] = session
                while len(self._open) > self._at_most:
                    self._loading.pop(self._open.popitem(last=False)[0])
            return session


class OnnxModels(ModelRegistry):
    """Registered models, computed here."""

    def __init__(self, store: ModelStore, runtime: Runtime | None = None) -> None:
        self._store = store
        self._runtime = runtime or Runtime()
        self._sessions = SharedSessions(self._load)

    @override
    def describe(self, model: ModelId) -> ModelDescription:
        return self._store.card(model).describe()

    @override
    def open(self, model: ModelId) -> InferenceSession:
        return self._sessions.open(model)

    def _load(self, model: ModelId) -> InferenceSession:
        card = self._store.card(model)
        return OnnxSession(card.describe(), self._store.file(card), self._runtime)
