"""Chooses the runtime of registered models, by the settings."""

from imageflow_clients.inference.onnx_runtime import Provider, Runtime
from imageflow_clients.inference.stored_models import ModelStore, OnnxModels
from imageflow_clients.inference.triton import Server, TritonModels
from imageflow_clients.objects import ObjectStore
from imageflow_clients.settings import InferenceSettings
from imageflow_domain.errors import InvalidInput
from imageflow_domain.inference import ModelRegistry


def open_models(settings: InferenceSettings, objects: ObjectStore) -> ModelRegistry:
    """Return the registered models of a store; raise `InvalidInput` for settings that name no runtime."""
    store = ModelStore(objects)
    if settings.inference_url is not None:
        return TritonModels(store, Server(settings.inference_url, versions=settings.inference_versions))
    wanted = settings.inference_provider
    if wanted is not None and wanted not in list(Provider):
        raise InvalidInput(f"IMAGEFLOW_INFERENCE_PROVIDER is '{wanted}': it may be {', '.join(Provider)}.")
    return OnnxModels(store, Runtime(provider=Provider(wanted) if wanted else None, threads=settings.inference_threads))
