"""How much of each kind of call one engine serves at once."""

from anyio import CapacityLimiter


class Capacity:
    """The limits of one process."""

    def __init__(self) -> None:
        self.calls = 256
        """Calls; a message of each may be in memory. More are refused."""
        self.images = CapacityLimiter(8)
        """Images that are in memory, on threads of their own."""
        self.reads = CapacityLimiter(4)
        """Reads from the database, on threads of their own."""
        self.outputs = CapacityLimiter(8)
        """Clients that read an output, whose bytes are in memory meanwhile."""
        self.watchers = CapacityLimiter(200)
        """Clients that follow an execution; more are refused."""
        self.camera_streams = CapacityLimiter(8)
        """Camera streams; more are refused."""
        self.executed_of_a_stream = 8
        """Images of one stream that are executed at once: its client is not read from before one of them has ended."""
        self.incomplete_of_a_stream = 16
        """Images of one stream of which some chunks are missing; more are refused."""
        self.images_of_a_stream = 10_000
        """Images that one stream may send in all."""
