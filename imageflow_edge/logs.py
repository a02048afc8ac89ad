"""Logs as one JSON object a line on standard error."""

import json
import logging
from datetime import UTC, datetime

from typing_extensions import override


class JsonLines(logging.Formatter):
    """Writes a record's time, level, logger, message, and the mapping given as `extra={"fields": ...}`."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure_logs(level: int = logging.INFO) -> None:
    """Send this process's logs to standard error; call it once, where the process starts."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # Each of its lines would repeat the gateway's own line.
    logging.getLogger("httpx").setLevel(logging.WARNING)
