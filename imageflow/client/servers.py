"""Which server, by which protocol, a call goes to: the gateway by REST, or an engine by gRPC."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit

from imageflow.client.breaker import Breaker
from imageflow.client.request import StartRequest
from imageflow.client.resilience import Deadline, Resilience
from imageflow.client.rest import Rest
from imageflow.client.transport import Transport
from imageflow.client.values import Protocol
from imageflow_domain.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from imageflow.client.rpc import Rpc

AnyTransport = TypeVar("AnyTransport", bound=Transport, covariant=True)


class Server(Generic[AnyTransport]):
    """One protocol of a server, with its breaker."""

    def __init__(self, transport: AnyTransport) -> None:
        self.transport = transport
        self.resilience = Resilience(Breaker(transport.name))


class Servers:
    """The servers of one client, connected on first use. Arguments and errors are those of `AsyncClient`."""

    def __init__(self, server: str, protocol: Protocol | str, grpc_address: str | None) -> None:
        scheme, address = _parsed(server)
        is_engine = scheme.startswith("grpc")
        try:
            self._protocol = Protocol.GRPC if is_engine else Protocol(protocol)
        except ValueError:
            known = ", ".join(Protocol)
            raise InvalidInput(f"'{protocol}' is no protocol: it is one of {known}.") from None
        if is_engine and protocol == Protocol.REST:
            raise InvalidInput(f"'{server}' is an engine, which has no REST: name the gateway, as http://host:8080.")
        self.rest = None if is_engine else Server(Rest(server))
        """The gateway; `None` where an engine alone was named."""
        self._is_secure = scheme in ("grpcs", "https")
        self._grpc_address = address if is_engine else grpc_address
        self._grpc: Server[Rpc] | None = None
        self._recommended: dict[int, Protocol] = {}
        """By the order of magnitude of an image's size."""

    async def close(self) -> None:
        """Close all connections."""
        for server in (self.rest, self._grpc):
            if server is not None:
                await server.transport.close()

    async def reader(self, deadline: Deadline) -> Server[Transport]:
        """Return where executions are asked for: their id is known to each gateway and engine."""
        if self.rest is not None and self._protocol is not Protocol.GRPC:
            return self.rest
        return await self.grpc(deadline)

    async def starter(self, request: StartRequest, deadline: Deadline) -> Server[Transport]:
        """Return where an execution is started."""
        match self._protocol:
            case Protocol.REST:
                return self._known_rest()
            case Protocol.GRPC:
                return await self.grpc(deadline)
            case _:
                return await self._recommended_for(request, deadline)

    def fallback_of(self, starter: Server[Transport]) -> Server[Transport] | None:
        """Return where an execution is started instead, if a starter does not answer and was not asked for."""
        return self.rest if self._protocol is Protocol.AUTO and starter is not self.rest else None

    async def grpc(self, deadline: Deadline) -> "Server[Rpc]":
        """Return the engine; raise `Unavailable` where the deployment serves no gRPC."""
        if self._grpc is None:
            address = self._grpc_address or (await self._protocols(0, deadline))["grpc_address"]
            if address is None:
                raise Unavailable("This deployment serves no gRPC: use REST, or set IMAGEFLOW_ENGINE_GRPC_PORT there.")
            if self._grpc is None:  # another call may have been faster
                from imageflow.client.rpc import Rpc

                self._grpc = Server(Rpc(address, is_secure=self._is_secure))
        return self._grpc

    async def _recommended_for(self, request: StartRequest, deadline: Deadline) -> Server[Transport]:
        if not request.fits_one_message and (request.spec is not None or len(request.images) > 1):
            return self._known_rest()
        magnitude = request.size.bit_length()
        if magnitude not in self._recommended:
            found = await self._protocols(request.size, deadline)
            self._recommended[magnitude] = Protocol(found["recommended"])
        is_grpc = self._recommended[magnitude] is Protocol.GRPC
        return await self.grpc(deadline) if is_grpc else self._known_rest()

    async def _protocols(self, size: int, deadline: Deadline) -> Mapping[str, Any]:
        server = self._known_rest()
        return await server.resilience.call(
            lambda limit_s: server.transport.protocols(size=size, timeout_s=limit_s), deadline
        )

    def _known_rest(self) -> Server[Rest]:
        assert self.rest is not None  # noqa: S101 - only an engine's client has none, and uses gRPC alone
        return self.rest


def _parsed(server: str) -> tuple[str, str]:
    parts = urlsplit(server)
    if parts.scheme not in ("http", "https", "grpc", "grpcs") or not parts.netloc or parts.path not in ("", "/"):
        raise InvalidInput(
            f"'{server[:80]}' is no server: name one as http://127.0.0.1:8080, or an engine as grpc://127.0.0.1:50051."
        )
    return parts.scheme, parts.netloc
