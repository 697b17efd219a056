"""A model's server in a process of its own: what it does must not count as ours."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from agent_runtime import Envelope
from agent_runtime.testing import ChatReply, ChatRequest, ChatServer

ENVELOPE = Envelope(step="think", status="done", confidence=0.9, reason="There is nothing to do.")
TEXT = ENVELOPE.model_dump_json(exclude_none=True)
SHORTEST, LONGEST = 1.0, 3.0
"""Seconds that a slow answer takes, evenly spread."""


def serve() -> None:
    """Serve until standard input ends; models called `slow…` take their time."""
    rng = Random(7)  # noqa: S311 — delays, no secrets

    def answer(request: ChatRequest) -> ChatReply:
        delay = rng.uniform(SHORTEST, LONGEST) if request.model.startswith("slow") else 0.0
        return ChatReply(TEXT, prompt_tokens=300, completion_tokens=40, delay=delay)

    with ChatServer(answer, models=["quick", "slow"]) as server:
        print(json.dumps(server.base_url), flush=True)
        sys.stdin.read()


@contextmanager
def serving() -> Iterator[str]:
    """Such a server; yields its URL."""
    program = [sys.executable, "-m", "benchmarks.models.server"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdout is None or process.stdin is None:
            raise RuntimeError("The server has no pipes.")
        yield str(json.loads(process.stdout.readline()))
        process.stdin.close()


if __name__ == "__main__":
    serve()
