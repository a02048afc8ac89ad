"""Models that an inference server computes: Triton, or any other of the Open Inference Protocol (v2) over HTTP.

The server loads the same files under the same names and versions; what a model is for stands on its card, here.
"""

import http.client
import json
import queue
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from numpy.typing import NDArray
from typing_extensions import override

from imageflow_clients.inference import v2_messages
from imageflow_clients.inference.stored_models import ModelStore, OpenedOnce, check_network
from imageflow_clients.inference.tensor_check import check_inputs
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import BadGateway, InvalidInput, NotFound, Timeout, Unavailable
from imageflow_domain.inference import InferenceSession, ModelDescription, ModelId, ModelRegistry, ReferenceImage

_BINARY = "binary_tensor_data"
_SECONDS = 30.0
_MAX_ANSWER_BYTES = 512 * 2**20


class Server:
    """One server's address, and its open connections."""

    def __init__(self, url: str, *, versions: bool = True, seconds: float = _SECONDS) -> None:
        """Take an address like http://127.0.0.1:8000; raise `InvalidInput` for any other.

        Args:
            url: Of the server.
            versions: Whether it knows versions, as Triton does; without, `defects@3` is called `defects_3` there.
            seconds: After which an answer is no longer waited for.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidInput(f"'{url}' is not the address of an inference server: it looks like http://host:8000.")
        self.url = url.rstrip("/")
        self._parts = parts
        self._versions = versions
        self._seconds = seconds
        self._idle: queue.SimpleQueue[http.client.HTTPConnection] = queue.SimpleQueue()

    def get(self, path: str) -> dict[str, Any] | None:
        """Return what stands at a path, as JSON, or `None` where nothing does."""
        status, _, body = self._ask("GET", path, None, {}, Cancellation())
        if status == http.HTTPStatus.NOT_FOUND:
            return None
        return self._json(status, body)

    def path(self, model: ModelId) -> str:
        """Return the path of a model's metadata; `/infer` below it computes."""
        if self._versions:
            return f"/v2/models/{model.name}/versions/{model.version}"
        return f"/v2/models/{model.name}_{model.version}"

    def infer(
        self, model: ModelId, message: v2_messages.Message, cancellation: Cancellation
    ) -> dict[str, NDArray[Any]]:
        """Return a model's answer.

        Raises:
            InvalidInput: For an input that the server refuses.
            Timeout: Where the server does not answer in time.
            BadGateway: For an answer that cannot be used.
            Unavailable: Where the server cannot be reached.
            Cancelled: If it is to stop meanwhile.
        """
        path = f"{self.path(model)}/infer"
        status, headers, body = self._ask("POST", path, message.body, message.headers, cancellation)
        if status != http.HTTPStatus.OK:
            self._refuse(status, body)
        return v2_messages.answer(body, headers.get(v2_messages.HEADER_LENGTH), self.url)

    def _json(self, status: int, body: bytes) -> dict[str, Any]:
        if status != http.HTTPStatus.OK:
            self._refuse(status, body)
        try:
            found = json.loads(body or b"{}")
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise BadGateway(f"What answers at {self.url} is no inference server: check the address.")
        return found

    def _refuse(self, status: int, body: bytes) -> None:
        said = body.decode(errors="replace")[:300]
        with suppress(ValueError, AttributeError):
            said = str(json.loads(body).get("error", said))
        if http.HTTPStatus.BAD_REQUEST <= status < http.HTTPStatus.INTERNAL_SERVER_ERROR and status not in (408, 429):
            raise InvalidInput(f"The inference server at {self.url} refuses this: {said}")
        raise BadGateway(f"The inference server at {self.url} failed ({status}): {said}")

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], cancellation: Cancellation
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        for is_last in (False, True):
            # Not an idle one twice: a server that was started again has closed them all.
            connection, is_fresh = (self._new(), True) if is_last else self._idle_or_new()
            try:
                with cancellation.interrupting(lambda held=connection: _cut(held)):  # type: ignore[misc]
                    connection.request(method, self._parts.path.rstrip("/") + path, body, dict(headers))
                    response = connection.getresponse()
                    data = response.read(_MAX_ANSWER_BYTES)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                cancellation.check()
                # A server closes connections that were long idle; only a fresh one says that it is down.
                if is_fresh and isinstance(error, TimeoutError):
                    raise Timeout(
                        f"The inference server at {self.url} did not answer within {self._seconds:g} s: look at its "
                        "load, then try again."
                    ) from error
                if is_fresh:
                    raise Unavailable(
                        f"The inference server at {self.url} does not answer ({error or type(error).__name__}): "
                        "is it up?"
                    ) from error
                continue
            except BaseException:
                connection.close()
                raise
            self._keep(connection, whole=response.isclosed())
            cancellation.check()
            return response.status, response.headers, data
        raise AssertionError("the second try returns or raises")

    def _idle_or_new(self) -> tuple[http.client.HTTPConnection, bool]:
        with suppress(queue.Empty):
            return self._idle.get_nowait(), False
        return self._new(), True

    def _new(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        return kind(self._parts.hostname or "", self._parts.port, timeout=self._seconds)

    def _keep(self, connection: http.client.HTTPConnection, *, whole: bool) -> None:
        if whole:
            self._idle.put(connection)
        else:
            connection.close()


class TritonSession:
    """A model on a server; see `imageflow_domain.inference.InferenceSession`."""

    provider = "triton"

    def __init__(self, model: ModelDescription, server: Server, *, max_batch: int, binary: bool) -> None:
        self.model = model
        self.max_batch = max_batch
        self._server = server
        self._binary = binary
        self._outputs = tuple(tensor.name for tensor in model.outputs)

    def run(self, inputs: Mapping[str, NDArray[Any]], cancellation: Cancellation) -> Mapping[str, NDArray[Any]]:
        """Ask the server; a cancellation closes the connection.

        Raises `BadGateway` where the server refuses inputs that fit the description: the picture is not to blame.
        """
        check_inputs(self.model, inputs, self.max_batch)
        try:
            return self.answer(inputs, cancellation)
        except InvalidInput as error:
            # Servers answer so while they unload a model or load it again: the picture is not to blame.
            raise BadGateway(
                f"{error} What was sent is what model '{self.model.id}' takes: see that the server holds it whole, "
                "then try again."
            ) from error

    def answer(self, inputs: Mapping[str, NDArray[Any]], cancellation: Cancellation) -> Mapping[str, NDArray[Any]]:
        """Do what `run` does with inputs that are known to fit; raise `InvalidInput` where the server refuses them."""
        message = v2_messages.request(inputs, self._outputs, binary=self._binary, cancellation=cancellation)
        answered = self._server.infer(self.model.id, message, cancellation)
        if missing := [name for name in self._outputs if name not in answered]:
            raise BadGateway(f"The inference server at {self._server.url} gave no {missing}: does it hold this model?")
        return {name: answered[name] for name in self._outputs}


class TritonModels(ModelRegistry):
    """Registered models, computed by a server."""

    def __init__(self, store: ModelStore, server: Server, *, max_batch: int = 64, binary: bool | None = None) -> None:
        """Take a registry of cards and a server.

        Args:
            store: Says what the models are.
            server: Computes.
            max_batch: The most pictures that it is sent at once.
            binary: Whether tensors travel as bytes, not as JSON; `None`: if the server says that it can.
        """
        self._store = store
        self._server = server
        self._max_batch = max_batch
        self._binary = binary
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
        described = card.describe()
        there = self._server.get(self._server.path(model))
        if there is None:
            raise NotFound(f"The inference server at {self._server.url} holds no model '{model}': load it there.")
        for said, wanted in ((there.get("inputs"), described.inputs), (there.get("outputs"), described.outputs)):
            names = {tensor.get("name") for tensor in said or ()}
            if names and names != {tensor.name for tensor in wanted}:
                raise InvalidInput(
                    f"The inference server at {self._server.url} holds another model as '{model}': it has the tensors "
                    f"{', '.join(sorted(map(str, names)))}."
                )
        binary = self._binary
        if binary is None:
            binary = _BINARY in ((self._server.get("/v2") or {}).get("extensions") or ())
        session = TritonSession(described, self._server, max_batch=self._max_batch, binary=binary)
        for picture in self._store.sample(model).pictures():
            # Tensors of the same names are no sign of the same model.
            answered = session.answer(picture.inputs, Cancellation())
            picture.check(answered, card.tolerance, who=f"What {self._server.url} holds as '{model}'")
        return session


def _cut(connection: http.client.HTTPConnection) -> None:
    """Wake the thread that reads from a connection."""
    if connection.sock is not None:
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
