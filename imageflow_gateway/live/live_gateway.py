"""What the routes of one app share that push events."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from imageflow_gateway.gateway import Gateway
from imageflow_gateway.live.followed_executions import FollowedExecutions
from imageflow_gateway.live.watching import Watching


@dataclass(frozen=True, kw_only=True)
class LiveGateway(Gateway):
    """A gateway with what pushes events."""

    watching: Watching
    following: FollowedExecutions


async def _gateway(request: Request) -> LiveGateway:
    gateway: LiveGateway = request.app.state.gateway
    return gateway


LiveGatewayDep = Annotated[LiveGateway, Depends(_gateway)]
