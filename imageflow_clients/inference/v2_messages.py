"""Requests and answers of the Open Inference Protocol (v2), as JSON and with its binary tensor extension.

https://github.com/kserve/open-inference-protocol; Triton's `extension_binary_data`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import BadGateway
from imageflow_domain.inference import TensorType

_NAMES = {
    TensorType.FLOAT16: "FP16",
    TensorType.FLOAT32: "FP32",
    TensorType.UINT8: "UINT8",
    TensorType.INT32: "INT32",
    TensorType.INT64: "INT64",
}
TYPES = {name: dtype for dtype, name in _NAMES.items()}
_AT_ONCE = 65_536
"""Numbers that are spelled out before looking whether to go on."""
HEADER_LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True, kw_only=True)
class Message:
    """The body of a request, and the headers that tell how to read it."""

    body: bytes
    headers: Mapping[str, str]


def request(
    inputs: Mapping[str, NDArray[Any]], outputs: tuple[str, ...], *, binary: bool, cancellation: Cancellation
) -> Message:
    """Return the body of an inference request for named outputs; raise `Cancelled` if it is to stop meanwhile."""
    if binary:
        return _in_bytes(inputs, outputs)
    return _in_json(inputs, outputs, cancellation)


def _in_bytes(inputs: Mapping[str, NDArray[Any]], outputs: tuple[str, ...]) -> Message:
    raw = [values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes() for values in inputs.values()]
    described = [
        _head(name, values) | {"parameters": {"binary_data_size": len(data)}}
        for (name, values), data in zip(inputs.items(), raw, strict=True)
    ]
    wanted = [{"name": name, "parameters": {"binary_data": True}} for name in outputs]
    head = json.dumps({"inputs": described, "outputs": wanted}).encode()
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(head))}
    return Message(body=b"".join([head, *raw]), headers=headers)


def _in_json(inputs: Mapping[str, NDArray[Any]], outputs: tuple[str, ...], cancellation: Cancellation) -> Message:
    tensors = []
    for name, values in inputs.items():
        flat = values.ravel()
        numbers = []
        for start in range(0, len(flat), _AT_ONCE):
            cancellation.check()
            numbers.append(json.dumps(flat[start : start + _AT_ONCE].tolist())[1:-1])
        tensors.append(f'{json.dumps(_head(name, values))[:-1]}, "data": [{",".join(numbers)}]}}')
    wanted = json.dumps([{"name": name} for name in outputs])
    body = f'{{"inputs": [{",".join(tensors)}], "outputs": {wanted}}}'.encode()
    return Message(body=body, headers={"Content-Type": "application/json"})


def _head(name: str, values: NDArray[Any]) -> dict[str, Any]:
    return {"name": name, "shape": list(values.shape), "datatype": _NAMES[TensorType(values.dtype.name)]}


def answer(body: bytes, header_length: str | None, server: str) -> dict[str, NDArray[Any]]:
    """Return the tensors of an answer; raise `BadGateway` for one that does not keep to the protocol."""
    try:
        length = len(body) if header_length is None else int(header_length)
        rest = memoryview(body)[length:]
        tensors = {}
        for tensor in json.loads(body[:length])["outputs"]:
            dtype = np.dtype(TYPES[tensor["datatype"]])
            size = (tensor.get("parameters") or {}).get("binary_data_size")
            if size is None:
                values = np.array(tensor["data"], dtype)
            else:
                values, rest = np.frombuffer(rest[:size], dtype.newbyteorder("<")).astype(dtype), rest[size:]
            tensors[str(tensor["name"])] = values.reshape(tensor["shape"])
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise BadGateway(
            f"The inference server at {server} answered what is not of its protocol: look at its log."
        ) from error
    return tensors
