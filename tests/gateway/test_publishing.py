"""What is published over the API before a batch comes: pipelines, models, masters."""

import io
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from imageflow_clients.stores import Stores
from tests.gateway.answers import V1, fields, ok
from tests.gateway.model_files import DETECTOR, bundle
from tests.inspection.lids import items, lid_pipeline
from tests.models.references import reference_folder

# Components, pipelines, models


def test_every_component_is_told_with_the_schema_of_its_parameters(client: Any) -> None:
    told = {f"{each['name']}@{each['version']}": each for each in ok(client.get(f"{V1}/components"))["components"]}
    assert len(told) >= 27
    assert told["barcodes@1"]["changes"] == ""
    assert told["threshold@1"]["parameters"]["properties"]["level"]["maximum"] == 255
    assert [port["kinds"] for port in told["detect@1"]["inputs"]] == [["image"]]
    assert ok(client.get(f"{V1}/components/resize@1")) == told["resize@1"]
    assert ok(client.get(f"{V1}/components/resise@1"), 404)["error"]["message"].count("resize@1") == 1


def test_a_pipeline_is_published_once_and_read_back(client: Any) -> None:
    name = f"p_{uuid4().hex[:8]}"
    spec = {**lid_pipeline(), "pipeline": name}
    for _ in range(2):
        made = ok(client.post(f"{V1}/pipelines", json=spec), 201)
    assert ok(client.get(f"{V1}/pipelines/{name}@1")) == ok(client.get(f"{V1}/pipelines/{name}")) == made
    assert made["spec"]["steps"].keys() == spec["steps"].keys()
    other = {**spec, "description": "another"}
    assert "as version 2" in ok(client.post(f"{V1}/pipelines", json=other), 409)["error"]["message"]
    assert client.get(f"{V1}/pipelines/{name}@2").status_code == 404


def test_steps_that_use_an_older_version_are_told_with_what_a_newer_one_changes(client: Any) -> None:
    name = f"o_{uuid4().hex[:8]}"
    spec = {**lid_pipeline(), "pipeline": name}
    changes = ok(client.get(f"{V1}/components/barcodes@2"))["changes"]
    assert "`upca`" in changes
    wanted = {
        "step": "codes",
        "uses": "barcodes@1",
        "newest": "barcodes@2",
        "changes": {"barcodes@2": changes},
    }
    for told in (
        ok(client.post(f"{V1}/pipelines", json=spec), 201),
        ok(client.get(f"{V1}/pipelines/{name}@1")),
        ok(client.post(f"{V1}/pipelines/check", json=spec)),
    ):
        assert wanted in told["older_versions"]
    spec["steps"]["codes"]["use"] = "barcodes@2"
    newer = ok(client.post(f"{V1}/pipelines/check", json=spec))["older_versions"]
    assert "codes" not in {each["step"] for each in newer}


def test_every_fault_of_a_pipeline_is_told_with_its_path(client: Any) -> None:
    spec = lid_pipeline(version=7)
    spec["steps"]["white"]["with"]["level"] = 300
    spec["steps"]["size"]["from"] = {"mask": "nowhere.mask"}
    spec["steps"]["inside"]["use"] = "crap@1"
    for path in ("pipelines", "pipelines/check"):
        told = fields(client.post(f"{V1}/{path}", json=spec))
        assert told.keys() >= {"steps.white.with.level", "steps.size.from.mask", "steps.inside.use"}
        assert "crop@1" in told["steps.inside.use"]
    assert client.get(f"{V1}/pipelines/lids@7").status_code == 404
    assert ok(client.post(f"{V1}/pipelines/check", json=lid_pipeline(version=7)))["order"][0] == "decode"


def test_pipelines_are_listed_page_by_page(client: Any) -> None:
    prefix = f"q_{uuid4().hex[:8]}"
    wanted = [f"{prefix}@{version}" for version in (1, 2, 10)]
    for version in (10, 1, 2):
        client.post(f"{V1}/pipelines", json={**lid_pipeline(version), "pipeline": prefix})
    seen, after = [], None
    while True:
        page = ok(client.get(f"{V1}/pipelines", params={"limit": 2, **({"after": after} if after else {})}))
        seen += [each["reference"] for each in page["pipelines"]]
        after = page["next"]
        if after is None:
            break
    assert [each for each in seen if each.startswith(prefix)] == wanted
    assert len(set(seen)) == len(seen)


def _renamed(parts: list[tuple[str, tuple[str, bytes, str]]], name: str) -> list[tuple[str, tuple[str, bytes, str]]]:
    card = json.dumps({**json.loads(parts[0][1][1]), "name": name})
    return [("card", ("model.json", card.encode(), "application/json")), *parts[1:]]


def test_a_model_passes_the_gate_into_the_registry(client: Any) -> None:
    name = f"m_{uuid4().hex[:8]}"
    for _ in range(2):
        made = ok(client.post(f"{V1}/models", files=_renamed(bundle(DETECTOR), name)), 201)
    assert (made["reference"], made["task"]) == (f"{name}@1", "detect")
    assert made["labels"] == ["scratch", "dent", "missing_part", "wrong_label"]
    assert ok(client.get(f"{V1}/models/{name}@1")) == made
    assert made in ok(client.get(f"{V1}/models"))["models"]
    assert client.get(f"{V1}/models/{name}@2").status_code == 404


def test_a_reference_image_is_registered_with_its_card_alone(client: Any, tmp_path: Path) -> None:
    name = f"m_{uuid4().hex[:8]}"
    folder = reference_folder(tmp_path / name)
    parts = [
        ("card", ("model.json", (folder / "model.json").read_bytes(), "application/json")),
        ("reference", ("Photo.PNG", (folder / "reference.png").read_bytes(), "image/png")),
    ]
    made = ok(client.post(f"{V1}/models", files=parts), 201)
    assert (made["reference"], made["task"], made["inputs"]) == (f"{name}@1", "align", [])
    wrong = [parts[0], ("reference", ("photo.txt", b"", "text/plain"))]
    assert "is no reference image" in ok(client.post(f"{V1}/models", files=wrong), 400)["error"]["message"]


def test_a_model_that_answers_otherwise_is_refused_by_the_pictures_name(client: Any) -> None:
    parts = _renamed(bundle(DETECTOR), f"m_{uuid4().hex[:8]}")
    place = next(i for i, part in enumerate(parts) if part[0] == "answers")
    with np.load(io.BytesIO(parts[place][1][1])) as file:
        answers = {key: file[key].copy() for key in file.files}
    answers["scores"][5] = 1 - answers["scores"][5]
    out = io.BytesIO()
    np.savez_compressed(out, **answers)
    parts[place] = ("answers", ("answers.npz", out.getvalue(), "application/octet-stream"))
    error = ok(client.post(f"{V1}/models", files=parts), 422)["error"]
    assert (error["code"], error["details"]["picture"]) == ("MODEL_REFUSED", "05_good.png")


def test_a_model_that_is_not_whole_is_refused_without_naming_our_folders(client: Any, stores: Stores) -> None:
    parts = bundle(DETECTOR)
    for left, said in (
        (parts[1:], "model.json"),
        ([*parts, parts[0]], "two parts"),
        ([*parts, ("other", ("x", b"", "text/plain"))], "'other' is no part"),
        ([*parts, ("golden", ("../x.png", b"", "image/png"))], "valid file name"),
    ):
        error = ok(client.post(f"{V1}/models", files=left), 400)["error"]
        assert said in error["message"]
        assert str(stores.scratch) not in error["message"]
    assert [path for path in stores.scratch.iterdir() if path.name.startswith("model-")] == []


# Masters


def test_a_draft_is_changed_by_whoever_read_it_last(client: Any) -> None:
    code = f"lid_{uuid4().hex[:8]}"
    client.post(f"{V1}/pipelines", json=lid_pipeline())
    ok(client.post(f"{V1}/masters", json={"code": code, "name": "A lid"}), 201)
    assert ok(client.post(f"{V1}/masters", json={"code": code, "name": "B"}), 409)["error"]["code"] == "CONFLICT"
    draft = ok(client.post(f"{V1}/masters/{code}/versions", json={"items": items()}), 201)
    at = f"{V1}/masters/{code}/versions/1"
    assert ok(client.get(at)) == draft
    changed = ok(client.put(at, json={"items": items(length_mm=40), "revision": draft["revision"]}))
    stale = client.put(at, json={"items": [], "revision": draft["revision"]})
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "CONFLICT")
    assert client.post(f"{at}/publish", json={"revision": draft["revision"]}).status_code == 409
    assert ok(client.get(at)) == changed
    done = ok(client.post(f"{at}/publish", json={"revision": changed["revision"]}))
    assert (done["state"], done["items"]) == ("published", changed["items"])
    assert client.put(at, json={"items": [], "revision": done["revision"]}).status_code == 409
    ok(client.post(f"{V1}/masters/{code}/versions", json={"items": items(length_mm=41)[1:]}), 201)
    told = ok(client.get(f"{V1}/masters/{code}/changes", params={"before": 1, "after": 2}))["changes"]
    assert [(each["code"], each["fields"], each["after"] is None) for each in told] == [
        ("length", ["criteria", "order"], False),
        ("count", ["order"], False),
        ("spots", [], True),
    ]
    versions = ok(client.get(f"{V1}/masters/{code}/versions", params={"limit": 1}))
    assert (versions["versions"], versions["next"]) == ([done], "1")
    rest = ok(client.get(f"{V1}/masters/{code}/versions", params={"after": 1}))
    assert ([each["version"] for each in rest["versions"]], rest["next"]) == ([2], None)


def test_every_fault_of_items_is_told_with_its_path(client: Any) -> None:
    code = f"lid_{uuid4().hex[:8]}"
    client.post(f"{V1}/masters", json={"code": code, "name": "A lid"})
    wrong = [{**items()[0], "pipeline": "lids"}, {**items()[1], "type": "SMELL"}, {"code": "x"}]
    told = fields(client.post(f"{V1}/masters/{code}/versions", json={"items": wrong}))
    assert {"items.0.pipeline", "items.1.type", "items.2.name"} <= told.keys()
    twice = [items()[0], items()[0]]
    assert list(fields(client.post(f"{V1}/masters/{code}/versions", json={"items": twice}))) == ["items.1.code"]
    ok(client.post(f"{V1}/masters/{code}/versions", json={"items": items("nowhere@3")}), 201)
    told = fields(client.post(f"{V1}/masters/{code}/versions/1/publish", json={"revision": 1}))
    assert set(told) == {f"items.{place}.pipeline" for place in range(3)}
    assert fields(client.post(f"{V1}/masters", json={"code": "A Lid", "name": ""})).keys() == {
        "body.code",
        "body.name",
    }


def test_criteria_of_every_type_have_a_schema(client: Any) -> None:
    told = ok(client.get(f"{V1}/criteria"))["criteria"]
    assert told.keys() == {"VISUAL", "DIMENSION", "FUNCTION", "TEXT"}
    assert told["TEXT"]["properties"]["match"]["enum"] == ["equals", "contains", "like", "pattern"]


# Batches


def test_a_container_component_is_registered_once_and_used_by_pipelines(client: Any) -> None:
    name = f"c_{uuid4().hex[:8]}"
    manifest: dict[str, Any] = {
        "name": name,
        "version": 1,
        "description": "Count.",
        "inputs": {"image": {"kind": "image"}},
        "outputs": {"measurements": {"kind": "measurements"}},
    }
    image = f"registry.example.com/count@sha256:{'a' * 64}"
    for _ in range(2):
        made = ok(client.post(f"{V1}/components", json={"image": image, "manifest": manifest}), 201)
    assert made["image"] == image
    assert ok(client.get(f"{V1}/components/{name}@1")) == made
    assert made in ok(client.get(f"{V1}/components"))["components"]
    other = {"image": image.replace("a" * 64, "b" * 64), "manifest": manifest}
    assert "as version 2" in ok(client.post(f"{V1}/components", json=other), 409)["error"]["message"]
    wrong = {"image": image, "manifest": {**manifest, "version": 0, "inputs": {"image": {"kind": "x"}}}}
    assert fields(client.post(f"{V1}/components", json=wrong)).keys() == {"version", "inputs.image.kind"}
    assert client.post(f"{V1}/components", json={"image": "count:1", "manifest": manifest}).status_code == 400
    steps = {
        "decode": {"use": "decode@2", "from": {"picture": "inputs.picture"}},
        "count": {"use": f"{name}@1", "from": {"image": "decode.image"}},
    }
    spec = {"pipeline": name, "steps": steps, "outputs": {"values": "count.measurements"}}
    assert ok(client.post(f"{V1}/pipelines/check", json=spec))["order"] == ["decode", "count"]
    assert ok(client.post(f"{V1}/pipelines", json=spec), 201)["images"] == {f"{name}@1": image}
