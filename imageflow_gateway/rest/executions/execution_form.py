"""The form (multipart/form-data) by which a client starts an execution, read to a start_request and its images."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Final

from anyio import to_thread
from fastapi import Request

from imageflow_domain.errors import InvalidInput, TooLarge
from imageflow_domain.executions import Priority
from imageflow_executions.start import StartRequest
from imageflow_gateway.capacity import FormLimits
from imageflow_gateway.parts import Part, parts

_IN_MEMORY_BYTES = 65_536

TEXTS: Final = ("pipeline", "priority", "client_id", "correlation_id")
JSON: Final = ("spec", "parameters", "pipeline_config")


@dataclass
class ExecutionForm:
    """The parts of a form so far, within limits."""

    limits: FormLimits
    texts: dict[str, str] = field(default_factory=dict)
    values: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    files: dict[str, IO[bytes]] = field(default_factory=dict)
    """The images; large ones lie on disk until the form is complete, so that a slow sender takes no memory."""

    def images(self) -> dict[str, bytes]:
        """Return the images."""
        return {name: file.read() for name, file in self.files.items()}

    def close(self) -> None:
        """Forget the images."""
        for file in self.files.values():
            file.close()

    def take(self, part: Part) -> None:
        """Take a part; raise `InvalidInput` for one that is not known, or comes twice."""
        name = part.name
        if name in self.texts or name in self.values or name in self.files:
            raise InvalidInput(f"The form has two parts '{name[:80]}': send one.")
        if part.file_name is not None and name not in (*TEXTS, *JSON):
            if len(self.files) == self.limits.images:
                raise TooLarge(f"The form has more than {self.limits.images} images: a pipeline takes fewer.")
            self.files[name] = kept_file(part)
        elif name in TEXTS:
            self.texts[name] = text_of(part, self.limits)
        elif name in JSON:
            self.values[name] = _checked(name, json_of(part, self.limits))
        else:
            known = ", ".join((*TEXTS, *JSON))
            raise InvalidInput(f"The form has a part '{name[:80]}' that is no file: fields are {known}.")

    def start_request(self, key: str | None) -> StartRequest:
        """Return what the client asks for, by the fields of this API."""
        if "pipeline_config" in self.values:
            raise InvalidInput("'pipeline_config' belongs to /api/v1/pipeline/process: send 'pipeline' or 'spec' here.")
        return self._start_request(self.texts.get("pipeline"), self.values.get("spec"), self.texts.get("priority"), key)

    def start_request_of_config(self, key: str | None) -> StartRequest:
        """Return what the client asks for by `pipeline_config`: `pipeline_id`, `parameters` and `priority`."""
        config = self.values.get("pipeline_config", {})
        unknown = [name for name in config if name not in ("pipeline_id", "parameters", "priority")]
        if unknown or not isinstance(config.get("pipeline_id"), str):
            raise InvalidInput(
                "'pipeline_config' is a JSON object of 'pipeline_id' (name or name@version), 'parameters' and "
                f"'priority'{'; unknown: ' + ', '.join(each[:80] for each in unknown) if unknown else ''}."
            )
        priority = config.get("priority")
        if priority is not None and not isinstance(priority, str):
            raise InvalidInput("'priority' is one of low, normal, high.")
        self.values.setdefault("parameters", _checked("parameters", config.get("parameters") or {}))
        return self._start_request(config["pipeline_id"], None, priority, key)

    def _start_request(
        self, pipeline: str | None, spec: Mapping[str, Any] | None, priority: str | None, key: str | None
    ) -> StartRequest:
        return StartRequest(
            pipeline=pipeline,
            spec=spec,
            parameters=self.values.get("parameters", {}),
            priority=Priority.parse(priority) if priority else Priority.NORMAL,
            client=self.texts.get("client_id", ""),
            correlation=self.texts.get("correlation_id", ""),
            key=key,
            protocol="rest",
        )


@asynccontextmanager
async def read_form(
    request: Request, limits: FormLimits, *, most_bytes: int, scratch: Path
) -> AsyncIterator[ExecutionForm]:
    """Give the form of a request; raise as `parts` does, and as `ExecutionForm.take` does."""
    form = ExecutionForm(limits)
    try:
        async for part in parts(request, most_bytes=most_bytes, scratch=scratch):
            await to_thread.run_sync(form.take, part)
        yield form
    finally:
        form.close()


def kept_file(part: Part) -> IO[bytes]:
    """Return a part's file, which stays when the part is closed."""
    if part.size <= _IN_MEMORY_BYTES:
        return BytesIO(part.file.read())
    kept = os.fdopen(os.dup(part.file.fileno()), "rb")
    kept.seek(0)
    return kept


def text_of(part: Part, limits: FormLimits) -> str:
    """Return a part as text; raise `InvalidInput` for one that is none, `TooLarge` for one that is too long."""
    if part.size > limits.field_bytes:
        raise TooLarge(f"'{part.name}' has {part.size:,} bytes, more than {limits.field_bytes:,}.")
    try:
        return part.file.read().decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"'{part.name}' is not text in UTF-8.") from error


def json_of(part: Part, limits: FormLimits) -> Any:
    """Return the value of a part that is JSON; raise `InvalidInput` for anything else."""
    try:
        return json.loads(text_of(part, limits))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"'{part.name}' is no JSON: {error}.") from error


def _checked(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput(f"'{name}' is no JSON object.")
    return value
