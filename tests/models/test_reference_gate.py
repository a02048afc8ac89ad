"""The gate for reference images: which are taken, and the messages for those that are not."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from imageflow_clients.inference.stored_models import ModelStore, OnnxModels
from imageflow_clients.inference.triton import Server, TritonModels
from imageflow_clients.object_stores import open_object_store
from imageflow_clients.settings import Settings
from imageflow_domain import keys
from imageflow_domain.errors import Conflict, InvalidInput, ModelRefused, NotFound
from imageflow_domain.inference import ModelId, ModelTask
from imageflow_models.bundle import read_bundle
from imageflow_models.gate import check_model
from imageflow_models.registering import register
from services.child import free_port
from tests.models.references import PLATE, reference_folder

LID = ModelId(name="lid", version=1)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(open_object_store(Settings(home=tmp_path / "home")))


def test_a_reference_is_registered_with_the_digest_of_its_file(store: ModelStore, tmp_path: Path) -> None:
    folder = reference_folder(tmp_path / "lid")
    assert register(store, folder) == register(store, folder) == LID
    for models in (OnnxModels(store), TritonModels(store, Server(f"http://127.0.0.1:{free_port()}"))):
        found = models.reference(LID)
        assert found.data == (folder / "reference.png").read_bytes()
        assert found.model == models.describe(LID)
        assert found.model.task is ModelTask.ALIGN
        with pytest.raises(InvalidInput, match="is a reference image for 'align'"):
            models.open(LID)


def test_another_image_under_the_same_version_is_refused(store: ModelStore, tmp_path: Path) -> None:
    register(store, reference_folder(tmp_path / "lid"))
    other = reference_folder(tmp_path / "other", cv2.rotate(PLATE, cv2.ROTATE_180), name="lid")
    with pytest.raises(Conflict, match="raise the version"):
        register(store, other)


def test_a_file_that_is_not_the_registered_one_is_not_used(store: ModelStore, tmp_path: Path) -> None:
    register(store, reference_folder(tmp_path / "lid"))
    store._objects.put(keys.model_reference(LID), b"another")
    with pytest.raises(InvalidInput, match="lid@1 is not the one that was registered"):
        OnnxModels(store).reference(LID)


def test_a_reference_that_is_not_registered_is_not_found(store: ModelStore) -> None:
    with pytest.raises(NotFound, match="No model 'lid@1' is registered"):
        OnnxModels(store).reference(LID)


def _disc() -> "np.typing.NDArray[np.uint8]":
    large = np.full((1280, 1280), 40, np.uint8)
    cv2.circle(large, (640, 640), 480, 180, -1)
    return cv2.resize(large, (160, 160), interpolation=cv2.INTER_AREA).astype(np.uint8)


@pytest.mark.parametrize(
    ("pixels", "why"),
    [
        (np.full((160, 160), 90, np.uint8), "is not found in a turned copy"),
        (_disc(), "is not found in a turned copy"),
        (PLATE[:20], "give at least 32 a side"),
    ],
    ids=["plain", "disc", "small"],
)
def test_an_image_that_shows_no_pose_is_refused(
    pixels: "np.typing.NDArray[np.uint8]", why: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelRefused, match=why):
        check_model(read_bundle(reference_folder(tmp_path / "lid", pixels)))


def test_a_folder_without_its_image_or_with_labels_is_refused(tmp_path: Path) -> None:
    labelled = reference_folder(tmp_path / "labelled", labels=["dent"])
    with pytest.raises(ModelRefused, match="has no labels"):
        check_model(read_bundle(labelled))
    damaged = reference_folder(tmp_path / "damaged")
    (damaged / "reference.png").write_bytes(b"no image")
    with pytest.raises(ModelRefused, match="cannot be read"):
        check_model(read_bundle(damaged))
    (damaged / "reference.png").unlink()
    with pytest.raises(InvalidInput, match="holds 0 images called 'reference'"):
        read_bundle(damaged)
