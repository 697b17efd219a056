"""Letters: an exchange with a model whose request and answer travel apart, in a provider's batch.

The model's own client writes the request and reads the answer, so that forms, errors and tokens are
the same as over the wire: it is asked as ever, and the letter at hand stands in for the wire.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from langchain_core.language_models import BaseChatModel

Json = dict[str, Any]

UNANSWERED = 425
"""The status ("too early") that a client is told as long as nothing has come back."""


@dataclass
class Letter:
    """What is to be sent, once a client has written it; `status` and `answer`: what came back."""

    body: Json | None = None
    status: int = UNANSWERED
    answer: Json | None = None


_AT_HAND: ContextVar[Letter] = ContextVar("letter")


@contextmanager
def at_hand(letter: Letter) -> Iterator[Letter]:
    """Let the client that is asked in this block write or read this letter."""
    before = _AT_HAND.set(letter)
    try:
        yield letter
    finally:
        _AT_HAND.reset(before)


def exchange(body: Json) -> Letter:
    """Put a request on the letter at hand, or find what came back for it."""
    letter = _AT_HAND.get()
    if letter.answer is None:
        letter.body = body
    return letter


@dataclass(frozen=True)
class Ended:
    """A batch that the provider has done with: `how` in words, and the files that belong to it.
    `answers` are those of them that hold what came back."""

    how: str
    answers: tuple[str, ...]
    files: tuple[str, ...]


class BatchEndpoint(Protocol):
    """A provider's batch endpoint; each method raises ModelUnavailable."""

    async def find(self, name: str) -> str | None:
        """The provider's id of the batch that was sent under this name, if it knows of one."""
        ...

    async def send(self, name: str, lines: Mapping[str, Json]) -> str:
        """Send requests by their names, as one batch; its id there."""
        ...

    async def look(self, batch: str) -> Ended | None:
        """How a batch ended; None while it is at work."""
        ...

    async def fetch(self, ended: Ended) -> dict[str, tuple[int, Json]]:
        """Status and body of what came back, by the requests' names."""
        ...

    async def cancel(self, batch: str) -> None:
        """Have it left undone, as far as it is."""
        ...

    async def forget(self, ended: Ended) -> None:
        """Have its files deleted there."""
        ...


@dataclass(frozen=True)
class Batching:
    """What a model that can be asked in batches has beside: its client over letters, and where
    they go."""

    chat: BaseChatModel
    endpoint: BatchEndpoint


MakeBatching = Callable[[], Batching]
"""Made when first used: most installations send no batch."""


def written(lines: Mapping[str, Json], url: str) -> bytes:
    """The file that is sent: a line of JSON for each request."""
    told = (
        {"custom_id": name, "method": "POST", "url": url, "body": body}
        for name, body in lines.items()
    )
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in told).encode()


def read(text: str) -> dict[str, tuple[int, Json]]:
    """Status and body by name, of a file that came back; what is no such line tells nothing."""
    found = {}
    for line in text.split("\n"):
        with suppress(ValueError, KeyError, TypeError):
            told = json.loads(line)
            response = told["response"]
            if isinstance(response["body"], dict):
                found[str(told["custom_id"])] = (int(response["status_code"]), response["body"])
    return found
