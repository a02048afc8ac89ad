"""How much of each kind of work one gateway does at once: what comes beyond waits for its turn."""

from anyio import CapacityLimiter


class Capacity:
    """The limits of one process."""

    def __init__(self) -> None:
        self.uploads = CapacityLimiter(4)
        """Files that are in memory, on threads of their own: a slow store must not keep tiles waiting."""
        self.batch_images = CapacityLimiter(4)
        """Images of batches that are in memory, on threads of their own."""
        self.execution_images = CapacityLimiter(8)
        """Requests whose images are in memory, on threads of their own."""
        self.previews = CapacityLimiter(8)
        """Previews whose images are in memory."""
        self.execution_followers = CapacityLimiter(1000)
        """Requests that wait for the end of an execution, and clients that follow one; more are refused."""
        self.sockets = CapacityLimiter(1000)
        """WebSockets of executions, each of which may have a frame in memory; more are refused."""
        self.socket_followers = CapacityLimiter(2000)
        """Executions that WebSockets follow, with no place for other clients among them; more are refused."""
        self.followed_by_a_socket = 100
        """Executions that one WebSocket follows at once; more are refused."""
        self.comparisons = CapacityLimiter(1)
        """Comparisons of surveys: each keeps two cores busy for seconds."""
        self.animations = CapacityLimiter(1)
        """Animations: each holds a hundred megabytes for seconds."""
        self.artefacts = CapacityLimiter(1)
        """Images whose pipeline steps are done: each may take a core and two gigabytes."""
        self.models = CapacityLimiter(1)
        """Models that are tried: each may take all cores and four gigabytes."""
        self.progress_reads = CapacityLimiter(4)
        """Surveys whose progress is read from the database."""
        self.watchers = 1000
        """Clients that watch surveys; more are refused."""

    @property
    def long_connections(self) -> int:
        """Connections that may stay open for hours."""
        return self.watchers + int(self.execution_followers.total_tokens) + int(self.sockets.total_tokens)
