"""Which protocol a client should use."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from imageflow_executions.protocols import Choice, Use, recommend, table
from imageflow_gateway.gateway import GatewayDep

PREFIX: Final = "/api/v1/protocols"

router = APIRouter(tags=["executions"])


class ProtocolChoice(BaseModel):
    """Which protocol suits a use."""

    use: Use
    protocol: str = Field(examples=["grpc"])
    reason: str
    is_served: bool
    """Whether this deployment serves it to clients."""
    instead: str = Field(examples=["rest"])
    """What to use here: the protocol itself where it is served."""

    @classmethod
    def of(cls, choice: Choice) -> "ProtocolChoice":
        """Return a row of the table."""
        return cls(
            use=choice.use,
            protocol=choice.protocol,
            reason=choice.reason,
            is_served=choice.is_served,
            instead=choice.instead,
        )


class Protocols(BaseModel):
    """What a client should use, and why."""

    recommended: str = Field(examples=["grpc"])
    """Served by this deployment."""
    reason: str
    grpc_address: str | None = Field(examples=["127.0.0.1:50051"])
    """Host and port of the engine's service; `null` where there is none."""
    table: list[ProtocolChoice]


@router.get(PREFIX, summary="The protocol for a client")
async def choose_protocol(
    gateway: GatewayDep,
    client: Annotated[Use, Query(description="What the client is.")] = Use.REALTIME,
    size: Annotated[int, Query(ge=0, description="Bytes of one image.")] = 0,
) -> Protocols:
    """What to send images by, with the whole table."""
    address = gateway.settings.reachable_grpc
    has_grpc = address is not None
    chosen = recommend(client, size, has_grpc=has_grpc)
    return Protocols(
        recommended=chosen.instead,
        reason=chosen.reason,
        grpc_address=address,
        table=[ProtocolChoice.of(each) for each in table(has_grpc=has_grpc)],
    )
