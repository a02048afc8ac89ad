"""A code with separators, from its picture to the verdict and what is kept of it."""

import cv2

from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.database.inspection import inspections
from imageflow_clients.stores import Stores
from imageflow_domain.inspection import Verdict
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.product_file import ProductFile, publish_product
from tests.inspection.lids import taken
from tests.pipelines.pictures import code

PIPELINE = {
    "pipeline": "labels",
    "steps": {
        "decode": {"use": "decode@1", "from": {"picture": "inputs.picture"}},
        "codes": {"use": "barcodes@2", "from": {"image": "decode.image"}},
    },
    "outputs": {"text": "codes.text", "raw": "codes.raw"},
}
PRODUCT = r"""
product: label
name: Label of a carton
items:
  - code: printed
    name: Article and lot as they are printed
    type: TEXT
    pipeline: labels@1
    criteria: {expected: "(01)04012345123456(10)*", match: like}
  - code: sent
    name: Article and lot as the scanner sends them
    type: TEXT
    pipeline: labels@1
    criteria: {output: raw, expected: "010401234512345610ABC123\x1d21*", match: like}
"""


def _picture(printed: str) -> bytes:
    done, data = cv2.imencode(".png", code(printed, "DataMatrix", gs1=True))
    assert done
    return data.tobytes()


def test_criteria_hold_separators_and_results_show_what_was_read(stores: Stores) -> None:
    publish_pipeline(stores, PIPELINE)
    publish_product(stores, ProductFile.parse(PRODUCT), [])
    pictures = [_picture(f"(01)04012345123456(10)ABC12{last}(21)X7") for last in (3, 4)]
    batch = taken(stores, "monday", pictures, product="label")
    done = inspect_batch(stores, batch.id)
    assert (done.passed, done.failed) == (1, 1)
    with stores.database.begin() as connection:
        good, bad = inspections.results(connection, done.id)
    assert [item.verdict for item in bad.items] == [Verdict.PASS, Verdict.FAIL]
    assert [item.details["read"] for item in good.items] == [
        ["(01)04012345123456(10)ABC123(21)X7"],
        ["010401234512345610ABC123\x1d21X7"],
    ]
