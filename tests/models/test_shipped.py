"""The models that come with ImageFlow: the gate takes them, and they are as accurate as docs/inspection.md states."""

import pytest

from imageflow_clients.inference.card import Card
from imageflow_clients.inference.onnx_runtime import OnnxSession, Provider, Runtime
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.inference import ModelTask
from imageflow_models.bundle import Bundle, read_bundle
from imageflow_models.gate import check_model
from imageflow_models.judging import OneModel, best_threshold, judge_by_model
from imageflow_models.products import DefectKind, Drawn, Split, draw
from imageflow_models.registering import shipped
from imageflow_models.scoring import Scores, score
from imageflow_pipelines.component import Context
from imageflow_pipelines.components.anomaly import Anomaly
from imageflow_pipelines.values import Image
from tests.thorough import repeated

HELD_OUT = repeated(400, thorough=1000)
RUNTIME = Runtime(provider=Provider.CPU)


@pytest.fixture(scope="module")
def bundles() -> dict[ModelTask, tuple[Card, Bundle]]:
    read = [read_bundle(folder) for folder in shipped()]
    return {bundle.wanted.task: (check_model(bundle), bundle) for bundle in read}


@pytest.fixture(scope="module")
def products() -> list[Drawn]:
    return [draw(Split.HELD_OUT, seed) for seed in range(HELD_OUT)]


@pytest.fixture(scope="module")
def scores(bundles: dict[ModelTask, tuple[Card, Bundle]], products: list[Drawn]) -> Scores:
    card, bundle = bundles[ModelTask.DETECT]
    return score(products, judge_by_model(OneModel(card, bundle.data, RUNTIME), card.id))


def test_two_models_are_shipped_and_are_small(bundles: dict[ModelTask, tuple[Card, Bundle]]) -> None:
    assert bundles.keys() == {ModelTask.DETECT, ModelTask.ANOMALY}
    assert all(len(bundle.data) < 2**20 for _, bundle in bundles.values())


def test_pictures_are_judged_with_an_f1_of_95_percent_at_least(scores: Scores) -> None:
    assert scores.image_f1 >= 0.95


@pytest.mark.parametrize("kind", list(DefectKind))
def test_nine_of_ten_defects_of_each_kind_are_found_where_they_are(scores: Scores, kind: DefectKind) -> None:
    assert scores.recall[kind] >= 0.90


def test_at_most_two_good_products_of_a_hundred_raise_an_alarm(scores: Scores) -> None:
    assert scores.false_alarms <= 0.02


def test_a_threshold_is_beaten_by_ten_points(scores: Scores, products: list[Drawn]) -> None:
    assert scores.image_f1 >= score(products, best_threshold(HELD_OUT)).image_f1 + 0.10


def test_heat_is_where_defects_are(bundles: dict[ModelTask, tuple[Card, Bundle]], products: list[Drawn]) -> None:
    card, bundle = bundles[ModelTask.ANOMALY]
    context = Context(models=OneModel(card, bundle.data, RUNTIME), cancellation=Cancellation())
    component = Anomaly(model=str(card.id))
    hit, defects, alarms, good = 0, 0, 0, 0
    for product in products[:300]:
        mask = component(Image(product.pixels), context).mask.pixels > 0
        hit += sum((mask & defect.mask).any() for defect in product.defects)
        defects += len(product.defects)
        alarms += product.is_good and mask.any()
        good += product.is_good
    assert hit / defects >= 0.90
    assert alarms / good <= 0.03


def test_the_threads_of_a_session_change_no_byte_of_an_answer(bundles: dict[ModelTask, tuple[Card, Bundle]]) -> None:
    from imageflow_pipelines.tensors import to_tensor

    for card, bundle in bundles.values():
        given = {"image": to_tensor(bundle.golden.pictures[0].pixels, card.describe())}
        answers = {
            tuple(
                values.tobytes()
                for values in OnnxSession(card.describe(), bundle.data, Runtime(provider=Provider.CPU, threads=threads))
                .run(given, Cancellation())
                .values()
            )
            for threads in (1, 2, 4)
        }
        assert len(answers) == 1
