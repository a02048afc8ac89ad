"""What components log by Python's logging, as log lines of their steps."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from typing_extensions import override

from imageflow_domain.step_scope import LogLine, current_scope


class StepLogHandler(logging.Handler):
    """Reports records to the scope of the step that the thread does; other records are left to other handlers."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        scope = current_scope()
        if scope is None:
            return
        try:
            line = LogLine.now(record.levelname.lower(), self.format(record))
        except Exception:  # noqa: BLE001 - a wrong record; logging says where it was made
            self.handleError(record)
            return
        scope.log(line)


@contextmanager
def step_logging(level: int = logging.INFO) -> Iterator[None]:
    """Report what is logged in steps of this process, from a level on, while the body runs."""
    root, handler = logging.getLogger(), StepLogHandler(level)
    if root.getEffectiveLevel() > level:
        root.setLevel(level)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
