"""What every session promises, with any runtime."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import Cancelled, InvalidInput, NotFound
from imageflow_domain.inference import ModelId
from tests.inference.conftest import ENDLESS, HEAT, TWICE, Computing
from tests.inference.onnx_models import SIDE, pictures


def test_a_model_answers_what_its_arithmetic_says(computing: Computing) -> None:
    given = pictures(3)
    session = computing.models.open(HEAT)
    answer = session.run({"image": given}, Cancellation())
    assert answer.keys() == {"heat"}
    assert answer["heat"].dtype == np.float32
    np.testing.assert_allclose(answer["heat"], given.mean(axis=1, keepdims=True), atol=1e-6)
    assert session.provider == computing.provider


def test_versions_of_a_model_are_different_models(computing: Computing) -> None:
    given = {"image": pictures()}
    once, twice = (computing.models.open(model).run(given, Cancellation())["heat"] for model in (HEAT, TWICE))
    np.testing.assert_allclose(twice, 2 * once, atol=1e-6)


def test_a_batch_gives_the_bytes_of_its_pictures_one_by_one(computing: Computing) -> None:
    given = pictures(5)
    session = computing.models.open(HEAT)
    together = session.run({"image": given}, Cancellation())["heat"]
    alone = [session.run({"image": given[i : i + 1]}, Cancellation())["heat"] for i in range(5)]
    assert together.tobytes() == np.concatenate(alone).tobytes()


def test_threads_share_one_session(computing: Computing) -> None:
    sessions = []

    def work(seed: int) -> bool:
        session = computing.models.open(HEAT)
        sessions.append(session)
        given = np.random.default_rng(seed).random((2, 3, SIDE, SIDE), np.float32)
        answer = session.run({"image": given}, Cancellation())["heat"]
        return np.allclose(answer, given.mean(axis=1, keepdims=True), atol=1e-6)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(32)))
    assert len({id(session) for session in sessions}) == 1


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("another name", {"picture": pictures()}),
        ("no input", {}),
        ("two inputs", {"image": pictures(), "more": pictures()}),
        ("another type", {"image": pictures().astype(np.float64)}),
        ("another size", {"image": np.zeros((1, 3, SIDE, SIDE + 1), np.float32)}),
        ("an axis less", {"image": np.zeros((3, SIDE, SIDE), np.float32)}),
        ("no picture", {"image": np.zeros((0, 3, SIDE, SIDE), np.float32)}),
        ("strides", {"image": np.zeros((1, SIDE, SIDE, 3), np.float32).transpose(0, 3, 1, 2)}),
        ("more than a batch", {"image": pictures(9)}),
    ],
)
def test_inputs_that_the_description_does_not_allow_are_refused(computing: Computing, name: str, given: dict) -> None:
    session = computing.models.open(HEAT)
    assert session.max_batch == 8
    with pytest.raises(InvalidInput, match=r"heat@1 takes"):
        session.run(given, Cancellation())


def test_a_model_that_is_not_registered_is_not_found_and_the_others_are_named(computing: Computing) -> None:
    with pytest.raises(NotFound, match=r"'heat@7'.*endless@1, heat@1, heat@2"):
        computing.models.open(ModelId(name="heat", version=7))


def test_what_is_cancelled_beforehand_does_not_run(computing: Computing) -> None:
    cancellation = Cancellation()
    cancellation.cancel("No longer wanted.")
    with pytest.raises(Cancelled, match="No longer wanted"):
        computing.models.open(HEAT).run({"image": pictures()}, cancellation)


def test_a_run_that_would_take_hours_ends_within_a_second_of_being_cancelled(computing: Computing) -> None:
    session = computing.models.open(ENDLESS)
    cancellation = Cancellation()
    thrown = []

    def throw() -> None:
        thrown.append(time.monotonic())
        cancellation.cancel("Enough.")

    threading.Timer(0.5, throw).start()
    with pytest.raises(Cancelled, match="Enough"):
        session.run({"image": pictures(1)}, cancellation)
    took = time.monotonic() - thrown[0]
    computing.recover()
    assert took < 1
