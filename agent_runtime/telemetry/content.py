"""Content: what of prompts, answers and arguments a span may carry. Nothing, unless it is said.

Traces leave the installation for systems with other readers, so that what is captured is redacted
first: secrets, addresses, numbers of cards, accounts and telephones are masked in every text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.trace import Span

from agent_runtime.redact import mask_text

LONGEST = 8_192
"""Characters of one attribute."""

ATTRIBUTES = {
    "prompt": "gen_ai.input.messages",
    "answer": "gen_ai.output.messages",
    "arguments": "gen_ai.tool.call.arguments",
    "result": "gen_ai.tool.call.result",
}


@dataclass(frozen=True)
class Capture:
    """Whether content is captured at all."""

    on: bool = False

    def put(self, span: Span, content: Mapping[str, Callable[[], Any]]) -> None:
        """Put it on a span by the conventions' names, as redacted JSON."""
        for name, value in content.items():
            text = json.dumps(value(), ensure_ascii=False, default=str)
            span.set_attribute(ATTRIBUTES[name], mask_text(text)[:LONGEST])
