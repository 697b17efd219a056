"""A reader of the event stream, as a browser would be one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.patience import PATIENCE


@dataclass(frozen=True)
class Told:
    """One event as it was sent."""

    id: int
    type: str
    data: dict[str, Any]


@contextmanager
def listening(client: httpx.Client, **query: Any) -> Iterator[Iterator[Told]]:
    """An open stream's events as they come; `last` is sent as Last-Event-ID."""
    last = query.pop("last", None)
    headers = {} if last is None else {"last-event-id": str(last)}
    with client.stream("GET", "/v1/events/stream", params=query, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == ": connected"
        yield _told(lines)


def _told(lines: Iterator[str]) -> Iterator[Told]:
    fields: dict[str, str] = {}
    until = time.monotonic() + PATIENCE  # heartbeats keep it open for ever
    for line in lines:
        assert time.monotonic() < until, "it says that it is there, and tells nothing"
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "data" in fields:
            yield Told(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}
        else:
            fields = {}
