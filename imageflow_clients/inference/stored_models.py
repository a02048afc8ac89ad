"""The registered models: a file, a card and, of networks, a sample in the object store; and what is opened of them.

Whether a model is good enough to be registered is decided above; this module keeps what was accepted.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from pydantic import ValidationError
from typing_extensions import override

from imageflow_clients.inference.card import Card
from imageflow_clients.inference.onnx_runtime import OnnxSession, Runtime
from imageflow_clients.inference.sample import Sample
from imageflow_clients.objects import ObjectStore
from imageflow_domain import keys
from imageflow_domain.errors import Conflict, InvalidInput, NotFound, ObjectDamaged, ObjectMissing
from imageflow_domain.inference import (
    InferenceSession,
    ModelDescription,
    ModelId,
    ModelRegistry,
    ModelTask,
    ReferenceImage,
    check_task,
)

Opened = TypeVar("Opened")

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
        data = self._objects.get(_file_key(card), next_step=_AGAIN)
        if hashlib.sha256(data).hexdigest() != card.digest:
            raise InvalidInput(f"The file of model {card.id} is not the one that was registered: {_AGAIN}.")
        return data

    def reference(self, model: ModelId) -> ReferenceImage:
        """Return the image of a model for `ALIGN`; raise `InvalidInput` for another one."""
        card = self.card(model)
        check_task(card.describe(), ModelTask.ALIGN)
        return ReferenceImage(model=card.describe(), data=self.file(card))

    def sample(self, model: ModelId) -> Sample:
        """Return some pictures, and what a registered model answers to them."""
        return Sample.decode(self._objects.get(keys.model_sample(model), next_step=_AGAIN))

    def add(self, card: Card, data: bytes, sample: Sample | None = None) -> None:
        """Register a model that was accepted, a network with a sample of its answers.

        Again the same one changes nothing; raises `Conflict` for another one.
        """
        if hashlib.sha256(data).hexdigest() != card.digest:
            raise InvalidInput(f"The card of model {card.id} is that of another file: check it again.")
        if self._objects.exists(keys.model_card(card.id)):
            if self.card(card.id) == card:
                return
            raise Conflict(f"Another model is registered as '{card.id}', and versions never change: raise the version.")
        self._objects.put(_file_key(card), data)
        if sample is not None:
            self._objects.put(keys.model_sample(card.id), sample.encode())
        self._objects.put(keys.model_card(card.id), card.model_dump_json(indent=2).encode())


def _file_key(card: Card) -> str:
    return keys.model_reference(card.id) if card.task is ModelTask.ALIGN else keys.model_file(card.id)


class OpenedOnce(Generic[Opened]):
    """Sessions or references by model, each opened once for all threads; the longest unused ones are closed."""

    def __init__(self, load: Callable[[ModelId], Opened], *, at_most: int = _OPEN_SESSIONS) -> None:
        self._load = load
        self._at_most = at_most
        self._lock = threading.Lock()
        self._loading: dict[ModelId, threading.Lock] = {}
        self._open: OrderedDict[ModelId, Opened] = OrderedDict()

    def open(self, model: ModelId) -> Opened:
        """Return what is opened of a model; raise what loading raises, and load again at the next call.

        Threads that open a model while it is loaded wait for it; other models are loaded meanwhile.
        """
        with self._lock:
            turn = self._loading.setdefault(model, threading.Lock())
        with turn:  # others load other models meanwhile
            with self._lock:
                if model in self._open:
                    self._open.move_to_end(model)
                    return self._open[model]
            opened = self._load(model)
            with self._lock:
                self._open[model] = opened
                while len(self._open) > self._at_most:
                    self._loading.pop(self._open.popitem(last=False)[0])
            return opened


def check_network(card: Card) -> None:
    """Raise `InvalidInput` for a model that has no tensors."""
    if card.task is ModelTask.ALIGN:
        raise InvalidInput(f"Model {card.id} is a reference image for 'align': name a network.")


class OnnxModels(ModelRegistry):
    """Registered models, computed here."""

    def __init__(self, store: ModelStore, runtime: Runtime | None = None) -> None:
        self._store = store
        self._runtime = runtime or Runtime()
        self._sessions = OpenedOnce(self._load)
        self._references = OpenedOnce(store.reference)

    @override
    def describe(self, model: ModelId) -> ModelDescription:
        return self._store.card(model).describe()

    @override
    def open(self, model: ModelId) -> InferenceSession:
        return self._sessions.open(model)

    @override
    def reference(self, model: ModelId) -> ReferenceImage:
        return self._references.open(model)

    def _load(self, model: ModelId) -> InferenceSession:
        card = self._store.card(model)
        check_network(card)
        return OnnxSession(card.describe(), self._store.file(card), self._runtime)
