"""A model that says what a list tells it to say."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping

from agent_runtime.testing.chat import Answer, ChatReply, ChatRequest


class Script:
    """An `answer` for `ChatServer`: each model name has its own replies, given in order.

    A reply can be a function of the request. Calls from several threads each get a
    different entry. A request beyond the end raises LookupError: the server makes a 500 of it.
    """

    def __init__(self, lines: Mapping[str, Iterable[ChatReply | Answer]]) -> None:
        self._lines = {model: deque(replies) for model, replies in lines.items()}
        self._given = dict.fromkeys(self._lines, 0)
        self._lock = threading.Lock()

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(self._lines)

    @property
    def left(self) -> dict[str, int]:
        """How many replies each model has not given yet; a test ends by looking at it."""
        with self._lock:
            return {model: len(replies) for model, replies in self._lines.items()}

    def __call__(self, request: ChatRequest) -> ChatReply:
        reply = self._next(request.model)
        return reply if isinstance(reply, ChatReply) else reply(request)

    def _next(self, model: str) -> ChatReply | Answer:
        with self._lock:
            if model not in self._lines:
                known = ", ".join(self._lines) or "none"
                raise LookupError(f"The script has no model {model!r}; it has: {known}.")
            if not self._lines[model]:
                raise LookupError(
                    f"The script for {model!r} is exhausted after {self._given[model]} replies."
                )
            self._given[model] += 1
            return self._lines[model].popleft()
