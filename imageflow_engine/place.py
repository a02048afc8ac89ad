"""A place for an execution that begins at once: what the engine's loop gives, and the gRPC service takes."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future

from typing_extensions import override

from imageflow_domain.executions import ExecutionRecord
from imageflow_executions.execute import Executed
from imageflow_executions.start import Place


class OwnPlace(Place):
    """A place of an engine, for one execution.

    Args:
        engine: The engine's name.
        begin: Begins an execution there.
    """

    def __init__(
        self, engine: str, begin: Callable[[ExecutionRecord, Mapping[str, bytes]], Future[Executed | None]]
    ) -> None:
        self._engine = engine
        self._begin = begin
        self.ended: Future[Executed | None] | None = None
        """The execution as it ended, `None` where it was given back. There is no future where none has begun here."""

    @property
    @override
    def engine(self) -> str:
        return self._engine

    @override
    def begin(self, record: ExecutionRecord, sources: Mapping[str, bytes]) -> None:
        self.ended = self._begin(record, sources)
