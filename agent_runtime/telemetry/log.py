"""Logs: one line of JSON each, with the run and its trace."""

from __future__ import annotations

import json
import logging

from agent_runtime.run import Run

logger = logging.getLogger("agent_runtime")


def log(message: str, run: Run | None = None, **fields: str | int) -> None:
    """One structured line about a run: ids and counts only."""
    ids = {} if run is None else {"run_id": run.id, "trace_id": run.trace.split("-")[0]}
    logger.info(message, extra={"fields": {**ids, **fields}})


def warn(message: str, **fields: str | int) -> None:
    """The same for what somebody should look at."""
    logger.warning(message, extra={"fields": fields})


class JsonLines(logging.Formatter):
    """Each record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"at": self.formatTime(record), "level": record.levelname}
        return json.dumps({**line, "message": record.getMessage(), **getattr(record, "fields", {})})


def configure_logging(level: str) -> None:
    """Send our lines to standard error as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False
