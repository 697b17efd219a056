"""Compacting: the same conversation with less evidence, for a model that cannot hold all of it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage

SHARE = 2
"""A text is cut to one part in so many."""

KEPT = 200
"""Characters that are not worth cutting."""


def compact(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Each passage's text cut to its first half, whole words; rails, task and feedback stay whole.

    A quote of what was cut off is not verified any less: that is done against the full source.
    """
    return [_compact(message) for message in messages]


def _compact(message: BaseMessage) -> BaseMessage:
    if not isinstance(message, HumanMessage | ToolMessage):
        return message
    try:
        document = json.loads(str(message.text))
    except ValueError:
        return message
    # Both kinds of message are written by us: a brief, and the results of one call.
    for field in ("evidence", "results"):
        for passage in document.get(field, ()):
            if "text" in passage:
                passage["text"] = _shortened(passage["text"])
    text = json.dumps(document, ensure_ascii=False)
    if isinstance(message.content, str):
        return message.model_copy(update={"content": text})
    blocks = [{"type": "text", "text": text}, *message.content[1:]]
    return message.model_copy(update={"content": blocks})


def _shortened(text: str) -> str:
    if len(text) <= KEPT:
        return text
    return text[: max(KEPT, len(text) // SHARE)].rpartition(" ")[0] or text[:KEPT]
