"""ONNX Runtime in this process: which provider computes, and a session that threads share."""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from imageflow_clients.inference.gpu_memory import gpu_memory_bytes
from imageflow_clients.inference.tensor_check import check_inputs
from imageflow_clients.process_meter import thread_ids, threads_cpu_s
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import InvalidInput, StepDied, Unavailable
from imageflow_domain.inference import ModelDescription
from imageflow_domain.resource_use import ResourceUse
from imageflow_domain.step_scope import current_scope

_MEMORY_WORDS = ("alloc", "memory", "bad_alloc")


class Provider(StrEnum):
    """Runtimes' providers, the quickest first."""

    TENSORRT = "tensorrt"
    CUDA = "cuda"
    CPU = "cpu"


_PROVIDERS: Mapping[Provider, tuple[str, Mapping[str, str]]] = {
    Provider.TENSORRT: ("TensorrtExecutionProvider", {}),
    # The same picture gives the same answer, and one close to the processor's.
    Provider.CUDA: ("CUDAExecutionProvider", {"use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"}),
    Provider.CPU: ("CPUExecutionProvider", {}),
}


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """How sessions compute here."""

    provider: Provider | None = None
    """`None`: the quickest that this machine has."""
    threads: int = 0
    """Of one session; 0: as many as there are cores for this process."""
    max_batch: int = 64


def available() -> tuple[Provider, ...]:
    """Return the providers that this ONNX Runtime was built with, the quickest first."""
    built = ort.get_available_providers()
    return tuple(provider for provider, (name, _) in _PROVIDERS.items() if name in built)


class _Loads:
    """Notices which threads a load begins, as ONNX Runtime does not say it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = 0
        self._ended = 0

    @contextmanager
    def noticing(self) -> Iterator[set[int]]:
        """Give a set that has the threads once the body has ended; none where other models were loaded meanwhile."""
        found: set[int] = set()
        with self._lock:
            self._begun += 1
            own, is_alone = self._begun, self._begun == self._ended + 1
        before = thread_ids()
        try:
            yield found
        finally:
            with self._lock:
                self._ended += 1
                is_alone = is_alone and self._begun == own
            if is_alone:
                found |= thread_ids() - before - {thread.native_id for thread in threading.enumerate()}


_LOADS = _Loads()


class OnnxSession:
    """A loaded, warmed model; see `imageflow_domain.inference.InferenceSession`."""

    def __init__(self, model: ModelDescription, data: bytes, runtime: Runtime) -> None:
        """Load the model and run it once.

        Raises:
            InvalidInput: For a file that ONNX Runtime cannot run.
            Unavailable: When the wanted provider is not to be had.
        """
        self.model = model
        self.max_batch = runtime.max_batch
        with _LOADS.noticing() as begun:
            self._session, self._provider = _load(model, data, runtime)
        self._threads = begun
        self._outputs = [tensor.name for tensor in model.outputs]
        self.run({tensor.name: _zeros(tensor.shape, tensor.dtype) for tensor in model.inputs}, Cancellation())

    @property
    def provider(self) -> str:
        """`tensorrt`, `cuda` or `cpu`: the one that loaded the model."""
        return self._provider.value

    def run(self, inputs: Mapping[str, NDArray[Any]], cancellation: Cancellation) -> Mapping[str, NDArray[Any]]:
        """Compute in the calling thread; a cancellation terminates ONNX Runtime's run."""
        check_inputs(self.model, inputs, self.max_batch)
        options = ort.RunOptions()

        def stop() -> None:
            options.terminate = True

        with cancellation.interrupting(stop), self._reporting():
            try:
                answers = self._session.run(self._outputs, dict(inputs), options)
            except Exception as error:  # ONNX Runtime raises classes of its own, with no common root
                cancellation.check()
                raise _explain(self.model, error) from error
        cancellation.check()
        return dict(zip(self._outputs, answers, strict=True))

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Report to the step's scope what threads of the session used, and the memory of graphics cards."""
        scope = current_scope()
        if scope is None:
            yield
            return
        begun_s = threads_cpu_s(self._threads)
        try:
            yield
        finally:
            gpu_bytes = None if self._provider is Provider.CPU else gpu_memory_bytes()
            scope.use(ResourceUse(cpu_s=threads_cpu_s(self._threads) - begun_s, gpu_memory_bytes=gpu_bytes))


def _load(model: ModelDescription, data: bytes, runtime: Runtime) -> tuple[ort.InferenceSession, Provider]:
    refused: Exception | None = None
    for provider in _candidates(runtime.provider):
        try:
            session = ort.InferenceSession(data, _options(runtime), providers=_named(provider))
        except Exception as error:  # noqa: BLE001 - its classes have no common root; the next provider is tried
            refused = error
            continue
        if session.get_providers()[0] == _PROVIDERS[provider][0]:  # it falls back silently otherwise
            return session, provider
    if runtime.provider not in (None, Provider.CPU):
        raise Unavailable(f"This machine cannot compute with '{runtime.provider}': use another provider.") from refused
    raise InvalidInput(f"ONNX Runtime cannot load model {model.id}: {_first_line(refused)}") from refused


def _candidates(wanted: Provider | None) -> Sequence[Provider]:
    if wanted is None:
        return available()
    return [wanted] if wanted in available() else []


def _named(provider: Provider) -> list[tuple[str, dict[str, str]]]:
    # What a graphics card lacks an operator for, the processor computes.
    names = [provider] if provider is Provider.CPU else [provider, Provider.CPU]
    return [(_PROVIDERS[name][0], dict(_PROVIDERS[name][1])) for name in names]


def _options(runtime: Runtime) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = runtime.threads or len(os.sched_getaffinity(0))
    options.inter_op_num_threads = 1
    # Threads that spin while they wait take the cores from other work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    return options


def _zeros(shape: Sequence[int | None], dtype: str) -> NDArray[Any]:
    return np.zeros([1 if axis == 0 else (side or 64) for axis, side in enumerate(shape)], dtype)


def _explain(model: ModelDescription, error: Exception) -> Exception:
    said = _first_line(error)
    if isinstance(error, MemoryError) or any(word in said.lower() for word in _MEMORY_WORDS):
        return StepDied(f"There is not enough memory for model {model.id}: give it fewer or smaller pictures.")
    return InvalidInput(f"Model {model.id} failed on this input: {said}")


def _first_line(error: Exception | None) -> str:
    return str(error).splitlines()[0][:300] if error and str(error) else "no reason was given"
