"""Learning from good images: what is refused or pointed out, and what a learned model then finds."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import InvalidInput
from imageflow_domain.inference import ModelId
from imageflow_models.bundle import read_bundle
from imageflow_models.gate import check_model
from imageflow_models.judging import OneModel
from imageflow_models.learning.false_alarms import images_to_show, promise, set_threshold, upper_limit
from imageflow_models.learning.learning import REPORT, Listeners, Plan, learn
from imageflow_models.learning.photographs import Photograph, check_enough, read_pixels, sort_photographs
from imageflow_models.learning.size import choose_size
from imageflow_models.learning.suspicion import outliers, two_groups
from imageflow_models.learning.synthetic_defects import draw_defect
from imageflow_pipelines.component import Context
from imageflow_pipelines.components.anomaly import Anomaly
from imageflow_pipelines.values import Image

GOOD = 20
SIDE = 160
MODEL = ModelId(name="lid", version=1)


def _lid(seed: int) -> NDArray[np.uint8]:
    """Draw a grained disc, a little moved, on a dark ground."""
    random = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(random.standard_normal((SIDE, SIDE)), (0, 0), 1.0) * 12
    middle = tuple(int(SIDE / 2 + shift) for shift in random.integers(-4, 5, 2))
    disc = cv2.circle(np.zeros((SIDE, SIDE)), middle, 60, 1.0, -1, cv2.LINE_AA)
    grey = 30 + disc * 110 + grain
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _write(folder: Path, images: Sequence[NDArray[np.uint8]], ending: str = ".png") -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{i:03}{ending}" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        assert cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)
    return paths


def _sorted(paths: Sequence[Path]) -> tuple[Sequence[Photograph], list[str]]:
    found = sort_photographs(paths, lambda: None)
    return found.kept, [f"{file.name} {file.reason}" for file in found.left_out]


class _Heard:
    """What a person would see."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.steps: list[str] = []

    def listeners(self) -> Listeners:
        return Listeners(on_progress=self._hear, on_message=self.messages.append)

    def _hear(self, step: str, done: int, total: int) -> None:
        if done == total:
            self.steps.append(step)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return _write(tmp_path_factory.mktemp("lids") / "good", [_lid(seed) for seed in range(GOOD)])


@pytest.fixture(scope="module")
def learned(good: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lids") / "lid"
    scratched = _lid(900)
    cv2.line(scratched, (50, 60), (105, 100), (235, 235, 235), 3)
    bad = _write(folder.parent / "bad", [scratched])
    learn(folder, MODEL.name, MODEL.version, Plan(good=good, bad=bad), _Heard().listeners())
    return folder


def _measure(folder: Path, pixels: NDArray[np.uint8]) -> float:
    bundle = read_bundle(folder)
    context = Context(models=OneModel(check_model(bundle), bundle.data), cancellation=Cancellation())
    judged = Anomaly(model=str(MODEL))(Image(pixels), context)
    return judged.measurements.items[0].value


def test_a_learned_model_passes_good_parts_that_it_was_learned_from(learned: Path, good: list[Path]) -> None:
    assert max(_measure(learned, read_pixels(path)) for path in good[:6]) < 0.5


def test_a_learned_model_finds_a_scratch_that_it_has_never_seen(learned: Path) -> None:
    scratched = _lid(901)
    cv2.line(scratched, (50, 60), (105, 100), (235, 235, 235), 3)
    assert _measure(learned, scratched) > 0.5


def test_a_small_defect_is_marked_where_it_is(learned: Path) -> None:
    bundle = read_bundle(learned)
    context = Context(models=OneModel(check_model(bundle), bundle.data), cancellation=Cancellation())
    spotted = _lid(902)
    cv2.circle(spotted, (100, 64), 7, (20, 20, 20), -1, cv2.LINE_AA)
    heat = Anomaly(model=str(MODEL))(Image(spotted), context).heat.pixels
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert np.hypot(x - 100, y - 64) < 16


def test_the_report_shows_threshold_images_and_drawn_defects(learned: Path) -> None:
    report = (learned / REPORT).read_text()
    assert "20 good images: at most 17 % false alarms can be shown." in report
    assert "1 of 1 are found; the area under the curve (AUROC) is 1.000" in report
    assert report.count("data:image/jpeg;base64,") == 7
    assert "<th>40 px</th>" in report
    assert "<svg" in report


def test_the_same_seed_gives_the_same_model_and_another_one_does_not(
    learned: Path, good: list[Path], tmp_path: Path
) -> None:
    files = {}
    for seed in (0, 1):
        learn(tmp_path / str(seed), MODEL.name, 1, Plan(good=good, seed=seed), _Heard().listeners())
        files[seed] = (tmp_path / str(seed) / "model.onnx").read_bytes()
    assert files[0] == (learned / "model.onnx").read_bytes()
    assert files[1] != files[0]


def test_learning_that_was_interrupted_goes_on_with_its_features(
    learned: Path, good: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "lid"

    def stop_at_comparing(step: str, done: int, total: int) -> None:
        if step == "Comparing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(
            folder, MODEL.name, 1, Plan(good=good), Listeners(on_progress=stop_at_comparing, on_message=lambda _: None)
        )
    kept = {path: path.stat().st_mtime_ns for path in folder.glob(".features/*.npy")}
    assert len(kept) == GOOD
    seen = {}

    def look(step: str, done: int, total: int) -> None:
        if step == "Comparing":
            seen.update({path: path.stat().st_mtime_ns for path in folder.glob(".features/*.npy")})

    learn(folder, MODEL.name, 1, Plan(good=good), Listeners(on_progress=look, on_message=lambda _: None))
    assert seen == kept
    assert (folder / "model.onnx").read_bytes() == (learned / "model.onnx").read_bytes()
    assert not (folder / ".features").exists()


def test_a_bad_image_among_the_good_ones_is_named(good: list[Path], tmp_path: Path) -> None:
    broken = _lid(903)
    cv2.rectangle(broken, (60, 60), (110, 120), (230, 230, 230), -1)
    bad = _write(tmp_path / "bad", [broken], ".bmp")
    heard = _Heard()
    threshold = learn(tmp_path / "lid", MODEL.name, 1, Plan(good=[*good, *bad]), heard.listeners())
    assert [text for text in heard.messages if "Unlike all other good images: 000.bmp." in text]
    assert (threshold.suspects, threshold.alarms) == (1, 1)
    assert heard.steps == ["Reading", "Features", "Comparing", "Trying defects"]


def test_two_products_in_one_folder_are_noticed(good: list[Path], tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    stripes = np.repeat(((np.arange(SIDE) // 8 % 2) * 150 + 50)[None], SIDE, axis=0)
    others = [np.clip(stripes + random.normal(0, 8, stripes.shape), 0, 255).astype(np.uint8) for _ in range(10)]
    heard = _Heard()
    paths = [*good, *_write(tmp_path / "others", others, ".bmp")]
    learn(tmp_path / "lid", MODEL.name, 1, Plan(good=paths), heard.listeners())
    assert [text for text in heard.messages if "two products" in text and "learn a model for each" in text]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([_lid(seed) for seed in range(5)], "There are 5 different good images: learning takes at least 16. 30 good"),
        ([np.zeros((SIDE, SIDE, 3), np.uint8)] * 18, "All 18 images show nothing: the pixels of each are alike."),
        ([_lid(1)] * 18, "All 18 images are equal: give photographs of different parts."),
        ([_lid(1)] * 9 + [_lid(2)] * 9, "There are 2 different good images (16 are copies of others)"),
    ],
    ids=["five images", "all black", "all equal", "many copies"],
)
def test_what_cannot_be_learned_from_is_refused_with_the_reason(
    images: list[NDArray[np.uint8]], message: str, tmp_path: Path
) -> None:
    paths = _write(tmp_path / "good", images)
    with pytest.raises(InvalidInput) as refused:
        learn(tmp_path / "lid", MODEL.name, 1, Plan(good=paths), _Heard().listeners())
    assert str(refused.value).startswith(message)
    assert not (tmp_path / "lid").exists()


def test_junk_is_left_out_and_named(tmp_path: Path) -> None:
    paths = _write(tmp_path / "good", [_lid(1)])
    (tmp_path / "good" / "note.png").write_text("not an image")
    kept, left_out = _sorted([*paths, tmp_path / "good" / "note.png"])
    assert [each.name for each in kept] == ["000.png"]
    assert left_out == ["note.png is no JPEG, PNG, WebP or BMP picture"]
    with pytest.raises(InvalidInput, match="1 cannot be read as images"):
        check_enough(sort_photographs([*paths, tmp_path / "good" / "note.png"], lambda: None), 16, "")


def test_a_copy_in_another_format_is_a_copy(tmp_path: Path) -> None:
    first = _write(tmp_path / "a", [_lid(1), _lid(2)])
    again = _write(tmp_path / "b", [_lid(1)], ".jpg")
    kept, left_out = _sorted([*first, *again])
    assert len(kept) == 2
    assert left_out == ["000.jpg is a copy of 000.png"]


def test_upper_limits_are_those_of_clopper_and_pearson() -> None:
    # Tables of the exact binomial interval.
    assert upper_limit(0, 30) == pytest.approx(0.1157, abs=1e-4)
    assert upper_limit(1, 100) == pytest.approx(0.0545, abs=1e-4)
    assert upper_limit(10, 10) == 1.0
    assert promise(30) == "30 good images: at most 12 % false alarms can be shown."
    assert upper_limit(0, images_to_show(0.01)) <= 0.01 < upper_limit(0, images_to_show(0.01) - 1)


def test_a_threshold_is_exceeded_by_the_share_that_was_asked_for() -> None:
    threshold = set_threshold(np.arange(200, dtype=np.float64), 0.02)
    assert (threshold.score, threshold.alarms) == (195.0, 4)


def test_suspects_do_not_move_the_threshold() -> None:
    scores = np.array([*np.linspace(1, 2, 98), 8, 9])
    assert set_threshold(scores, 0.01).score == 8
    robust = set_threshold(scores, 0.01, suspects=2)
    assert (robust.score, robust.alarms) == (2, 2)
    assert "2 of 100 good images would be false alarms (2 of them unlike all others)" in robust.describe()


def test_stated_rates_of_false_alarms_hold() -> None:
    random = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        scores = random.lognormal(0, 0.1, 2_100)
        threshold = set_threshold(scores[:100], 0.01)
        held += (scores[100:] > threshold.score).mean() <= threshold.highest_rate
    assert held >= 185


def test_outliers_are_named_worst_first_and_a_tail_is_none() -> None:
    scores = np.random.default_rng(1).lognormal(0, 0.08, 100)
    assert outliers(scores) == ()
    assert outliers(np.array([*scores, 1.9, 2.5])) == (101, 100)


def test_one_cloud_of_images_is_one_group_and_two_are_two() -> None:
    random = np.random.default_rng(1)
    cloud = random.standard_normal((80, 12))
    assert two_groups(cloud) is None
    shifted = np.concatenate([cloud, random.standard_normal((30, 12)) + 8])
    groups = two_groups(shifted)
    assert groups is not None
    assert {len(groups.first), len(groups.second)} == {80, 30}


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(300, 300)], "384 x 384"),
        ([(4000, 3000)], "1984 x 1504"),
        ([(1200, 800), (1200, 800), (200, 900)], "1216 x 800"),
        ([(8000, 10_000)], "1536 x 1952"),
        ([(640, 40)], "1536 x 128"),
    ],
)
def test_images_are_stretched_as_little_as_possible(sizes: list[tuple[int, int]], expected: str) -> None:
    assert str(choose_size(sizes)) == expected


def test_a_drawn_defect_has_its_size_and_contrast() -> None:
    flat = np.full((200, 200, 3), 120, np.uint8)
    changed = draw_defect(flat, 20, 0.2, np.random.default_rng(2)).astype(int)
    different = np.abs(changed - 120)[..., 0]
    assert different.max() == pytest.approx(51, abs=1)
    ys, xs = np.nonzero(different > 25)
    assert 13 <= max(np.ptp(xs), np.ptp(ys)) + 1 <= 21
