"""Whether the gateway lives, and whether it can work."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from imageflow_edge.readiness import readiness
from imageflow_gateway.errors import ErrorBody, error_response
from imageflow_gateway.gateway import GatewayDep

router = APIRouter(prefix="/health", tags=["health"])


class Health(BaseModel):
    """The gateway answers."""

    status: Literal["ok"] = "ok"


@router.get("", summary="The gateway lives")
async def read_health() -> Health:
    """Answers without any other service."""
    return Health()


@router.get("/ready", summary="The gateway can work", response_model=Health, responses={503: {"model": ErrorBody}})
async def read_readiness(gateway: GatewayDep) -> object:
    """The database and the object store answer; else 503, with what each says in `details`."""
    found = await gateway.use(readiness)()
    if found.database is None and found.store is None:
        return Health()
    said = {"database": found.database or "ok", "store": found.store or "ok"}
    problems = " ".join(problem for problem in (found.database, found.store) if problem)
    return error_response(503, "NOT_READY_TO_WORK", problems, details=said, headers={"retry-after": "5"})
