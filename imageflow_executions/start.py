"""Start an execution: everything is checked and stored before it is accepted."""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from imageflow_catalog.components import known_components
from imageflow_catalog.pipelines import look_up_with_components
from imageflow_clients.database.executions import rows, starts
from imageflow_clients.database.executions.rows import Acceptance
from imageflow_clients.database.executions.starts import RequestKey
from imageflow_clients.stores import Stores
from imageflow_domain.access import Principal
from imageflow_domain.errors import Conflict, InvalidInput, NotReady, Overloaded, TooLarge
from imageflow_domain.executions import ExecutionRecord, ExecutionRequest, Priority, Runner, new_id
from imageflow_domain.idempotency import check_key
from imageflow_domain.texts import check_text
from imageflow_executions.estimate import estimate_s
from imageflow_executions.image_objects import put_input, read_inputs
from imageflow_executions.parameters import Given
from imageflow_executions.plans import RequestedPlan, published_plan, requested_plan
from imageflow_pipelines.canonical import canonical_json
from imageflow_pipelines.limits import MAX_ENCODED_BYTES
from imageflow_pipelines.plan import Plan

MOST_WAITING = 10_000
"""Executions that may wait for an engine at once; more are refused."""

_NAME_CHARS = 200


@dataclass(frozen=True, kw_only=True)
class StartRequest:
    """What a client asks for, as it spelled it."""

    pipeline: str | None = None
    """`name` or `name@version` of a published pipeline."""
    spec: Mapping[str, Any] | None = None
    """A whole spec, in place of a published pipeline."""
    parameters: Given = field(default_factory=dict)
    priority: Priority = Priority.NORMAL
    client: str = ""
    correlation: str = ""
    key: str | None = None
    """Idempotency key: the same start_request with the same key is the same execution."""
    protocol: str


class Place(Protocol):
    """A place for one execution in an engine of this process."""

    @property
    def engine(self) -> str:
        """The engine's name, as leases have it."""

    def begin(self, record: ExecutionRecord, sources: Mapping[str, bytes]) -> None:
        """Begin an execution that was just accepted, and that the engine has the lease of."""


def start_execution(
    stores: Stores,
    start_request: StartRequest,
    images: Mapping[str, bytes],
    principal: Principal,
    execution: uuid.UUID | None = None,
    place: Place | None = None,
) -> ExecutionRecord:
    """Accept an execution: it waits for an engine, or for a run of Dagster, from now on.

    Args:
        stores: Where rows and objects go.
        start_request: What the client asks for.
        images: Encoded, by input of the pipeline. A single one under any name is the only input of a pipeline with one.
        principal: On whose behalf.
        execution: The id to use; a new one by default.
        place: Where the execution begins at once, unless others wait for an engine.

    Raises:
        InvalidPipeline: For a spec or parameters that cannot run, with the path of each fault.
        InvalidInput: For wrong images or texts.
        TooLarge: For an image of more than 64 MiB.
        NotFound: For a pipeline that is not published.
        Conflict: Where the key was used for another start_request.
        Overloaded: Where as many wait as may.
    """
    asked = _checked(start_request)
    known = _look_up(stores, asked, principal)
    sources = _named(known.wanted.plan, images)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sources.items()}
    digest = _digest(asked, digests)
    accepted = known.accepted
    if accepted.earlier is not None:
        return _attached(stores, asked, accepted.earlier, digest)
    if accepted.waiting >= MOST_WAITING:
        raise Overloaded(f"{MOST_WAITING:,} executions wait already: send this one again later.")
    own = execution or new_id()
    inputs = {name: put_input(stores, own, name, data, digests[name]) for name, data in sources.items()}
    request = _request(asked, known.wanted, principal)
    at_once = None if accepted.waiting or request.runner is not Runner.ENGINE else place
    with stores.database.begin() as connection:
        started = starts.add(
            connection,
            own,
            request,
            inputs,
            estimate_s=estimate_s(accepted.recent_seconds, sum(each.size for each in inputs.values())),
            engine=None if at_once is None else at_once.engine,
            key=None if asked.key is None else RequestKey(key=asked.key, digest=digest),
        )
    if started is not None:
        if at_once is not None:
            at_once.begin(started, sources)
        return started
    # Another call with the key was faster: its execution is the answer, and these inputs are not needed.
    stores.objects.delete_many(each.key for each in inputs.values())
    with stores.database.begin() as connection:
        earlier = rows.keyed(connection, principal.name, str(asked.key))
    if earlier is None:
        raise Conflict(f"The execution of the key '{asked.key}' was deleted: send the request with another key.")
    return _attached(stores, asked, earlier, digest)


def repeat_execution(stores: Stores, execution: uuid.UUID, principal: Principal, *, protocol: str) -> ExecutionRecord:
    """Start a new execution of the same pipeline version, parameters and inputs as one that has ended.

    Raises:
        NotFound: There is no such execution; `ObjectMissing` where an input is gone.
        NotReady: It has not ended.
        Overloaded: Where as many wait as may.
    """
    with stores.database.begin() as connection:
        former = rows.get(connection, execution)
    if former.frames is not None:
        raise InvalidInput(f"Execution {execution} is a camera stream, whose frames are not kept: start another one.")
    if not former.state.is_end:
        raise NotReady(f"Execution {execution} is {former.state}: wait for its end, or cancel it.")
    spec = former.request.spec
    return start_execution(
        stores,
        StartRequest(
            pipeline=former.request.pipeline if spec is None else None,
            spec=spec,
            parameters=former.request.parameters,
            priority=former.request.priority,
            client=former.request.client,
            correlation=former.request.correlation,
            protocol=protocol,
        ),
        read_inputs(stores, former),
        principal,
    )


def prepare_request(stores: Stores, start_request: StartRequest, principal: Principal) -> tuple[Plan, ExecutionRequest]:
    """Return the plan of what a client asks for, and what is kept of it; raises as `start_execution` does."""
    asked = _checked(start_request)
    wanted = _look_up(stores, asked, principal).wanted
    return wanted.plan, _request(asked, wanted, principal)


def _request(asked: StartRequest, wanted: RequestedPlan, principal: Principal) -> ExecutionRequest:
    spec = wanted.plan.spec
    return ExecutionRequest(
        pipeline=f"{spec.pipeline}@{spec.version}",
        spec=None if asked.spec is None else spec.to_data(),
        parameters=wanted.parameters,
        priority=asked.priority,
        principal=principal.name,
        client=asked.client,
        correlation=asked.correlation,
        protocol=asked.protocol,
        runner=wanted.runner,
    )


def _checked(start_request: StartRequest) -> StartRequest:
    if (start_request.pipeline is None) == (start_request.spec is None):
        raise InvalidInput("Name a published pipeline, or send a spec: one of the two.")
    check_text(start_request.client, "The client's name", most=_NAME_CHARS)
    check_text(start_request.correlation, "The correlation id", most=_NAME_CHARS)
    if start_request.key is not None:
        check_key(start_request.key)
    return replace(start_request, parameters=dict(start_request.parameters))


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What the database knows of a request before it is accepted, in one transaction."""

    wanted: RequestedPlan
    accepted: Acceptance


def _look_up(stores: Stores, asked: StartRequest, principal: Principal) -> _Known:
    with stores.database.begin() as connection:
        if asked.pipeline is not None:
            published, known = look_up_with_components(connection, asked.pipeline)
            reference, wanted = published.reference, published_plan(published, asked.parameters, known)
        else:
            registry = known_components(connection).registry
            reference, wanted = None, requested_plan(asked.spec or {}, asked.parameters, registry)
        accepted = rows.acceptance(connection, reference, principal.name, asked.key, most_waiting=MOST_WAITING)
        return _Known(wanted=wanted, accepted=accepted)


def _named(wanted: Plan, images: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Return the images by the inputs of the pipeline."""
    inputs = wanted.spec.inputs
    if len(inputs) == 1 and len(images) == 1:
        images = {inputs[0]: next(iter(images.values()))}
    if set(images) != set(inputs):
        given = ", ".join(each[:80] for each in images) or "none"
        raise InvalidInput(f"The pipeline takes the images {', '.join(inputs)}; sent were {given}.")
    for name, data in images.items():
        if len(data) > MAX_ENCODED_BYTES:
            raise TooLarge(f"'{name}' has {len(data):,} bytes, more than {MAX_ENCODED_BYTES:,}: make it smaller.")
        if not data:
            raise InvalidInput(f"'{name}' is empty (0 bytes): send an image.")
    return images


def _digest(start_request: StartRequest, images: Mapping[str, str]) -> str:
    """Return what tells a start_request from another under the same key.

    Args:
        start_request: What the client asks for.
        images: The SHA-256 of each.
    """
    said = [
        start_request.pipeline,
        start_request.spec,
        start_request.parameters,
        int(start_request.priority),
        start_request.client,
        start_request.correlation,
    ]
    return hashlib.sha256(canonical_json([*said, dict(images)])).hexdigest()


def _attached(stores: Stores, asked: StartRequest, earlier: tuple[uuid.UUID, str], digest: str) -> ExecutionRecord:
    """Return the execution that a key was used for; raise `Conflict` where that was another start_request."""
    execution, its_digest = earlier
    if its_digest != digest:
        raise Conflict(
            f"The key '{asked.key}' was used for execution {execution}, which asked for something else: use another "
            "key."
        )
    with stores.database.begin() as connection:
        return rows.get(connection, execution)
