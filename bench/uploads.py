"""One command puts a batch of drawn products into the bucket of a running stack: until results stand in database and
Dagster, and how right they are."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import cv2

from bench.figures import Figure, Result
from bench.stack import Stack, running_stack
from imageflow_clients.database.inspection import batches, inspections
from imageflow_clients.inference.stored_models import ModelStore, OnnxModels
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.inspection import Batch, Inspection, PictureResult
from imageflow_inspection.product_file import ProductFile, publish_product
from imageflow_models.products import Drawn, Split, draw
from imageflow_models.registering import register, shipped
from imageflow_models.scoring import Scores, score
from imageflow_pipelines.values import Box, Detection
from services.minio import Minio

PICTURES = 200
_BATCHES = 3
_EXAMPLE = Path(__file__).parents[1] / "examples" / "inspection"
_PATIENCE_S = 600.0
_LOOK_S = 0.1


def run() -> Result:
    """Measure batches of 200 held-out products, one after the other, each from the command's start to Dagster's
    report."""
    seconds: list[float] = []
    scores: list[Scores] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        _minio(Path(folder)) as bucket,
        running_stack(Path(folder), bucket) as stack,
        _stores(stack) as stores,
    ):
        product = _publish(stores)
        for number in range(_BATCHES):
            seeds = range(number * PICTURES, (number + 1) * PICTURES)
            products = [draw(Split.HELD_OUT, seed) for seed in seeds]
            name = f"held_out_{number}"
            pictures = Path(folder) / name
            pictures.mkdir()
            for seed, drawn in zip(seeds, products, strict=True):
                (pictures / f"p{seed:05d}.png").write_bytes(_png(drawn))
            begun = time.perf_counter()
            _upload(stack, pictures, product, name)
            inspection = _await_report(stores, product, name)
            seconds.append(time.perf_counter() - begun)
            scores.append(_score(stores, inspection, products))
    what = f"{PICTURES} pictures put into the bucket of a running stack, until Dagster has the report"
    recall = min(sum(each.recall[kind] for each in scores) / len(scores) for kind in scores[0].recall)
    return Result(
        figures=(
            Figure(name=f"{what}: longest of {_BATCHES}", value=max(seconds), unit="s", at_most=60),
            Figure(name=f"{what}: shortest", value=min(seconds), unit="s"),
            Figure(name="their image F1, worst batch", value=min(each.image_f1 for each in scores), at_least=0.95),
            Figure(name="their false alarms, all batches", value=_mean(scores), unit="%", at_most=2),
            Figure(name="recall of the worst kind of defect, all batches", value=recall, at_least=0.90),
        )
    )


def _mean(scores: list[Scores]) -> float:
    return 100 * sum(each.false_alarms for each in scores) / len(scores)


@contextmanager
def _minio(folder: Path) -> Iterator[Mapping[str, str]]:
    server = Minio(folder / "minio")
    try:
        with patch.dict(os.environ, server.environment):
            yield server.environment
    finally:
        server.stop()


def _upload(stack: Stack, pictures: Path, product: str, name: str) -> None:
    command = ("inspect", str(pictures), "--product", product, "--batch", name, "--upload")
    environment = os.environ | {"IMAGEFLOW_HOME": str(stack.home)}
    subprocess.run(
        [sys.executable, "-m", "imageflow_cli.main", *command], env=environment, capture_output=True, check=True
    )


@contextmanager
def _stores(stack: Stack) -> Iterator[Stores]:
    stores = open_stores(Settings(home=stack.home))
    try:
        yield stores
    finally:
        stores.database.close()


def _publish(stores: Stores) -> str:
    """Register the shipped models and publish the example's product; return its code."""
    for folder in shipped():
        register(ModelStore(stores.objects), folder)
    file = ProductFile.parse((_EXAMPLE / "product.yaml").read_text())
    pipelines = [(_EXAMPLE / name).read_text() for name in file.pipelines]
    publish_product(stores, file, pipelines, models=OnnxModels(ModelStore(stores.objects)))
    return file.product


def _await_report(stores: Stores, product: str, name: str) -> Inspection:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        with stores.database.begin() as connection:
            batch: Batch | None = batches.latest_of(connection, [(product, name)]).get((product, name))
            if batch is not None and batch.inspection_id is not None:
                inspection = inspections.get(connection, batch.inspection_id)
                if inspection.reported_at is not None:
                    return inspection
        time.sleep(_LOOK_S)
    raise RuntimeError(f"Batch '{name}' was not reported within {_PATIENCE_S:.0f} s: {batch}")


def _score(stores: Stores, inspection: Inspection, products: list[Drawn]) -> Scores:
    with stores.database.begin() as connection:
        results = inspections.results(connection, inspection.id, limit=PICTURES)
    assert len(results) == len(products)
    found: Mapping[int, list[Detection]] = {
        id(product): _found(result) for product, result in zip(products, results, strict=True)
    }
    return score(products, lambda product: found[id(product)])


def _found(result: PictureResult) -> list[Detection]:
    """Return what the rows say was found."""
    return [
        Detection(label=each["label"], score=each["score"], box=Box(**each["box"]))
        for item in result.items
        for each in item.details.get("found", ())
    ]


def _png(product: Drawn) -> bytes:
    done, data = cv2.imencode(".png", cv2.cvtColor(product.pixels, cv2.COLOR_RGB2BGR))
    assert done
    return data.tobytes()
