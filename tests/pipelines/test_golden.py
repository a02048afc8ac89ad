"""A released version is frozen: what it gives for its samples never changes."""

import pytest

from imageflow_pipelines.component import ports_of
from imageflow_pipelines.components.blur import Blur
from imageflow_pipelines.components.crop import Crop
from imageflow_pipelines.older_versions import OlderVersion, older_versions
from imageflow_pipelines.registry import RELEASED, Registry, Release
from imageflow_pipelines.spec import PipelineSpec
from imageflow_pipelines.values import Image
from tests.pipelines.samples import SAMPLES, compute, golden

_RELEASES = list(RELEASED)


@pytest.mark.parametrize("release", _RELEASES, ids=lambda release: release.component.reference())
def test_a_released_component_gives_what_it_gave_when_it_was_released(release: Release) -> None:
    now = golden(release.component)
    assert now == release.golden, (
        f"{release.component.reference()} gives something else than when it was released, and pipelines that name it "
        "would no longer replay. Bring the old result back, or release a new version beside it: see registry.py. "
        f'Only a component that was never released takes today\'s digest: golden="{now}".'
    )


@pytest.mark.parametrize("release", _RELEASES, ids=lambda release: release.component.reference())
def test_its_samples_go_through_every_port(release: Release) -> None:
    ports = ports_of(release.component)
    samples = SAMPLES[release.component.reference()]
    assert {port for sample in samples for port in sample.inputs} == set(ports.inputs)
    given = [compute(release.component, sample) for sample in samples]
    assert all(set(outputs) == set(ports.outputs) for outputs in given)


def test_every_component_file_is_released() -> None:
    from pathlib import Path

    import imageflow_pipelines.components as package

    files = {path.stem for path in Path(package.__file__).parent.glob("*.py")} - {"__init__"}
    released = {release.component.__module__.rpartition(".")[2] for release in RELEASED}
    assert files == released, "add a line to RELEASED of registry.py"


def test_no_version_is_released_twice() -> None:
    class Copied(Blur):
        pass

    with pytest.raises(ValueError, match="Blur and Copied are both blur@1"):
        Registry(Release(each, golden="") for each in (Blur, Crop, Copied))


def test_every_released_version_has_samples_and_nothing_else_has() -> None:
    assert set(SAMPLES) == {release.component.reference() for release in RELEASED}, "see tests/pipelines/samples.py"


def test_every_later_version_says_what_it_changes_and_no_first_one_does() -> None:
    for release in _RELEASES:
        component = release.component
        assert bool(component.changes) == (component.version > 1), component.reference()


def test_the_versions_after_one_are_found_oldest_first() -> None:
    class Blur2(Blur):
        version = 2

    class Blur3(Blur):
        version = 3

    registry = Registry(Release(each, golden="") for each in (Blur3, Blur, Blur2))
    assert registry.newer("blur@1") == (Blur2, Blur3)
    assert registry.newer("blur@2") == (Blur3,)
    assert registry.newer("blur@3") == ()
    assert registry.newer("blue@1") == ()


def test_steps_that_use_an_older_version_are_named_with_what_each_later_one_changes() -> None:
    class Blur2(Blur):
        version = 2
        changes = "Sharper."

    class Blur3(Blur):
        version = 3
        changes = "Faster."

    registry = Registry(Release(each, golden="") for each in (Crop, Blur, Blur2, Blur3))
    spec = PipelineSpec.model_validate(
        {
            "pipeline": "p",
            "steps": {"last": {"use": "blur@3"}, "cut": {"use": "crop@1"}, "first": {"use": "blur@1"}},
            "outputs": {"picture": "last.image"},
        }
    )
    assert older_versions(spec, registry) == (
        OlderVersion(step="first", uses="blur@1", newest="blur@3", changes={"blur@2": "Sharper.", "blur@3": "Faster."}),
    )


def test_one_level_of_one_pixel_is_noticed() -> None:
    class Nearly(Blur):
        def __call__(self, image: Image) -> Image:
            pixels = super().__call__(image).pixels.copy()
            pixels[0, 0] ^= 1
            return Image(pixels)

    assert golden(Blur) != golden(Nearly)
