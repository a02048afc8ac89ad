"""Components that are container images: classes made from manifests, which plans check as they check any other."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, cast

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from typing_extensions import override

from imageflow_domain.containers import ContainerAnswer, ContainerImage, ContainerRequest
from imageflow_domain.errors import ContainerFailed
from imageflow_pipelines.component import Component, Context
from imageflow_pipelines.exchange import WrongValue, from_data, from_file, is_file, to_data, to_file
from imageflow_pipelines.manifest import Manifest, parse_manifest
from imageflow_pipelines.parameter_schema import value_faults, with_defaults
from imageflow_pipelines.values import KINDS, Image, Mask, Value


class ContainerComponent(Component):
    """Base of the classes that `container_component` makes."""

    manifest: ClassVar[Manifest]
    container: ClassVar[ContainerImage]

    parameters: dict[str, Any]
    """With the defaults of the schema."""

    @classmethod
    @override
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Component:
        schema = cls.manifest.parameters
        effective = with_defaults(schema, dict(parameters))
        faults = [
            InitErrorDetails(type=PydanticCustomError("parameter", "{why}", {"why": why}), loc=path, input=None)
            for path, why in value_faults(schema, effective)
        ]
        if faults:
            raise ValidationError.from_exception_data(cls.reference(), faults)
        return cls(parameters=effective)

    @classmethod
    @override
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
        return cls.manifest.parameters

    @override
    def identity(self, context: Context) -> str:
        return self.container.image

    @override
    def compute(self, inputs: Mapping[str, Any], context: Context | None = None) -> dict[str, Value | None]:
        if context is None:
            raise TypeError(f"{self.reference()} is a container: it is computed with a context.")
        answer = context.containers.call(self.container, self._request(inputs), cancellation=context.cancellation)
        try:
            outputs = self._outputs(answer)
            self._check_sizes(inputs, outputs)
        except WrongValue as error:
            raise ContainerFailed(self.reference(), why=str(error), log=answer.log) from error
        return outputs

    def _request(self, inputs: Mapping[str, Any]) -> ContainerRequest:
        values: dict[str, Any] = {}
        files: dict[str, Any] = {}
        for name, port in self.manifest.inputs.items():
            if name not in inputs:
                continue
            into, convert = (files, to_file) if is_file(KINDS[port.kind]) else (values, to_data)
            given = inputs[name]
            into[name] = tuple(map(convert, given)) if port.many else convert(given)
        outputs = tuple(name for name, port in self.manifest.outputs.items() if is_file(KINDS[port.kind]))
        return ContainerRequest(parameters=self.parameters, values=values, files=files, outputs=outputs)

    def _outputs(self, answer: ContainerAnswer) -> dict[str, Value | None]:
        unknown = [name for name in answer.values if name not in self.manifest.outputs]
        if unknown:
            raise WrongValue(f"answered with '{unknown[0][:80]}', which is no output of its manifest")
        outputs: dict[str, Value | None] = {}
        for name, port in self.manifest.outputs.items():
            kind = KINDS[port.kind]
            given = (answer.files if is_file(kind) else answer.values).get(name)
            if given is None and not port.optional:
                raise WrongValue(f"gave nothing for the output '{name}'")
            try:
                outputs[name] = None if given is None else (from_file if is_file(kind) else from_data)(kind, given)
            except WrongValue as error:
                raise WrongValue(f"gave a wrong output '{name}': it {error}") from error
        return outputs

    def _check_sizes(self, inputs: Mapping[str, Any], outputs: Mapping[str, Value | None]) -> None:
        for name, port in self.manifest.outputs.items():
            made = outputs[name]
            source = inputs.get(port.same_size_as or "")
            if made is None or source is None:
                continue
            size, wanted = _size(cast("Image | Mask", made)), _size(source)
            if size != wanted:
                raise WrongValue(
                    f"gave an output '{name}' of {size[0]} x {size[1]} px, and the manifest promises the size of "
                    f"'{port.same_size_as}', {wanted[0]} x {wanted[1]} px"
                )


def container_component(image: str, manifest: Mapping[str, Any]) -> type[ContainerComponent]:
    """Return the component of a registered image and its manifest, which is valid."""
    return _made(image, json.dumps(manifest, sort_keys=False))


@lru_cache(maxsize=1000)
def _made(image: str, text: str) -> type[ContainerComponent]:
    manifest = parse_manifest(json.loads(text))
    known = {
        "__doc__": manifest.description,
        "__module__": __name__,
        "name": manifest.name,
        "version": manifest.version,
        "changes": manifest.changes,
        "manifest": manifest,
        "declared_ports": manifest.ports(),
        "container": ContainerImage(component=manifest.reference, image=image, limits=manifest.resources.limits),
    }
    return cast(
        "type[ContainerComponent]", type(f"Container_{manifest.name}_{manifest.version}", (ContainerComponent,), known)
    )


def _size(value: Image | Mask) -> tuple[int, int]:
    return value.width_px, value.height_px
