"""From folders of photographs to a model's folder and its report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from imageflow_clients.inference.card import Wanted
from imageflow_domain.errors import StoreUnavailable
from imageflow_domain.inference import ModelTask
from imageflow_models.bundle import read_bundle, write_bundle
from imageflow_models.gate import check_model
from imageflow_models.learning.anomaly_model import AnomalyModel, to_heat
from imageflow_models.learning.false_alarms import Threshold, promise, set_threshold
from imageflow_models.learning.feature_files import FeatureFiles
from imageflow_models.learning.good_images import GoodImages, learn_good
from imageflow_models.learning.normality import score_map
from imageflow_models.learning.photographs import Photograph, check_enough, sort_photographs
from imageflow_models.learning.report import Findings, Shown, write_report
from imageflow_models.learning.size import MOST_PX, choose_size
from imageflow_models.learning.suspicion import named, outliers, two_groups
from imageflow_models.learning.synthetic_defects import FoundShare, draw_defect, try_defects
from imageflow_models.learning.trunk import MEAN, STD, Trunk
from imageflow_pipelines.values import Pixels

LEAST_IMAGES = 16
MOST_IMAGES = 1_000
_GOOD_START = 30
"""Images that a person without a model is advised to take."""
REPORT = "report.html"
_TRIED_ON = 6
"""Good images on which defects are drawn."""
_GOLDEN = 3
"""Good images, and as many with a defect."""
_CLEAR = 1.001
"""Heat is rounded to thousandths: the highest good image that may pass stays below a half."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to learn from, and how."""

    good: Sequence[Path]
    bad: Sequence[Path] = ()
    rate: float = 0.01
    """Of false alarms, a share from 0 to 1."""
    seed: int = 0
    most_px: int = MOST_PX
    """Larger images are shrunk to so many pixels."""


@dataclass(frozen=True, kw_only=True)
class Listeners:
    """Callbacks for the progress and the findings of learning."""

    on_progress: Callable[[str, int, int], None]
    """Called with the step, how many images are done, and of how many."""
    on_message: Callable[[str], None]
    """Called with what a person should look at."""


def learn(folder: Path, name: str, version: int, plan: Plan, listeners: Listeners) -> Threshold:
    """Learn an anomaly model, write its folder and report, and check it as `register` does; return the threshold.

    A call that was interrupted goes on with the features that it has computed.

    Raises:
        InvalidInput: For images from which nothing can be learned, with the reason.
        StoreUnavailable: Where the folder cannot be written.
    """
    photographs = _take(plan, listeners)
    size = choose_size([(each.width_px, each.height_px) for each in photographs], plan.most_px)
    trunk = Trunk(size)
    features = FeatureFiles(folder, trunk)
    good = learn_good(photographs, features, size, plan.seed, listeners.on_progress)
    names = [each.name for each in photographs]
    suspects = outliers(good.scores)
    _warn(names, good, suspects, listeners.on_message)
    threshold = set_threshold(good.scores, plan.rate, len(suspects))
    model = AnomalyModel(size=size, bank=good.bank, level=good.normality.level(), threshold=_CLEAR * threshold.score)
    random = np.random.default_rng([plan.seed, 1])
    typical = [int(i) for i in np.argsort(good.scores)[len(photographs) // 2 :][:_TRIED_ON]]
    wanted = Wanted(name=name, version=version, task=ModelTask.ANOMALY, mean=MEAN, std=STD)
    _write(folder, wanted, model, trunk, [photographs[i] for i in typical[:_GOLDEN]], random)
    tried = _try_defects(model, trunk, good, {i: photographs[i] for i in typical}, random, listeners)
    bad = tuple(_judge_bad(model, trunk, plan.bad, listeners))
    ranked = np.argsort(-good.scores)[:_TRIED_ON]
    findings = Findings(
        name=f"{name}@{version}",
        size=str(size),
        threshold=threshold,
        cut=model.threshold,
        scores=tuple(good.scores.tolist()),
        worst=tuple(_shown(photographs[i], good.maps[i], model.threshold) for i in ranked),
        suspects=tuple(names[i] for i in suspects),
        bad=bad,
        tried=tried,
    )
    write_report(folder / REPORT, findings)
    features.remove()
    return threshold


def _take(plan: Plan, listeners: Listeners) -> list[Photograph]:
    read = 0

    def on_read() -> None:
        nonlocal read
        read += 1
        listeners.on_progress("Reading", read, len(plan.good))

    found = sort_photographs(plan.good, on_read)
    for file in found.left_out:
        listeners.on_message(f"Left out: {file.name} {file.reason}.")
    check_enough(found, LEAST_IMAGES, promise(_GOOD_START))
    if len(found.kept) <= MOST_IMAGES:
        return list(found.kept)
    listeners.on_message(f"Of {len(found.kept):,} good images {MOST_IMAGES:,} are learned from, chosen at random.")
    chosen = np.random.default_rng([plan.seed, 2]).permutation(len(found.kept))[:MOST_IMAGES]
    return [found.kept[i] for i in np.sort(chosen)]


def _warn(names: Sequence[str], good: GoodImages, suspects: Sequence[int], tell: Callable[[str], None]) -> None:
    groups = two_groups(good.descriptors)
    if groups is not None:
        tell(
            f"The images fall into two groups: {named(names, groups.first)}; and {named(names, groups.second)}. "
            "If these are two products, learn a model for each."
        )
    if suspects:
        tell(
            f"Unlike all other good images: {named(names, suspects)}. Look at them in the report; if one is bad, "
            "remove it and learn again."
        )


def _write(
    folder: Path,
    wanted: Wanted,
    model: AnomalyModel,
    trunk: Trunk,
    chosen: Sequence[Photograph],
    random: np.random.Generator,
) -> None:
    pictures: dict[str, Pixels] = {}
    for i, photograph in enumerate(chosen):
        pixels = cv2.resize(
            photograph.pixels(), (model.size.width_px, model.size.height_px), interpolation=cv2.INTER_AREA
        ).astype(np.uint8, copy=False)
        pictures[f"{i:02}_good"] = pixels
        pictures[f"{i + len(chosen):02}_defect"] = draw_defect(pixels, min(pixels.shape[:2]) // 8, 0.3, random)
    heat = [model.heat(trunk.features(pictures[name]))[None] for name in sorted(pictures)]
    encoded = {name: _to_png(pixels) for name, pixels in pictures.items()}
    try:
        write_bundle(folder, wanted, model.export(), encoded, {"heat": np.stack(heat)})
    except OSError as error:
        raise StoreUnavailable(f"'{folder}' cannot be written ({error.strerror}): name another folder.") from error
    check_model(read_bundle(folder))


def _try_defects(
    model: AnomalyModel,
    trunk: Trunk,
    good: GoodImages,
    chosen: dict[int, Photograph],
    random: np.random.Generator,
    listeners: Listeners,
) -> tuple[FoundShare, ...]:
    indices = list(chosen)
    done = 0

    def is_found(which: int, pixels: Pixels) -> bool:
        nonlocal done
        done += 1
        listeners.on_progress("Trying defects", done, max(done, 15 * len(indices)))
        distances = good.bank.distances(trunk.features(pixels), leave_out=indices[which])
        return bool(score_map(distances, model.level).max() > model.threshold)

    return tuple(try_defects([chosen[i].pixels() for i in indices], is_found, random))


def _judge_bad(model: AnomalyModel, trunk: Trunk, paths: Sequence[Path], listeners: Listeners) -> list[Shown]:
    if not paths:
        return []
    found = sort_photographs(paths, lambda: None)
    for file in found.unreadable:
        listeners.on_message(f"Left out: {file.name} {file.reason}.")
    shown = []
    for i, photograph in enumerate(found.kept):
        distances = model.bank.distances(trunk.features(photograph.pixels()))
        shown.append(_shown(photograph, score_map(distances, model.level), model.threshold))
        listeners.on_progress("Bad images", i + 1, len(found.kept))
    return shown


def _shown(photograph: Photograph, scores: "np.typing.NDArray[np.float32]", threshold: float) -> Shown:
    return Shown(
        name=photograph.name,
        path=photograph.path,
        score=float(scores.max()),
        heat=to_heat(scores, threshold),
    )


def _to_png(pixels: Pixels) -> bytes:
    done, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    assert done  # noqa: S101 - eight bits and three channels are always taken
    return data.tobytes()
