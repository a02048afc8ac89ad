"""Whether given tensors are those that a model's description allows: the same words for every session."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from imageflow_domain.errors import InvalidInput
from imageflow_domain.inference import ModelDescription


def check_inputs(model: ModelDescription, inputs: Mapping[str, NDArray[Any]], max_batch: int) -> int:
    """Return how many pictures there are; raise `InvalidInput` for what the model does not take."""
    wanted = {tensor.name: tensor for tensor in model.inputs}
    if inputs.keys() != wanted.keys():
        raise InvalidInput(f"Model {model.id} takes {_listed(wanted)}, not {_listed(inputs)}.")
    counts = set()
    for name, tensor in wanted.items():
        given = inputs[name]
        fits = given.ndim == len(tensor.shape) and all(
            side in (None, length) for side, length in zip(tensor.shape, given.shape, strict=True)
        )
        if given.dtype != tensor.dtype or not fits or not given.flags.c_contiguous or given.size == 0:
            shape = " x ".join("any" if side is None else str(side) for side in tensor.shape)
            raise InvalidInput(
                f"Model {model.id} takes '{name}' as {tensor.dtype} of {shape}, C-contiguous, "
                f"not {given.dtype} of {' x '.join(map(str, given.shape)) or 'no'} axes."
            )
        counts.add(given.shape[0])
    if len(counts) != 1 or max(counts) > max_batch:
        raise InvalidInput(f"Model {model.id} takes 1 to {max_batch} pictures at once, not {sorted(counts)}.")
    return int(counts.pop())


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "nothing"
