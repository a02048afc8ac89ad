"""Probe the game that a YAML describes, and write what was measured into it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from game_capture.probe.measuring import Asked, Course
from game_capture.probe.proposal import propose
from game_capture.probe.report import Report
from game_capture.probe.rig import Rig
from game_capture.probe.step_pictures import StepPictures
from game_capture.probe.ways import way_of, ways_to_try
from game_capture.registry import parameters_of
from game_capture.staging import Staging
from game_capture.x11.parameters import X11Parameters
from game_capture.x11.scrolling import SCROLLS, Scroll
from imageflow_domain.errors import InvalidInput, NoMap, WrongSettings
from imageflow_domain.geometry import Offset, Rect
from imageflow_domain.survey import DriverSpec
from imageflow_mosaic.movement import FrameComparer
from imageflow_surveys.files_beside import read_local
from imageflow_surveys.game_yaml import mapping_of
from imageflow_surveys.games import check_content
from imageflow_surveys.probed_yaml import with_measured

OnProgress = Callable[[str, int, int], None]

_STARTING = "Starting the game"
_ONE = [1, 1]
_SOME_SCROLL = {"by": "keys", "px_per_press": _ONE}
_NEEDS_A_SCALE = {scroll.model_fields["by"].default: scroll.scale for scroll in SCROLLS}


@dataclass(frozen=True, kw_only=True)
class Probed:
    """The result of a probe."""

    report: Report
    text: str
    """The YAML with what was measured."""
    advice: tuple[str, ...]
    """What a person should look at."""


@dataclass(frozen=True, kw_only=True)
class Described:
    """A game as its YAML describes it, which may lack what is to be measured."""

    text: str
    folder: Path
    """Where the files lie that it names."""
    title: str
    given: Mapping[str, Any]
    """Parameters of the driver as written."""
    parameters: X11Parameters
    """The same, with something in the place of what is missing."""
    scroll: Scroll | None
    masks: tuple[Rect, ...]


def described(text: str, *, where: str, folder: Path, title: str) -> Described:
    """Read a YAML that may lack `scroll`, the scale in it, `step` and `crop`.

    Args:
        where: What messages call it.
        title: The game's, where it has none of its own.

    Raises:
        InvalidInput: For every other mistake, and a game of another driver than `x11`.
    """
    content = check_content(mapping_of(text, where), where)
    driver = DriverSpec.model_validate(content["driver"])
    if driver.name != "x11":
        raise InvalidInput(f"{where} describes a game of driver {driver.name}: only x11 can be probed, and needs it.")
    given = driver.parameters
    scroll = given.get("scroll")
    filled = {**given, "scroll": _scaled(scroll) if isinstance(scroll, dict) else scroll or _SOME_SCROLL}
    filled["step"] = _ONE if given.get("step") is None else given["step"]
    parameters = parameters_of(driver.model_copy(update={"parameters": filled}))
    assert isinstance(parameters, X11Parameters)  # noqa: S101  the driver of that name has no others
    return Described(
        text=text,
        folder=folder,
        title=str(content.get("title", title)),
        given=given,
        parameters=parameters,
        scroll=parameters.scroll if scroll else None,
        masks=tuple(Rect.model_validate(mask) for mask in content.get("masks", ())),
    )


def check_measured(driver: DriverSpec, *, file: Path) -> None:
    """Check a driver's parameters; where all that is wrong is what a probe measures, say that it does.

    Args:
        file: The YAML of the game.

    Raises:
        InvalidInput: With a sentence for every mistake.
    """
    try:
        parameters_of(driver)
    except WrongSettings as error:
        missing = _to_measure(driver)
        if {fault.path for fault in error.faults} != set(missing):
            raise
        raise InvalidInput(
            f"'{file}' has no {' and no '.join(missing)} yet, and no other mistake. Measure them, and `crop` where it "
            f"is not set, by `imageflow game probe {file} --write {file} --force`, once the steps of `prepare` lead to "
            "the map."
        ) from error


def _to_measure(driver: DriverSpec) -> tuple[str, ...]:
    """Return the settings that a driver needs, that are missing, and that a probe measures."""
    if driver.name != "x11":
        return ()
    missing = [name for name in ("scroll", "step") if name not in driver.parameters]
    scroll = driver.parameters.get("scroll")
    if isinstance(scroll, dict) and (scale := _NEEDS_A_SCALE.get(scroll.get("by"))) and scale not in scroll:
        missing.insert(0, f"scroll.{scale}")
    return tuple(missing)


def show_steps(game: Described, *, staging: Staging, pictures: Path, on_progress: OnProgress) -> Path:
    """Start a game, save what it shows after each step, and end it; return the last picture.

    Args:
        pictures: An existing folder.

    Raises:
        InvalidInput: For files that the YAML names and that are not there.
        CaptureError: Where a step fails; the message names the last picture.
    """
    saved = StepPictures(pictures)
    with _rig(game, staging, saved, on_progress) as rig:
        return saved.save(rig.starts[-1], "end", "after the last step")


def probe_game(
    game: Described,
    *,
    staging: Staging,
    pictures: Path,
    edges: bool,
    on_progress: OnProgress,
    on_measured: Callable[[Probed], None] = lambda _: None,
) -> Probed:
    """Start a game, save what it shows after each step, measure how it is driven, and write that into its YAML.

    Args:
        pictures: An existing folder.
        edges: Whether the edges of the world are looked for.
        on_measured: Takes what was measured, before the edges are looked for: that takes minutes, and the YAML does not
            change by it.

    Raises:
        InvalidInput: For files that the YAML names and that are not there.
        CaptureError: Where the game cannot be driven; the message names the last picture.
        NoMap: Where nothing moves its camera.
    """
    parameters, saved = game.parameters, StepPictures(pictures)
    window = parameters.window_rect
    to_window = Offset(dx_px=-window.x_px, dy_px=-window.y_px)
    asked = Asked(
        ways=ways_to_try() if game.scroll is None else (way_of(game.scroll),),
        crop=parameters.crop.shifted(to_window) if parameters.crop else None,
        masks=game.masks,
        may_park=parameters.park is None,
    )
    with _rig(game, staging, saved, on_progress) as rig:
        course = Course(rig, asked, FrameComparer, on_progress)
        try:
            report = course.run()
        except NoMap as error:
            path = saved.save(error.picture, "no-camera", "nothing moved the camera")
            raise NoMap(f"{error} The last picture is '{path}'.", picture=error.picture) from error
        probed = _probed(game, report)
        on_measured(probed)
        return _probed(game, course.with_edges(report)) if edges else probed


def _rig(game: Described, staging: Staging, pictures: StepPictures, on_progress: OnProgress) -> Rig:
    def tell(done: int, steps: int) -> None:
        on_progress(_STARTING, 1 + done, 1 + steps)

    on_progress(_STARTING, 0, 1)
    return Rig(
        game.parameters,
        staging=staging,
        read_beside=lambda name: read_local(game.folder, name),
        pictures=pictures,
        tell=tell,
    )


def _probed(game: Described, report: Report) -> Probed:
    proposal = propose(report, game.given, game.scroll, default_park=game.parameters.resting_place)
    text = with_measured(game.text, proposal, title=game.title)
    check_text(text)
    return Probed(report=report, text=text, advice=proposal.advice)


def check_text(text: str) -> None:
    """Raise `InvalidInput` with every mistake of a game's YAML."""
    content = check_content(mapping_of(text, "the probed YAML"), "the probed YAML")
    parameters_of(DriverSpec.model_validate(content["driver"]))


def _scaled(scroll: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a way to scroll with some scale, where it has none."""
    scale = _NEEDS_A_SCALE.get(scroll.get("by"))
    return dict(scroll) if scale is None else {scale: _ONE, **scroll}
