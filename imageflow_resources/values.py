"""Values that one step of a run hands to another: small, typed, kept as JSON in the object store.

Any process of the deployment reads them: a child, a pod, a run that goes on where another one failed. Pictures and
tiles are no such values: steps hand on their keys and numbers.
"""

from typing import Any

import dagster as dg
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from imageflow_clients.objects import ObjectStore
from imageflow_domain import keys
from imageflow_domain.errors import InvalidInput

_AGAIN = "run the step that makes it again: re-execute all steps of the run, not only from the failure on"


class KeptValues(dg.IOManager):
    """Values by run, step and output. Types are those that ops declare: numbers, text, tuples, frozen dataclasses."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Keep a value; raise `InvalidInput` where its output declares no type, or another one than the value has."""
        key = _key(context)
        try:
            data = _type_of(context).dump_json(obj, warnings="error")
        except PydanticSerializationError as error:
            raise InvalidInput(
                f"The value for '{key}' is not what its step declares ({error}): correct the op."
            ) from error
        self._objects.put(key, data)

    def load_input(self, context: dg.InputContext) -> Any:
        """Return a value; raise `ObjectMissing`, or `InvalidInput` where other code than today's kept it."""
        output = context.upstream_output
        if output is None:
            raise InvalidInput(f"Input '{context.name}' is no step's output: give it by another IO manager.")
        key = _key(output)
        data = self._objects.get(key, next_step=_AGAIN)
        try:
            return _type_of(output).validate_json(data, strict=True)
        except ValidationError as error:
            raise InvalidInput(f"The value at '{key}' was kept by another version of the code: {_AGAIN}.") from error


@dg.io_manager(required_resource_keys={"stores"})
def kept_values(context: dg.InitResourceContext) -> KeptValues:
    """Keep values between steps in the object store of the resource `stores`."""
    return KeptValues(context.resources.stores.objects)


def _key(output: dg.OutputContext) -> str:
    return keys.step_value(output.run_id, output.step_key, output.name, output.mapping_key)


def _type_of(output: dg.OutputContext) -> TypeAdapter[Any]:
    # Of a collected input each part is loaded alone, and it is the output that knows its type.
    declared = output.dagster_type.typing_type
    if declared is Any:
        raise InvalidInput(
            f"Output '{output.name}' of step '{output.step_key}' declares no type: annotate its op, or it comes back "
            "as something else."
        )
    return TypeAdapter(declared)
