"""Models: the shipped one's scores on held-out products, and the cost of a session beside the bare runtime."""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from bench.figures import Figure, Result
from imageflow_clients.inference.card import Card
from imageflow_clients.inference.onnx_runtime import OnnxSession, Provider, Runtime, available
from imageflow_clients.inference.sample import Sample
from imageflow_clients.inference.stored_models import ModelStore
from imageflow_clients.inference.triton import Server, TritonModels
from imageflow_clients.object_stores import open_object_store
from imageflow_clients.settings import Settings
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.inference import InferenceSession
from imageflow_models.bundle import read_bundle
from imageflow_models.gate import accept_model
from imageflow_models.judging import OneModel, best_threshold, judge_by_model
from imageflow_models.network import IMAGE
from imageflow_models.products import SIZE_PX, Split, draw
from imageflow_models.registering import shipped
from imageflow_models.scoring import score
from services import kserve
from services.kserve import KServe

PICTURES = 3000
ROUNDS = 60
BATCH = 16
_ONE_CORE = Runtime(provider=Provider.CPU, threads=1, max_batch=BATCH)


def run() -> Result:
    """Return the table of scores, and the times of one picture and of a batch by everyone who can compute them."""
    bundle = next(bundle for bundle in map(read_bundle, shipped()) if bundle.wanted.labels)
    card, sample = accept_model(bundle)
    assert sample is not None, "a network has one"
    return Result(figures=(*scores(card, bundle.data), *times(card, bundle.data), *served(card, bundle.data, sample)))


def scores(card: Card, data: bytes) -> tuple[Figure, ...]:
    """Judge held-out products by the model and by a threshold that was tuned on validation products."""
    products = [draw(Split.HELD_OUT, seed) for seed in range(PICTURES)]
    ours = score(products, judge_by_model(OneModel(card, data), card.id))
    baseline = score(products, best_threshold(PICTURES))
    return (
        Figure(name=f"image F1, {PICTURES} held-out products", value=100 * ours.image_f1, unit="%", at_least=95),
        *(
            Figure(name=f"recall, {kind.replace('_', ' ')}", value=100 * share, unit="%", at_least=90)
            for kind, share in ours.recall.items()
        ),
        Figure(name="false alarms", value=100 * ours.false_alarms, unit="%", at_most=2),
        Figure(name="image F1, threshold baseline", value=100 * baseline.image_f1, unit="%"),
        Figure(
            name="image F1 above the baseline, in points",
            value=100 * (ours.image_f1 - baseline.image_f1),
            at_least=10,
        ),
    )


def times(card: Card, data: bytes) -> tuple[Figure, ...]:
    """Compare a session with the bare runtime on one core, and every provider of this machine with it."""
    begun = time.perf_counter()
    session = OnnxSession(card.describe(), data, _ONE_CORE)
    opened_s = time.perf_counter() - begun
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    bare = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    one, many = _pictures(1), _pictures(BATCH)
    figures = [
        Figure(name="opening and warming a session", value=1000 * opened_s, unit="ms"),
        Figure(
            name="a session's picture / the bare runtime's, CPU of one core",
            value=_ratio(lambda: session.run(one, Cancellation()), lambda: bare.run(None, one)),
            at_most=1.05,
        ),
        *_figures("one core", session, one, many),
    ]
    for provider in available():
        quick = OnnxSession(card.describe(), data, Runtime(provider=provider, max_batch=BATCH))
        figures += _figures(f"{provider}, all threads", quick, one, many)
    return tuple(figures)


def served(card: Card, data: bytes, sample: Sample) -> tuple[Figure, ...]:
    """Ask a real server of the inference protocol, where KServe is installed."""
    if not kserve.is_kept():
        return ()
    with TemporaryDirectory() as name:
        store = ModelStore(open_object_store(Settings(home=Path(name) / "home")))
        store.add(card, data, sample)
        (Path(name) / "server").mkdir()
        server = KServe(Path(name) / "server", {card.id: data})
        try:
            figures = []
            for binary, how in ((True, "bytes"), (False, "JSON")):
                models = TritonModels(store, Server(server.url, versions=False), max_batch=BATCH, binary=binary)
                figures += _figures(f"KServe, {how}", models.open(card.id), _pictures(1), _pictures(BATCH))
            return tuple(figures)
        finally:
            server.stop()


def _figures(
    who: str, session: InferenceSession, one: Mapping[str, NDArray[Any]], many: Mapping[str, NDArray[Any]]
) -> list[Figure]:
    single, batch = (_times_s(lambda given=given: session.run(given, Cancellation())) for given in (one, many))  # type: ignore[misc]
    return [
        Figure(name=f"one picture, {who}, p50", value=1000 * statistics.median(single), unit="ms"),
        Figure(
            name=f"a picture in a batch of {BATCH}, {who}", value=1000 * statistics.median(batch) / BATCH, unit="ms"
        ),
    ]


def _pictures(count: int) -> dict[str, NDArray[Any]]:
    return {IMAGE: np.random.default_rng(count).random((count, 3, SIZE_PX, SIZE_PX), np.float32)}


def _ratio(work: Callable[[], object], other: Callable[[], object]) -> float:
    """Return the ratio of the processor time of two works of this thread; the rounds alternate, the quickest count."""
    least_s = [math.inf, math.inf]
    for _ in range(ROUNDS):
        for i, each in enumerate((work, other)):
            begun = time.thread_time()
            each()
            least_s[i] = min(least_s[i], time.thread_time() - begun)
    return least_s[0] / least_s[1]


def _times_s(work: Callable[[], object], rounds: int = ROUNDS // 4) -> list[float]:
    spent = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begun)
    return spent
