"""Operators of ONNX that may answer the same picture differently: at random, or depending on earlier inputs.

An option that is not proven constant counts as switched on.
"""

from collections.abc import Iterable, Iterator

from onnx import FunctionProto, GraphProto, NodeProto, TensorProto

from imageflow_domain.errors import InvalidInput

_RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
_TRAINING_MODE = 2
"""Which input of Dropout switches it on."""


class Randomness:
    """Finds random operators in a model whose graphs and functions are all given."""

    def __init__(self, parts: Iterable[GraphProto | FunctionProto]) -> None:
        false: set[str] = set()
        others: set[str] = set()
        for part in parts:
            for name, is_false in _values(part):
                (false if is_false else others).add(name)
        # Inner graphs see outer names and may hide them: a name counts as false where it is so in all of them.
        self._false = false - others

    def check(self, node: NodeProto, name: str) -> None:
        """Raise `InvalidInput` for an operator of the standard that is random, or trains.

        Args:
            node: Of any graph or function.
            name: What people call its operator.
        """
        if node.op_type in _RANDOM:
            raise InvalidInput(f"The model draws random numbers ('{name}'): export it for inference.")
        if self._trains(node):
            raise InvalidInput(
                f"The model's '{name}' is in training mode, or may be, so that the same picture may be answered "
                "otherwise: export it for inference."
            )

    def _trains(self, node: NodeProto) -> bool:
        if any(each.name == "training_mode" and (each.ref_attr_name or each.i) for each in node.attribute):
            return True
        if node.op_type == "Dropout":
            return any(name and name not in self._false for name in node.input[_TRAINING_MODE:])
        # Before the attribute was there, further outputs said it.
        return node.op_type == "BatchNormalization" and any(node.output[1:])


def _values(part: GraphProto | FunctionProto) -> Iterator[tuple[str, bool]]:
    """Yield the name of every value of a part, and whether the value is always false."""
    if isinstance(part, GraphProto):
        held = {tensor.name for tensor in part.initializer}
        yield from ((tensor.name, _is_false(tensor)) for tensor in part.initializer)
        yield from ((tensor.values.name, False) for tensor in part.sparse_initializer)
        yield from ((value.name, False) for value in part.input if value.name not in held)
    else:
        yield from ((name, False) for name in part.input)
    for node in part.node:
        yield from ((name, _is_false_constant(node)) for name in node.output)


def _is_false_constant(node: NodeProto) -> bool:
    return (node.domain, node.op_type) == ("", "Constant") and any(
        each.name == "value" and _is_false(each.t) for each in node.attribute
    )


def _is_false(tensor: TensorProto) -> bool:
    """Whether a constant is a single false. One without data is filled in from outside."""
    held = tensor.raw_data or bytes(map(bool, tensor.int32_data))
    return tensor.data_type == TensorProto.BOOL and len(held) == 1 and not any(held)
