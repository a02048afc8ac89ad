"""Dagster's code server: its address, and whether the child that holds the code is still there.

`dagster code-server` starts a child with the code, and a new one for each "Reload definitions". Only the stack
replaces a child that was killed.
"""

import secrets
from pathlib import Path

import grpc
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._grpc.client import DagsterGrpcClient
from dagster._serdes import deserialize_value
from dagster_shared.error import SerializableErrorInfo

from imageflow_clients.dagster import LOCATION

_ANSWER_S = 5


class CodeServer:
    """One code location, served under an address that stays: a link to a socket of this stack alone.

    A code server that outlives its killed stack ends once its last call has, up to two minutes later, and removes its
    socket then. Under a name that both had, it would take away the one of the stack that was started since.
    """

    def __init__(self, home: Path) -> None:
        """Name the sockets in a folder; nothing is made there before `take_address`."""
        self.address = home / "code.sock"
        self._own = home / f"code-{secrets.token_hex(4)}.sock"

    @property
    def arguments(self) -> tuple[str, ...]:
        """Arguments with which `dagster` runs the server, which listens on the socket that `address` leads to."""
        location = ("-m", "imageflow_assets.definitions", "-a", "defs", "--location-name", LOCATION)
        # not `dagster api grpc`, which never loads changed code
        return ("code-server", "start", *location, "--socket", str(self._own))

    @property
    def is_ready(self) -> bool:
        """Whether its first child was started."""
        return self._own.exists()

    def take_address(self) -> None:
        """Let the address lead to this stack's socket, and remove what ended code servers left."""
        for left in self._own.parent.glob("code*.sock"):
            left.unlink(missing_ok=True)
        self.address.symlink_to(self._own.name)

    def load_error(self) -> str | None:
        """Return why the code of a server that is ready does not load, with the traceback; `None` where it does."""
        answer = deserialize_value(self._client().list_repositories())
        return answer.to_string() if isinstance(answer, SerializableErrorInfo) else None

    def has_lost_its_child(self) -> bool:
        """Whether the server answers, and says that it reaches no child; one that is busy has not lost it."""
        # twice: a reload may have ended the first child meanwhile
        return all(self._reaches_no_child() for _ in range(2))

    def _reaches_no_child(self) -> bool:
        try:
            self._client().get_server_id(timeout=_ANSWER_S)
        except DagsterUserCodeUnreachableError as error:
            cause = error.__cause__
            # raised by the server; its silence, or its absence, has another code
            return isinstance(cause, grpc.RpcError) and cause.code() is grpc.StatusCode.UNKNOWN
        return False

    def _client(self) -> DagsterGrpcClient:
        return DagsterGrpcClient(socket=str(self._own))
