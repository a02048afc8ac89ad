"""Previews of one step: what they give, what is computed again, and what they refuse."""

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import cv2
import numpy as np
import pytest
from sqlalchemy import text

from imageflow_clients.stores import Stores
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import (
    Cancelled,
    InvalidInput,
    InvalidPipeline,
    SampleForgotten,
    TooLarge,
)
from imageflow_executions.preview import HELD_BYTES, PreviewRequest, Previews, SamplePreview
from imageflow_executions.samples import Samples
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.plan import plan
from imageflow_pipelines.reuse import Reuse
from imageflow_pipelines.spec_text import parse_spec
from tests.executions.starts import hanging, image, small


@pytest.fixture
def previews(stores: Stores) -> Iterator[Previews]:
    with Engine(reuse=Reuse(), most_held_bytes=HELD_BYTES) as engine:
        yield Previews(stores, engine, Samples())


def previewed(
    previews: Previews, spec: Mapping[str, Any], step: str, *images: bytes, **options: Any
) -> list[SamplePreview]:
    samples = [{"picture": previews.samples.keep(data)} for data in images]
    request = PreviewRequest(spec=spec, step=step, samples=samples, **options)
    return list(previews.compute(request, Cancellation()))


def statuses(preview: SamplePreview) -> dict[str, str]:
    return {step.step: str(step.status) for step in preview.steps}


def pixels(data: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def test_a_step_gives_the_bytes_that_an_execution_gives(previews: Previews) -> None:
    data = image()
    (preview,) = previewed(previews, small(), "encoded", data)
    output = preview.outputs["encoded"]
    assert output is not None
    with Engine() as engine:
        executed = engine.run(plan(parse_spec(small())), {"picture": data}).succeeded()
    assert output.file.data == executed.outputs["picture"].data  # type: ignore[union-attr]
    assert (output.file.kind, output.file.media_type, output.width_px) == ("encoded", "image/png", 0)
    assert statuses(preview) == {"decode": "done", "small": "done", "grey": "done", "encoded": "done"}
    assert preview.error is None


def test_only_the_changed_step_and_those_after_it_are_computed_again(previews: Previews) -> None:
    data = image()
    previewed(previews, small(), "grey", data)
    (changed,) = previewed(previews, small(width=20), "grey", data)
    assert statuses(changed) == {"decode": "reused", "small": "done", "grey": "done"}
    (same,) = previewed(previews, small(width=20), "grey", data)
    assert statuses(same) == {"decode": "unneeded", "small": "unneeded", "grey": "reused"}
    (further,) = previewed(previews, small(width=20), "encoded", data)
    assert statuses(further)["encoded"] == "done"
    (other,) = previewed(previews, small(width=20), "grey", image(1))
    assert statuses(other) == {"decode": "done", "small": "done", "grey": "done"}


def test_large_pixels_are_reduced_and_their_size_is_stated(previews: Previews) -> None:
    data = image(width=600, height=300)
    (preview,) = previewed(previews, small(), "decode", data, longest_side_px=200)
    output = preview.outputs["image"]
    assert output is not None
    assert pixels(output.file.data).shape == (100, 200, 3)
    assert (output.width_px, output.height_px) == (600, 300)
    (whole,) = previewed(previews, small(), "decode", data, longest_side_px=600)
    assert np.array_equal(pixels(whole.outputs["image"].file.data), pixels(data))  # type: ignore[union-attr]


def test_a_reduced_mask_stays_a_mask_and_measurements_are_json(previews: Previews) -> None:
    spec = small()
    spec["steps"]["mask"] = {"use": "threshold@1", "with": {"level": 100}, "from": {"image": "grey.image"}}
    spec["steps"]["blobs"] = {"use": "blobs@1", "with": {"mm_per_px": 1.0}, "from": {"mask": "mask.mask"}}
    (mask,) = previewed(previews, spec, "mask", image(), longest_side_px=16)
    assert set(np.unique(pixels(mask.outputs["mask"].file.data))) <= {0, 255}  # type: ignore[union-attr]
    (blobs,) = previewed(previews, spec, "blobs", image())
    files = [output.file for output in blobs.outputs.values() if output is not None]
    assert {file.media_type for file in files} == {"application/json"}
    assert all(json.loads(file.data) is not None for file in files)


def test_samples_are_answered_in_their_order_and_one_that_fails_disturbs_no_other(previews: Previews) -> None:
    first, broken, last = previewed(previews, small(), "small", image(0), b"no image", image(1))
    assert broken.error is not None
    assert (broken.error.code, broken.error.step, broken.outputs) == ("STEP_REFUSED", "decode", {})
    assert first.outputs["image"] is not None
    assert first.outputs["image"].file.data != last.outputs["image"].file.data  # type: ignore[union-attr]


def test_a_pipeline_with_two_inputs_takes_two_images_a_sample(previews: Previews) -> None:
    spec = small() | {"inputs": ["picture", "other"]}
    spec["steps"]["second"] = {"use": "decode@1", "from": {"picture": "inputs.other"}}
    one, two = (previews.samples.keep(image(seed)) for seed in (0, 1))
    request = PreviewRequest(spec=spec, step="second", samples=[{"picture": one, "other": two}])
    (preview,) = previews.compute(request, Cancellation())
    assert np.array_equal(pixels(preview.outputs["image"].file.data), pixels(image(1)))  # type: ignore[union-attr]
    with pytest.raises(InvalidInput, match="picture, other"):
        previews.compute(PreviewRequest(spec=spec, step="second", samples=[{"picture": one}]), Cancellation())


def test_nothing_is_stored(previews: Previews, stores: Stores) -> None:
    def kept() -> tuple[int, ...]:
        tables = ("executions", "execution_steps", "execution_queue", "events")
        with stores.database.begin() as connection:
            counts = [connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in tables]  # noqa: S608 - names above
        return (*counts, sum(1 for _ in stores.objects.list("")))

    before = kept()
    previewed(previews, small(), "encoded", image(7))
    assert kept() == before


def test_every_fault_of_a_spec_is_reported_and_so_is_an_unknown_step(previews: Previews) -> None:
    spec = small()
    spec["steps"]["small"]["with"] = {"width_px": -1, "mode": "fly"}
    spec["steps"]["grey"]["use"] = "grey@1"
    with pytest.raises(InvalidPipeline) as wrong:
        previewed(previews, spec, "grey", image())
    assert {"steps.small.with.width_px", "steps.small.with.mode", "steps.grey.use"} <= {
        fault.path for fault in wrong.value.faults
    }
    with pytest.raises(InvalidPipeline) as absent:
        previewed(previews, small(), "nowhere", image())
    assert [fault.path for fault in absent.value.faults] == ["step"]


def test_a_cyclic_spec_is_refused(previews: Previews) -> None:
    spec = small()
    spec["steps"]["small"]["from"] = {"image": "grey.image"}
    with pytest.raises(InvalidPipeline, match="feeds itself"):
        previewed(previews, spec, "grey", image())


@pytest.mark.parametrize("value", [10**30, "9" * 500_000, [0] * 100_000, 1e308])
def test_a_huge_parameter_is_refused(previews: Previews, value: object) -> None:
    spec = small()
    spec["steps"]["small"]["with"] = {"width_px": value}
    with pytest.raises(InvalidPipeline) as wrong:
        previewed(previews, spec, "small", image())
    assert len(str(wrong.value)) < 1_000


def test_a_parameter_that_asks_for_too_many_pixels_fails_its_step(previews: Previews) -> None:
    spec = small()
    spec["steps"]["small"]["with"] = {"width_px": 30_000, "height_px": 30_000}
    (preview,) = previewed(previews, spec, "small", image())
    assert preview.error is not None
    assert preview.error.code == "STEP_REFUSED"


def bomb(width: int, height: int) -> bytes:
    """Return a PNG of a few kilobytes that claims a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    lines = zlib.compress(b"\0" * 100_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


def test_samples_of_too_many_pixels_or_bytes_are_refused(previews: Previews) -> None:
    with pytest.raises(TooLarge, match="900,000,000 pixels"):
        previews.samples.keep(bomb(30_000, 30_000))
    with pytest.raises(TooLarge, match="bytes"):
        previews.samples.keep(b"x" * (16 * 2**20 + 1))
    with pytest.raises(InvalidInput, match="0 bytes"):
        previews.samples.keep(b"")
    with pytest.raises(TooLarge, match="together"):
        previewed(previews, small(), "decode", *(bomb(5_000, 7_990 + place) for place in range(3)))


def test_a_preview_has_a_limited_number_of_samples_and_a_limited_side(previews: Previews) -> None:
    with pytest.raises(InvalidInput, match="1 to 8 samples"):
        previewed(previews, small(), "decode", *(image(seed) for seed in range(9)))
    with pytest.raises(InvalidInput, match="1 to 8 samples"):
        previewed(previews, small(), "decode")
    for side in (0, 15, 4097, -1):
        with pytest.raises(InvalidInput, match="longest_side_px"):
            previewed(previews, small(), "decode", image(), longest_side_px=side)


def test_the_least_recently_used_samples_are_forgotten() -> None:
    samples = Samples(most_bytes=2_500)
    first, second, third = b"a" * 1_000, b"b" * 1_000, b"c" * 1_000
    digests = [samples.keep(data) for data in (first, second)]
    assert samples.get(digests[0]) == first
    samples.keep(third)
    assert samples.get(digests[0]) == first
    with pytest.raises(SampleForgotten):
        samples.get(digests[1])


def test_a_preview_is_stopped_while_a_step_waits(previews: Previews) -> None:
    stop = Cancellation()
    stop.cancel("A newer one came.")
    request = PreviewRequest(spec=hanging(), step="decode", samples=[{"picture": previews.samples.keep(image())}])
    with pytest.raises(Cancelled, match="A newer one came"):
        previews.compute(request, stop)
