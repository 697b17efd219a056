"""The shop's policy knowledge base, searched by words."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from agent_runtime.errors import ToolRefused
from agent_runtime.evidence import Passage
from agent_runtime.tool import ToolCall, tool
from tools.shop.database import Shop

SHOWN = 4
"""Passages per search."""

_MOST_WORDS = 64
"""Words of a query that count: a customer's whole mail may be the query."""


class Query(BaseModel):
    """What is looked for, in any words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: Annotated[str, StringConstraints(max_length=20_000)]


@tool(effect="read")
async def search_policy(args: Query, call: ToolCall) -> list[Passage]:
    """Search the shop's policies; gives the best four that are in force today, best first."""
    words = list(dict.fromkeys(re.findall(r"[^\W_]+", args.query.lower())))[:_MOST_WORDS]
    if not words:
        raise ToolRefused("The query has no words")
    async with call.get(Shop).reading() as session:
        found = session.passages(words, call.now.date().isoformat(), SHOWN)
    return [
        Passage(source=name, text=f"{title}\n{text}", version=version)
        for name, title, text, version in found
    ]
