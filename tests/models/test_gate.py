"""The gate: who is let in, and what those who are not are told."""

import io
import random
import re
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx import helper, numpy_helper

from imageflow_clients.inference.card import Wanted
from imageflow_clients.inference.stored_models import ModelStore, OnnxModels
from imageflow_clients.object_stores import open_object_store
from imageflow_clients.settings import Settings
from imageflow_domain.errors import Conflict, InvalidInput, ModelRefused, NotFound
from imageflow_domain.inference import ModelId, ModelTask
from imageflow_models.bundle import Bundle, read_bundle, write_bundle
from imageflow_models.gate import check_model
from imageflow_models.registering import register
from tests.inference.onnx_models import SIDE, endless, graph, mean_heat

WANTED = Wanted(name="heat", version=1, task=ModelTask.ANOMALY)
NAMES = ("a_dark", "b_middle", "c_bright")


def _png(pixels: "np.typing.NDArray[np.uint8]") -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def _pictures() -> "np.typing.NDArray[np.uint8]":
    random = np.random.default_rng(1)
    return np.stack([random.integers(low, low + 80, (SIDE, SIDE, 3), np.uint8) for low in (0, 80, 170)])


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A folder whose model answers as its original did."""
    folder = tmp_path / "bundle"
    pictures = _pictures()
    original = pictures.astype(np.float64).mean(axis=3)[:, None] / 255
    files = {name: _png(picture[..., ::-1]) for name, picture in zip(NAMES, pictures, strict=True)}
    write_bundle(folder, WANTED, mean_heat(), files, {"heat": original.astype(np.float32)})
    return folder


def test_a_model_that_answers_as_its_original_is_taken(bundle: Path) -> None:
    card = check_model(read_bundle(bundle))
    assert str(card.id) == "heat@1"
    assert card.describe().inputs[0].shape == (None, 3, SIDE, SIDE)


def test_a_model_that_differs_on_one_picture_is_refused_by_that_pictures_name(bundle: Path) -> None:
    with np.load(bundle / "golden" / "answers.npz") as file:
        heat = file["heat"]
    own = heat[1, 0, 3, 4]
    heat[1, 0, 3, 4] = own + 0.002
    np.savez(bundle / "golden" / "answers.npz", heat=heat)
    both = f"is {own:.6g}, the original's {own + 0.002:.6g}: they differ by 0.002, and may by 0.001"
    with pytest.raises(ModelRefused, match=re.escape(f"'b_middle.png' its 'heat' {both}")) as refusal:
        check_model(read_bundle(bundle))
    assert refusal.value.picture == "b_middle.png"


def test_the_cards_tolerance_is_what_counts(bundle: Path) -> None:
    read = read_bundle(bundle)
    slightly = replace(read, data=mean_heat(1.02))
    with pytest.raises(ModelRefused):
        check_model(slightly)
    check_model(replace(slightly, wanted=WANTED.model_copy(update={"tolerance": 0.03})))


def test_an_export_that_was_done_wrong_is_refused(bundle: Path) -> None:
    transposed = graph(
        [
            helper.make_node("ReduceMean", ["image", "axes"], ["mean"], keepdims=1),
            helper.make_node("Transpose", ["mean"], ["heat"], perm=[0, 1, 3, 2]),
        ],
        [numpy_helper.from_array(np.array([1], np.int64), "axes")],
    )
    with pytest.raises(ModelRefused, match=r"'a_dark\.png'"):
        check_model(replace(read_bundle(bundle), data=transposed))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_answers_that_are_no_numbers_are_refused_by_the_pictures_name(bundle: Path, value: float) -> None:
    # Only what is bright divides by zero.
    threshold = numpy_helper.from_array(np.array(200 / 255, np.float32), "limit")
    nodes = [
        helper.make_node("ReduceMean", ["image", "axes"], ["mean"], keepdims=1),
        helper.make_node("Greater", ["mean", "limit"], ["bright"]),
        helper.make_node("Where", ["bright", "odd", "mean"], ["heat"]),
    ]
    constants = [
        threshold,
        numpy_helper.from_array(np.array([1], np.int64), "axes"),
        numpy_helper.from_array(np.array(value, np.float32), "odd"),
    ]
    with pytest.raises(ModelRefused, match=r"'c_bright.png' its 'heat' holds numbers that are none"):
        check_model(replace(read_bundle(bundle), data=graph(nodes, constants)))


def test_scores_outside_their_range_are_refused(bundle: Path) -> None:
    with pytest.raises(ModelRefused, match="leaves the range from 0 to 1"):
        check_model(replace(read_bundle(bundle), data=mean_heat(50)))


def test_a_model_that_does_not_end_is_refused(bundle: Path) -> None:
    with pytest.raises(ModelRefused, match="not done after 5 s"):
        check_model(replace(read_bundle(bundle), data=endless()), seconds=5)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"task": ModelTask.DETECT, "labels": ("dent",)}, "is to detect gives 'boxes' of 3 axes"),
        ({"task": ModelTask.CLASSIFY, "labels": ("dent",)}, "is to classify gives 'scores'"),
        ({"labels": ("dent",)}, "Heat has no labels"),
    ],
)
def test_a_card_that_is_not_the_models_is_refused(bundle: Path, change: dict, why: str) -> None:
    with pytest.raises(ModelRefused, match=why):
        check_model(replace(read_bundle(bundle), wanted=WANTED.model_copy(update=change)))


def test_golden_pictures_of_another_size_are_refused(bundle: Path) -> None:
    (bundle / "golden" / "a_dark.png").write_bytes(_png(np.zeros((SIDE, SIDE + 2, 3), np.uint8)))
    with pytest.raises(ModelRefused, match="of the model's input size"):
        check_model(read_bundle(bundle))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("model.json", _cut),
        ("model.json", Path.unlink),
        ("model.onnx", Path.unlink),
        ("golden/answers.npz", _cut),
        ("golden/answers.npz", Path.unlink),
        ("golden/c_bright.png", _cut),
        ("golden/c_bright.png", Path.unlink),
    ],
)
def test_a_bundle_with_a_damaged_or_missing_file_is_refused_naming_it(
    bundle: Path, name: str, damage: Callable[[Path], None]
) -> None:
    damage(bundle / name)
    with pytest.raises((InvalidInput, NotFound)) as refusal:
        read_bundle(bundle)
    assert Path(name).name in str(refusal.value) or "golden" in str(refusal.value)


@pytest.mark.parametrize(
    "claimed",
    [
        (2**31, 4),  # 8 GiB of zeros pack into some megabytes; here the header alone says so
        (2**62,),
        (2**40, 2**40),
        (-1,),
    ],
)
def test_answers_that_claim_more_than_they_hold_are_refused(bundle: Path, claimed: tuple[int, ...]) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": claimed})
    with zipfile.ZipFile(bundle / "golden" / "answers.npz", "w") as file:
        file.writestr("heat.npy", header.getvalue() + bytes(64))
    with pytest.raises(InvalidInput, match=r"answers\.npz"):
        read_bundle(bundle)


def test_answers_that_unpack_into_gigabytes_are_refused_unread(bundle: Path) -> None:
    with (
        zipfile.ZipFile(bundle / "golden" / "answers.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open("heat.npy", "w", force_zip64=True) as member,
    ):
        for _ in range(300):
            member.write(bytes(2**20))
    assert (bundle / "golden" / "answers.npz").stat().st_size < 3_000_000
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInput, match="holds more than 268,435,456 bytes"):
            read_bundle(bundle)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_damaged_answers_are_taken_or_refused_in_words(bundle: Path) -> None:
    path = bundle / "golden" / "answers.npz"
    whole = path.read_bytes()
    dice = random.Random(5)  # noqa: S311 - the same damage each time
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        path.write_bytes(data)
        try:
            read_bundle(bundle)
        except InvalidInput:
            refused += 1
    assert refused > 30


def test_answers_with_pickled_objects_are_refused(bundle: Path) -> None:
    np.savez(bundle / "golden" / "answers.npz", heat=np.array([{"a": 1}] * 3, object))
    with pytest.raises(InvalidInput, match=r"answers.npz' is no file of numpy's arrays"):
        read_bundle(bundle)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"name": "A b", "version": 1, "task": "anomaly"}', "name: 'A b' is not a valid name"),
        ('{"name": "a", "version": 0, "task": "dream", "more": 1}', "version.*task.*more"),
        ('{"name": "a", "version": 1, "task": "anomaly", "std": [1, 0, 1]}', "none of its numbers may be 0"),
        ('{"name": "a", "version": 1, "task": "anomaly", "mean": [NaN, 0, 1]}', "mean"),
        ("[]", "describes no model"),
    ],
)
def test_a_cards_faults_are_all_told(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        Wanted.parse(text, "model.json")


def test_what_the_gate_takes_is_registered_and_can_be_opened(bundle: Path, tmp_path: Path) -> None:
    store = ModelStore(open_object_store(Settings(home=tmp_path / "home")))
    model = register(store, bundle)
    assert model == ModelId(name="heat", version=1)
    assert register(store, bundle) == model
    assert OnnxModels(store).open(model).model == store.card(model).describe()


def test_what_the_gate_refuses_is_not_registered(bundle: Path, tmp_path: Path) -> None:
    store = ModelStore(open_object_store(Settings(home=tmp_path / "home")))
    (bundle / "model.onnx").write_bytes(mean_heat(1.5))
    with pytest.raises(ModelRefused):
        register(store, bundle)
    assert store.list() == ()


def test_another_model_under_a_version_that_is_taken_is_refused(bundle: Path, tmp_path: Path) -> None:
    store = ModelStore(open_object_store(Settings(home=tmp_path / "home")))
    register(store, bundle)
    (bundle / "model.onnx").write_bytes(mean_heat(1.0001))
    with pytest.raises(Conflict, match="raise the version"):
        register(store, bundle)


def test_a_bundle_is_what_was_written(bundle: Path) -> None:
    read = read_bundle(bundle)
    assert isinstance(read, Bundle)
    assert read.golden.names == tuple(f"{name}.png" for name in NAMES)
    assert read.wanted == WANTED
    for picture, pixels in zip(read.golden.pictures, _pictures(), strict=True):
        np.testing.assert_array_equal(picture.pixels, pixels)
