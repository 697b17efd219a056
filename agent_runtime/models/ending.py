"""Endings: how an answer ended, in the words that providers have for it."""

from __future__ import annotations

from langchain_core.messages import AIMessage

LONGEST = frozenset({"length", "max_tokens", "max_output_tokens"})
"""It was cut off where it got too long."""

WITHHELD = frozenset({"content_filter", "safety", "prohibited_content", "blocklist", "recitation"})
"""The provider's filter kept it back."""

SAID = ("finish_reason", "stop_reason", "done_reason", "status")
"""Where clients put the word: OpenAI's newer API says `status`, and why it is incomplete beside."""


def ending(answer: AIMessage) -> str | None:
    """The provider's word, in lower case; None where it does not say."""
    told = answer.response_metadata
    words = [(told.get("incomplete_details") or {}).get("reason"), *map(told.get, SAID)]
    return next((str(word).lower() for word in words if word), None)


def is_refusal(answer: AIMessage) -> bool:
    """Whether the model says that it will not: beside the text, or in a block of its own."""
    if answer.additional_kwargs.get("refusal") or ending(answer) == "refusal":
        return True
    blocks = answer.content if isinstance(answer.content, list) else ()
    return any(isinstance(block, dict) and block.get("type") == "refusal" for block in blocks)
