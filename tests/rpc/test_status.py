"""Errors fit into the metadata of an answer, in any language."""

import base64
import urllib.parse

import grpc
import pytest

from imageflow_domain.errors import Fault, Faulty, ImageFlowError, InvalidInput, ObjectMissing
from imageflow_engine.rpc import status

METADATA_BYTES = 8 * 2**10

HAN = "\u6f22" * 3_000


@pytest.mark.parametrize(
    "error",
    [
        InvalidInput(HAN),
        InvalidInput("%\n" * 3_000),
        Faulty(HAN, [Fault(path=f"{number}{HAN}", reason=HAN) for number in range(20)]),
        ObjectMissing(HAN, next_step="send the image again"),
        InvalidInput("\ud800" * 3_000),
    ],
)
def test_an_error_of_any_length_fits_into_the_metadata(error: ImageFlowError) -> None:
    details = status.details_of(error)
    packed = status.status_details(grpc.StatusCode.INVALID_ARGUMENT, details)
    message = urllib.parse.quote(details.message)
    assert len(message) + len(base64.b64encode(packed)) < METADATA_BYTES - 500  # for the other metadata
    assert details.message.endswith(" ...")


def test_a_short_message_is_whole() -> None:
    assert status.details_of(InvalidInput("\u6f22" * 200)).message == "\u6f22" * 200
