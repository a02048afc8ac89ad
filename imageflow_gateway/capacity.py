"""How much one gateway does at once, and how much each client may ask of it. `create_app` takes other limits."""

from dataclasses import dataclass, field
from functools import partial

from anyio import CapacityLimiter


@dataclass(frozen=True, kw_only=True)
class FormLimits:
    """What a form that starts an execution or asks for a preview may hold, besides the size of each part."""

    images: int = 16
    """Of an execution, or of one sample of a preview."""
    field_bytes: int = 4_000_000
    """Of a part that is no file: a spec, parameters."""


@dataclass(frozen=True, kw_only=True)
class SocketLimits:
    """What the client of one WebSocket may do, and how often the gateway sends and checks."""

    followed: int = 100
    """Executions, and logs of executions, that are followed at once."""
    messages_a_minute: int = 100
    """Control messages; frames of images are not counted."""
    text_bytes: int = 4_000_000
    """Of a control message."""
    stream_frame_bytes: int = 4_000_000
    """Of a frame of a camera stream, which an engine takes in one message of gRPC."""
    waiting_frames: int = 2
    """Frames of a camera stream that wait to be sent to the engine, which itself keeps only the newest one."""
    frame_within_s: float = 30.0
    """How long announced images may not arrive: they hold a place."""
    idle_s: float = 300.0
    """How long a connection may follow nothing and send nothing."""
    read_within_s: float = 30.0
    """How long a client may not read a message."""
    beat_s: float = 30.0
    """How often progress is sent without a change: proxies end quiet connections, and a lost client is noticed."""
    check_s: float = 5.0
    """How often `frame_within_s` and `idle_s` are checked."""


@dataclass(kw_only=True)
class Capacity:
    """The limits of one process. Where nothing else is stated, what comes beyond a limit waits for its turn."""

    uploads: CapacityLimiter = field(default_factory=partial(CapacityLimiter, 4))
    """Files that are in memory, on threads of their own: a slow store must not keep tiles waiting."""
    batch_images: CapacityLimiter = field(default_factory=partial(CapacityLimiter, 4))
    """Images of batches that are in memory, on threads of their own."""
    execution_images: CapacityLimiter = field(default_factory=partial(CapacityLimiter, 8))
    """Requests whose images are in memory, on threads of their own."""
    previews: CapacityLimiter = field(default_factory=partial(CapacityLimiter, 8))
    """Previews whose images are in memory."""
    execution_followers: CapacityLimiter = field(default_factory=partial(CapacityLimiter, 1000))
    """Requests that wait for the end of an execution, and clients that follow one; more are refused."""
    sockets: CapacityLimiter = field(default_factory=partial(CapacityLimiter, 1000))
    """WebSockets of executions, each of which may have a frame in memory; more are refused."""
    socket_followers: CapacityLimiter = field(default_factory=partial(CapacityLimiter, 2000))
    """Executions that WebSockets follow, with no place for other clients among them; more are refused."""
    comparisons: CapacityLimiter = field(default_factory=partial(CapacityLimiter, 1))
    """Comparisons of surveys: each keeps two cores busy for seconds."""
    animations: CapacityLimiter = field(default_factory=partial(CapacityLimiter, 1))
    """Animations: each holds a hundred megabytes for seconds."""
    artefacts: CapacityLimiter = field(default_factory=partial(CapacityLimiter, 1))
    """Images whose pipeline steps are done: each may take a core and two gigabytes."""
    models: CapacityLimiter = field(default_factory=partial(CapacityLimiter, 1))
    """Models that are tried: each may take all cores and four gigabytes."""
    progress_reads: CapacityLimiter = field(default_factory=partial(CapacityLimiter, 4))
    """Surveys whose progress is read from the database."""
    watchers: int = 1000
    """Clients that watch surveys; more are refused."""
    short_connections: int = 1000
    """Connections besides those that stay open; Granian lets more wait."""
    body_bytes: int = 1_000_000
    """Of a request that is no upload; larger ones are refused."""
    forms: FormLimits = FormLimits()
    socket: SocketLimits = SocketLimits()

    @property
    def long_connections(self) -> int:
        """Connections that may stay open for hours."""
        return self.watchers + int(self.execution_followers.total_tokens) + int(self.sockets.total_tokens)

    @property
    def connections(self) -> int:
        """Connections in all."""
        return self.long_connections + self.short_connections
