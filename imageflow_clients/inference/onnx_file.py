"""A model's file, looked at before anything runs it: what could read other files, or is not ONNX, stops here.

What only shows when it runs (memory, time, crashes) is `trial`'s business.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from imageflow_clients.inference.onnx_randomness import Randomness
from imageflow_domain.errors import InvalidInput
from imageflow_domain.inference import Tensor, TensorType

MAX_FILE_BYTES = 512 * 2**20
MAX_NODES = 100_000
MAX_TENSOR_BYTES = 2**30
"""Of one constant, or of one tensor that the file says it takes or gives for one picture."""

_STANDARD_DOMAINS = {"": "", "ai.onnx": "", "ai.onnx.ml": "ai.onnx.ml"}
"""By how a file spells them."""
_TYPES: dict[int, TensorType] = {
    TensorProto.FLOAT16: TensorType.FLOAT16,
    TensorProto.FLOAT: TensorType.FLOAT32,
    TensorProto.UINT8: TensorType.UINT8,
    TensorProto.INT32: TensorType.INT32,
    TensorProto.INT64: TensorType.INT64,
}


@dataclass(frozen=True, kw_only=True)
class Interface:
    """What a model takes and gives, as its file says."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def examine(data: bytes) -> Interface:
    """Return what a model's file takes and gives.

    Raises `InvalidInput` for one that is no ONNX, too large, or uses what is refused: weights in other files, operators
    that are not of the standard, random numbers, tensors of other types.
    """
    if len(data) > MAX_FILE_BYTES:
        raise InvalidInput(f"The model has {len(data):,} bytes: at most {MAX_FILE_BYTES:,} are taken.")
    model = _parse(data)
    parts = _bounded_parts(model)
    randomness = Randomness(parts)
    for part in parts:
        _check_nodes(part.node, model, randomness)
        for tensor in _tensors(part):
            _check_tensor(tensor)
    held = {tensor.name for tensor in model.graph.initializer}
    return Interface(
        inputs=tuple(_tensor(value) for value in model.graph.input if value.name not in held),
        outputs=tuple(_tensor(value) for value in model.graph.output),
    )


def _parse(data: bytes) -> ModelProto:
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise InvalidInput("The file is no ONNX model, or ends too early: export it again.") from error
    if not model.graph.node or not model.graph.output:
        raise InvalidInput("The file holds no ONNX model that computes anything: export it again.")
    if len(model.training_info):
        raise InvalidInput("The model holds what training needs: export it for inference.")
    return model


def _bounded_parts(model: ModelProto) -> list[GraphProto | FunctionProto]:
    parts = []
    nodes = 0
    for part in _parts(model):
        nodes += len(part.node)
        if nodes > MAX_NODES:
            raise InvalidInput(f"The model has more than {MAX_NODES:,} operators: simplify it.")
        parts.append(part)
    return parts


def _parts(model: ModelProto) -> Iterator[GraphProto | FunctionProto]:
    """Yield the graph, the functions, and every graph inside an attribute of a node or of a function's defaults."""
    waiting: list[GraphProto | FunctionProto] = [model.graph, *model.functions]
    while waiting:
        part = waiting.pop()
        yield part
        for node in part.node:
            waiting += _graphs(node.attribute)
        if isinstance(part, FunctionProto):
            waiting += _graphs(part.attribute_proto)


def _graphs(attributes: Iterable[AttributeProto]) -> Iterator[GraphProto]:
    for attribute in attributes:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _check_nodes(nodes: Iterable[NodeProto], model: ModelProto, randomness: Randomness) -> None:
    own = {(function.domain, function.name) for function in model.functions}
    for node in nodes:
        _check_text(node.domain, node.op_type)
        name = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
        domain = _STANDARD_DOMAINS.get(node.domain)
        if domain is not None:
            # Runtimes prefer their own operator to a function of the same name in the file.
            randomness.check(node, name)
        if (node.domain, node.op_type) in own:
            continue
        if domain is None or not onnx.defs.has(node.op_type, domain):
            raise InvalidInput(f"The model uses the operator '{name}', which is not of ONNX: export it without.")


def _tensors(part: GraphProto | FunctionProto) -> Iterator[TensorProto]:
    if isinstance(part, GraphProto):
        yield from part.initializer
        for sparse in part.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    else:
        for attribute in part.attribute_proto:
            yield from _attribute_tensors(attribute)
    for node in part.node:
        for attribute in node.attribute:
            yield from _attribute_tensors(attribute)


def _attribute_tensors(attribute: AttributeProto) -> Iterator[TensorProto]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors
    if attribute.HasField("sparse_tensor"):
        yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
    for sparse in attribute.sparse_tensors:
        yield from (sparse.values, sparse.indices)


def _check_text(*names: str | bytes) -> None:
    if not all(isinstance(name, str) for name in names):  # what is not UTF-8 comes as bytes
        raise InvalidInput("The file is no ONNX model, for the names in it are no text: export it again.")


def _check_tensor(tensor: TensorProto) -> None:
    if tensor.data_location == TensorProto.EXTERNAL or len(tensor.external_data):
        raise InvalidInput(
            f"The model's weights '{tensor.name}' lie in another file, which is never read: export it as one file."
        )
    if any(side < 0 for side in tensor.dims) or 8 * math.prod(tensor.dims) > MAX_TENSOR_BYTES:
        raise InvalidInput(f"The model's constant '{tensor.name}' has an impossible shape, {tuple(tensor.dims)}.")


def _tensor(value: ValueInfoProto) -> Tensor:
    _check_text(value.name)
    kind = value.type.tensor_type
    dtype = _TYPES.get(kind.elem_type)
    if dtype is None or not kind.HasField("shape"):
        raise InvalidInput(
            f"The model's '{value.name}' has no shape, or a type other than {', '.join(_TYPES.values())}: "
            "export it anew."
        )
    shape = tuple(side.dim_value if side.HasField("dim_value") else None for side in kind.shape.dim)
    if (
        any(side is not None and side < 1 for side in shape)
        or math.prod(side or 1 for side in shape) * 8 > MAX_TENSOR_BYTES
    ):
        raise InvalidInput(f"The model's '{value.name}' has an impossible shape, {shape}: export it anew.")
    return Tensor(name=value.name, dtype=dtype, shape=shape)
