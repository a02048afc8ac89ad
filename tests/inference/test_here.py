"""What only ONNX Runtime in this process does: providers, warm sessions, a registry that keeps its promises."""

import numpy as np
import onnxruntime
import pytest

from imageflow_clients.inference.onnx_runtime import OnnxSession, Provider, Runtime, available
from imageflow_clients.inference.opening import open_models
from imageflow_clients.inference.stored_models import ModelStore, OnnxModels, OpenedOnce
from imageflow_clients.settings import Settings
from imageflow_domain import keys
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import Conflict, InvalidInput, Unavailable
from services.child import free_port
from tests.inference.conftest import FILES, HEAT
from tests.inference.onnx_models import card, mean_heat, pictures, sample


def test_the_processor_always_computes_and_others_only_if_built_in() -> None:
    assert available()[-1] is Provider.CPU
    assert (Provider.CUDA in available()) == ("CUDAExecutionProvider" in onnxruntime.get_available_providers())


def test_a_provider_that_this_machine_lacks_is_said_to_be_lacking() -> None:
    lacking = [provider for provider in Provider if provider not in available()]
    for provider in lacking:
        with pytest.raises(Unavailable, match=f"cannot compute with '{provider}'"):
            OnnxSession(card(mean_heat()).describe(), mean_heat(), Runtime(provider=provider))


def test_every_provider_of_this_machine_agrees_with_the_processor() -> None:
    given = {"image": pictures(4)}
    model = card(mean_heat()).describe()
    answers = {
        provider: OnnxSession(model, mean_heat(), Runtime(provider=provider)).run(given, Cancellation())["heat"]
        for provider in available()
    }
    for answer in answers.values():
        np.testing.assert_allclose(answer, answers[Provider.CPU], atol=1e-4)


def test_the_number_of_threads_changes_no_byte() -> None:
    given = {"image": pictures(4)}
    model = card(mean_heat()).describe()
    answers = {
        OnnxSession(model, mean_heat(), Runtime(provider=Provider.CPU, threads=threads))
        .run(given, Cancellation())["heat"]
        .tobytes()
        for threads in (1, 2, 4)
    }
    assert len(answers) == 1


def test_the_longest_unused_session_is_let_go(registered: ModelStore) -> None:
    loaded = []
    sessions = OpenedOnce(lambda model: loaded.append(model) or object(), at_most=2)  # type: ignore[arg-type, return-value, func-returns-value]
    first, second, third = FILES
    for model in (first, second, first, third, first, second):
        sessions.open(model)
    assert loaded == [first, second, third, second]


def test_the_registry_lists_models_and_keeps_their_cards(registered: ModelStore) -> None:
    assert registered.list() == tuple(sorted(FILES))
    assert registered.card(HEAT) == card(FILES[HEAT])
    assert registered.file(registered.card(HEAT)) == FILES[HEAT]


def test_the_same_model_may_be_registered_again_and_no_other_under_its_version(registered: ModelStore) -> None:
    registered.add(card(FILES[HEAT]), FILES[HEAT], sample(FILES[HEAT]))
    with pytest.raises(Conflict, match="raise the version"):
        registered.add(card(mean_heat(3)), mean_heat(3), sample(mean_heat(3)))
    assert registered.file(registered.card(HEAT)) == FILES[HEAT]


def test_a_file_that_is_not_the_registered_one_is_not_run(registered: ModelStore) -> None:
    registered._objects.put(keys.model_file(HEAT), mean_heat(3))
    with pytest.raises(InvalidInput, match=r"heat@1 is not the one that was registered"):
        OnnxModels(registered).open(HEAT)


def test_a_model_whose_registration_was_cut_short_is_not_there(registered: ModelStore) -> None:
    registered._objects.delete(keys.model_card(HEAT))
    assert HEAT not in registered.list()
    registered.add(card(FILES[HEAT]), FILES[HEAT], sample(FILES[HEAT]))
    assert HEAT in registered.list()


def test_settings_say_who_computes(registered: ModelStore) -> None:
    objects = registered._objects
    assert open_models(Settings(), objects).open(HEAT).provider == available()[0]
    assert open_models(Settings(inference_provider="cpu", inference_threads=1), objects).open(HEAT).provider == "cpu"
    with pytest.raises(InvalidInput, match=r"'abacus': it may be tensorrt, cuda, cpu"):
        open_models(Settings(inference_provider="abacus"), objects)
    with pytest.raises(Unavailable, match="is it up"):
        open_models(Settings(inference_url=f"http://127.0.0.1:{free_port()}"), objects).open(HEAT)
