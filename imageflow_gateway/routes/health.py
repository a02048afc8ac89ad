"""Whether the gateway lives, and whether it can work."""

import asyncio
from collections.abc import Callable

from fastapi import APIRouter

from imageflow_clients.stores import Stores
from imageflow_domain.errors import ImageFlowError
from imageflow_gateway.addresses import GatewayDep
from imageflow_gateway.errors import ErrorBody, error_response
from imageflow_gateway.schemas.health import Health

router = APIRouter(prefix="/health", tags=["health"])

_PATIENCE_S = 5.0


@router.get("", summary="The gateway lives")
async def read_health() -> Health:
    """Asks nothing of anybody else."""
    return Health()


@router.get("/ready", summary="The gateway can work", response_model=Health, responses={503: {"model": ErrorBody}})
async def read_readiness(gateway: GatewayDep) -> object:
    """The database and the object store answer; else 503, with what each says in `details`."""
    database, store = await asyncio.gather(
        _problem(gateway.stores, _ask_database), _problem(gateway.stores, _ask_store)
    )
    if database is None and store is None:
        return Health()
    said = {"database": database or "ok", "store": store or "ok"}
    problems = " ".join(problem for problem in (database, store) if problem)
    return error_response(503, "NOT_READY_TO_WORK", problems, details=said, headers={"retry-after": "5"})


async def _problem(stores: Stores, ask: Callable[[Stores], None]) -> str | None:
    """Return what a store complains of; `None` where it answers."""
    try:
        await asyncio.wait_for(asyncio.to_thread(ask, stores), _PATIENCE_S)
    except ImageFlowError as error:
        return str(error)
    except TimeoutError:
        return f"It did not answer within {_PATIENCE_S:.0f} s: look at the gateway's log, then ask again."
    return None


def _ask_database(stores: Stores) -> None:
    with stores.database.begin():
        pass  # a connection is pinged as it is taken


def _ask_store(stores: Stores) -> None:
    stores.objects.check()
