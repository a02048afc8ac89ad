"""Chunks in every order become the same image; chunks that contradict each other are refused with the reason."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageflow.v1.image_processing_pb2 import ImageChunk, ImageMetadata, PipelineConfig
from imageflow_domain.errors import InvalidInput, TooLarge
from imageflow_engine.rpc.assembly import MOST_CHUNKS, Assembly, ImageRefused, Whole

METADATA = ImageMetadata(pipeline_config=PipelineConfig(pipeline_id="live"))


def chunks(data: bytes, size: int, *, name: str = "a", says_total: bool = True) -> list[ImageChunk]:
    parts = [data[begin : begin + size] for begin in range(0, len(data), size)]
    return [
        ImageChunk(
            correlation_id=name,
            image_data=part,
            chunk_index=index,
            total_chunks=len(parts) if says_total else 0,
            is_final_chunk=index == len(parts) - 1,
            metadata=METADATA if index == 0 else None,
        )
        for index, part in enumerate(parts)
    ]


def assembly(folder: Path = Path(), *, most_bytes: int = 10**6, most_open: int = 4, most_images: int = 10) -> Assembly:
    return Assembly(folder, most_bytes=most_bytes, most_open=most_open, most_images=most_images)


def taken(into: Assembly, those: list[ImageChunk]) -> list[Whole]:
    return [whole for chunk in those if (whole := into.take(chunk)) is not None]


def why(those: list[ImageChunk], **limits: int) -> Exception:
    with pytest.raises(ImageRefused) as refused:
        taken(assembly(**limits), those)
    return refused.value.why


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=2_000), st.integers(1, 700), st.randoms(use_true_random=False), st.booleans())
def test_any_order_with_repetitions_gives_the_same_image(
    data: bytes, size: int, order: random.Random, says_total: bool
) -> None:
    those = chunks(data, size, says_total=says_total)
    those += [each for each in those if order.random() < 0.3]
    order.shuffle(those)
    (whole,) = taken(assembly(), those)
    assert (whole.data(), whole.correlation, whole.metadata) == (data, "a", METADATA)


@settings(deadline=None)
@given(st.randoms(use_true_random=False))
def test_chunks_of_several_images_may_come_in_turn(order: random.Random) -> None:
    images = {name: name.encode() * 100 for name in "abcd"}
    those = [chunk for name, data in images.items() for chunk in chunks(data, 30, name=name)]
    order.shuffle(those)
    assert {whole.correlation: whole.data() for whole in taken(assembly(), those)} == images


def test_missing_chunks_are_named_at_the_end() -> None:
    into = assembly()
    taken(into, [each for each in chunks(b"x" * 100, 10) if each.chunk_index not in (3, 5)])
    (refused,) = into.end()
    assert (refused.correlation, type(refused.why)) == ("a", InvalidInput)
    assert "of 10 chunks 2 are missing: 3, 5" in str(refused.why)


def test_an_image_whose_final_chunk_never_comes_is_said_to_lack_it() -> None:
    into = assembly()
    taken(into, chunks(b"x" * 100, 10, says_total=False)[:-1])
    (refused,) = into.end()
    assert "none of them was the final one" in str(refused.why)


def test_an_image_without_metadata_is_refused() -> None:
    those = chunks(b"x" * 30, 10)
    those[0].ClearField("metadata")
    assert "metadata" in str(why(those))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"total_chunks": 4}, "3 of them, and 4"),
        ({"total_chunks": -1}, "numbered from 0"),
        ({"chunk_index": -1}, "numbered from 0"),
        ({"chunk_index": 3}, "only 3 chunks"),
        ({"total_chunks": MOST_CHUNKS + 1}, "numbered from 0"),
        ({"is_final_chunk": True}, "called the final one"),
        ({"chunk_index": 0, "image_data": b"other"}, "twice with different bytes"),
        ({"metadata": ImageMetadata(client_id="another")}, "different metadata"),
    ],
)
def test_chunks_that_contradict_each_other_are_refused(change: dict[str, object], said: str) -> None:
    first, second, _ = chunks(b"x" * 30, 10)
    for name, value in change.items():
        if isinstance(value, ImageMetadata):
            second.metadata.CopyFrom(value)
        else:
            setattr(second, name, value)
    assert said in str(why([first, second]))


def test_a_greater_chunk_that_came_before_the_total_was_known_is_refused_too() -> None:
    those = chunks(b"x" * 50, 10, says_total=False)
    those[2].is_final_chunk = True
    assert "only 3 chunks" in str(why([those[3], those[2]]))


def test_the_other_chunks_of_a_refused_image_are_ignored_and_others_go_on() -> None:
    into = assembly(most_bytes=25)
    large = chunks(b"x" * 30, 10)
    with pytest.raises(ImageRefused) as refused:
        taken(into, large)
    assert isinstance(refused.value.why, TooLarge)
    assert taken(into, large) == []
    assert len(taken(into, chunks(b"y" * 20, 10, name="b"))) == 1


def test_a_stream_has_a_limited_number_of_images_and_of_incomplete_ones() -> None:
    with pytest.raises(TooLarge, match="incomplete"):
        taken(assembly(most_open=2), [chunks(b"x" * 20, 10, name=name)[0] for name in "abc"])
    with pytest.raises(TooLarge, match="at most 2 images"):
        taken(assembly(most_images=2), [chunks(b"x", 10, name=name)[0] for name in "abc"])


def test_incomplete_images_have_a_limited_size_together() -> None:
    into = assembly(most_bytes=100)
    parts = [chunks(b"x" * 90, 80, name=name) for name in "abc"]
    taken(into, [parts[0][0], parts[1][0]])
    with pytest.raises(TooLarge, match="together"):
        into.take(parts[2][0])
    assert len(taken(into, parts[0][1:])) == 1


@pytest.mark.parametrize("name", ["", "x" * 201, "\0"])
def test_a_chunk_without_a_usable_correlation_id_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        assembly().take(ImageChunk(correlation_id=name))


def test_large_images_lie_in_a_file_without_a_name(tmp_path: Path) -> None:
    data = bytes(range(250)) * 12_000
    (whole,) = taken(assembly(tmp_path, most_bytes=10**7), chunks(data, 2**20)[::-1])
    assert list(tmp_path.iterdir()) == []
    assert whole.data() == data
    whole.close()
