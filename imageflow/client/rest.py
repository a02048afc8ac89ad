"""Executions over REST and server-sent events."""

import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from imageflow.client.failures import failure
from imageflow.client.preview_request import PreviewRequest
from imageflow.client.request import StartRequest
from imageflow.client.values import (
    Change,
    Execution,
    Frames,
    LogLine,
    LogLines,
    Output,
    PreviewOutput,
    Problem,
    SamplePreview,
    Step,
)
from imageflow_domain import errors
from imageflow_domain.executions import ExecutionState
from imageflow_domain.resource_use import ResourceUse

_EXECUTIONS = "/api/v1/executions"
_PREVIEWS = "/api/v1/previews"
_CONNECTIONS = 10
_LINES = 1_000
"""Of a log, in one answer."""

_OF_STATUS: Mapping[int, type[errors.ImageFlowError]] = {
    404: errors.NotFound,
    429: errors.TooManyRequests,
    502: errors.BadGateway,
    503: errors.Unavailable,
    504: errors.Timeout,
}


class Rest:
    """A gateway.

    Args:
        url: Its address, such as http://127.0.0.1:8080.
    """

    def __init__(self, url: str) -> None:
        self.name = url
        limits = httpx.Limits(max_keepalive_connections=_CONNECTIONS, keepalive_expiry=30)
        self._client = httpx.AsyncClient(base_url=url, limits=limits)

    async def start(self, request: StartRequest, *, wait_s: float, timeout_s: float) -> Execution:
        """Start an execution."""
        fields: dict[str, Any] = {
            "priority": request.priority.name.lower(),
            "client_id": request.client_id,
            "correlation_id": request.correlation,
            "parameters": json.dumps(dict(request.parameters)),
        }
        if request.pipeline is not None:
            fields["pipeline"] = request.pipeline
        if request.spec is not None:
            fields["spec"] = json.dumps(request.spec)
        files = {name: (name, data, "application/octet-stream") for name, data in request.images.items()}
        answer = await self._ask(
            "POST",
            _EXECUTIONS,
            timeout_s,
            params={"wait": f"{wait_s:.3f}"} if wait_s > 0 else None,
            headers={"idempotency-key": request.execution_key},
            data=fields,
            files=files,
        )
        return _execution(answer.json())

    async def get(self, execution: UUID, *, timeout_s: float) -> Execution:
        """Return an execution."""
        return _execution((await self._ask("GET", f"{_EXECUTIONS}/{execution}", timeout_s)).json())

    async def cancel(self, execution: UUID, *, timeout_s: float) -> Execution:
        """Cancel an execution."""
        return _execution((await self._ask("POST", f"{_EXECUTIONS}/{execution}/cancel", timeout_s)).json())

    async def read(self, execution: UUID, output: str, *, timeout_s: float) -> bytes:
        """Return the bytes of an output."""
        address = f"{_EXECUTIONS}/{execution}/outputs/{quote(output, safe='')}"
        return (await self._ask("GET", address, timeout_s)).content

    async def watch(self, execution: UUID, after: str, *, timeout_s: float) -> AsyncGenerator[Change]:
        """Yield changes."""
        async with aclosing(self._events(f"{_EXECUTIONS}/{execution}/events", after, timeout_s)) as events:
            async for event in events:
                yield _change(event["id"], event["event"], json.loads(event["data"]))

    async def read_log(
        self, execution: UUID, after: str, *, follow: bool, timeout_s: float
    ) -> AsyncGenerator[LogLines]:
        """Yield lines."""
        address = f"{_EXECUTIONS}/{execution}/logs"
        if follow:
            async with aclosing(self._events(f"{address}/events", after, timeout_s)) as events:
                async for event in events:
                    yield LogLines(lines=(_log_line(json.loads(event["data"])),), is_end=False)
        has_more = not follow
        while has_more:
            params = {"limit": _LINES} | ({"after": after} if after else {})
            page = (await self._ask("GET", address, timeout_s, params=params)).json()
            yield LogLines(lines=[_log_line(each) for each in page["lines"]], is_end=page["is_end"])
            after, has_more = page["next"] or after, page["next"] is not None

    async def _events(self, address: str, after: str, timeout_s: float) -> AsyncGenerator[dict[str, str]]:
        """Yield server-sent events."""
        headers = {"last-event-id": after} if after else {}
        # The connection is never silent for long: the gateway sends comments.
        timeout = httpx.Timeout(timeout_s, read=min(timeout_s, 30))
        async with (
            _failures(self.name),
            self._client.stream("GET", address, headers=headers, timeout=timeout) as answer,
        ):
            if answer.is_error:
                await answer.aread()
                raise _error(answer)
            event: dict[str, str] = {}
            async for line in answer.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    event[name] = value
                elif "data" in event:
                    yield event
                    event = {}
                else:
                    event = {}

    async def preview(self, request: PreviewRequest, *, timeout_s: float) -> Sequence[SamplePreview]:
        """Return what a step gives; images that the server does not keep are sent with a second request."""
        fields = {
            "session": request.session,
            "spec": json.dumps(request.spec),
            "step": request.step,
            "samples": json.dumps(
                [{name: image.sha256 for name, image in sample.items()} for sample in request.samples]
            ),
            "longest_side_px": str(request.longest_side_px),
        }
        named: list[tuple[str, Any]] = [(name, (None, value)) for name, value in fields.items()]
        images = [("image", ("image", data, "application/octet-stream")) for data in request.images()]
        try:
            answer = await self._ask("POST", _PREVIEWS, timeout_s, files=named)
        except errors.SampleForgotten:
            if not images:
                raise
            answer = await self._ask("POST", _PREVIEWS, timeout_s, files=[*named, *images])
        return [_preview(each) for each in answer.json()["samples"]]

    async def protocols(self, *, size: int, timeout_s: float) -> Mapping[str, Any]:
        """Return what the server recommends for an image of a size."""
        answer = await self._ask("GET", "/api/v1/protocols", timeout_s, params={"size": size, "client": "realtime"})
        return dict(answer.json())

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _ask(self, method: str, address: str, timeout_s: float, **options: Any) -> httpx.Response:
        async with _failures(self.name):
            answer = await self._client.request(method, address, timeout=timeout_s, **options)
        if answer.is_error:
            raise _error(answer)
        return answer


@asynccontextmanager
async def _failures(name: str) -> AsyncIterator[None]:
    try:
        yield
    except httpx.TimeoutException as error:
        raise errors.Timeout(f"{name} did not answer in time: see whether it runs.") from error
    except httpx.TransportError as error:
        raise errors.Unavailable(f"{name} cannot be reached ({error}): see whether it runs.") from error


def _error(answer: httpx.Response) -> errors.ImageFlowError:
    otherwise = _OF_STATUS.get(answer.status_code, errors.ImageFlowError)
    try:
        facts = answer.json()["error"]
        return failure(facts["code"], facts["message"], otherwise=otherwise)
    except (ValueError, KeyError, TypeError):  # of a proxy on the way
        return otherwise(f"{answer.url} answered {answer.status_code} {answer.reason_phrase}.")


def _execution(data: Mapping[str, Any]) -> Execution:
    estimated = data["estimated_completion_time"]
    return Execution(
        id=UUID(data["execution_id"]),
        state=ExecutionState(data["status"]),
        pipeline=data["pipeline"],
        correlation_id=data["correlation_id"],
        attempt=data["attempt"],
        outputs={name: stored and _output(name, stored) for name, stored in data["outputs"].items()},
        steps=[_step(each) for each in data["steps"]],
        error=_problem(data["error"]),
        estimated_end_at=estimated and datetime.fromisoformat(estimated),
        frames=data["frames"] and Frames(**data["frames"]),
    )


def _output(name: str, stored: Mapping[str, Any]) -> Output:
    return Output(
        name=name,
        sha256=stored["sha256"],
        size=stored["size"],
        media_type=stored["media_type"],
        kind=stored["kind"],
    )


def _preview(data: Mapping[str, Any]) -> SamplePreview:
    return SamplePreview(
        outputs={name: output and _preview_output(name, output) for name, output in data["outputs"].items()},
        steps=[_step(each) for each in data["steps"]],
        seconds=data["seconds"],
        error=_problem(data["error"]),
    )


def _preview_output(name: str, data: Mapping[str, Any]) -> PreviewOutput:
    return PreviewOutput(
        name=name,
        kind=data["kind"],
        media_type=data["media_type"],
        sha256=data["sha256"],
        data=base64.b64decode(data["data"]),
        width_px=data["width_px"] or 0,
        height_px=data["height_px"] or 0,
    )


def _step(data: Mapping[str, Any]) -> Step:
    tries = data.get("tries", 1)
    if isinstance(tries, int):  # an event
        count, error = tries, data.get("error") or ""
    else:
        count, error = len(tries), next((each["error"] for each in reversed(tries) if each["error"]), "")
    return Step(
        step=data["step"],
        status=data["status"],
        seconds=data["seconds"],
        tries=count,
        error=error,
        resources=ResourceUse.of(data.get("resources", {})),
    )


def _log_line(data: Mapping[str, Any]) -> LogLine:
    return LogLine(
        cursor=data["cursor"],
        step=data["step"] or "",
        at=datetime.fromisoformat(data["at"]),
        level=data["level"],
        text=data["text"],
    )


def _problem(data: Mapping[str, Any] | None) -> Problem | None:
    return None if data is None else Problem(code=data["code"], message=data["message"], step=data["step"] or "")


def _change(cursor: str, kind: str, data: Mapping[str, Any]) -> Change:
    if kind == "step":
        return Change(cursor=cursor, steps=(_step(data),), attempt=data["attempt"])
    return Change(
        cursor=cursor,
        state=ExecutionState(data["state"]),
        steps=tuple(_step(each) for each in data.get("steps", ())),
        attempt=data["attempt"],
        is_snapshot=kind == "snapshot",
        error=_problem(data.get("error")),
    )
