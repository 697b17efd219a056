"""Evidence: quoted facts with a stable source, and the bundle of passages one step was shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

SourceId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$")]
Origin = Literal["tool", "document", "operator", "failure"]

BYTES_PER_TOKEN = 4
"""Estimate used for budgets: no tokenizer is downloaded, and a budget need not be exact."""


class Evidence(BaseModel):
    """One citation in an envelope: these words stand in that source.

    An empty quote cites the source as a whole; it is verified when the source was shown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    source: SourceId
    quote: Annotated[str, StringConstraints(max_length=4_000)]


class Document(BaseModel):
    """A text handed in with a run's start, such as the customer's message or a mail."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: SourceId
    text: Annotated[str, StringConstraints(max_length=200_000)]
    version: str = ""


class Passage(BaseModel):
    """What a read tool may return instead of plain JSON, to name its source itself.

    `claims` maps a record's field (`order-7.purchase_date`) to the value this source gives it;
    two sources with different values for one field contradict each other.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: SourceId
    text: str
    version: str = ""
    claims: dict[str, str] = {}


class Shown(BaseModel):
    """One passage as it was shown in a run: exact text, where from and when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: SourceId
    text: str
    version: str = ""
    origin: Origin
    tool: str = ""
    retrieved_at: datetime
    stale_at: datetime | None = None
    claims: dict[str, str] = {}

    @property
    def tokens(self) -> int:
        """Estimated size in tokens."""
        return count_tokens(self.text)


class LeftOut(BaseModel):
    """A passage that was found and not shown, with the reason."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: SourceId
    tokens: int
    why: Literal["over budget"]


class Bundle(BaseModel):
    """What one step was shown, and what was left out and why. `tokens` never exceeds `budget`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shown: tuple[Shown, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    tokens: int = 0
    budget: int = Field(ge=0)


def count_tokens(text: str) -> int:
    """Estimated tokens of a text, rounded up."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def unverified(citations: tuple[Evidence, ...], shown: list[Shown]) -> list[Evidence]:
    """The citations whose words do not stand verbatim in any shown version of their source."""
    texts: dict[str, list[str]] = {}
    for passage in shown:
        if passage.origin != "failure":
            texts.setdefault(passage.source, []).append(passage.text)
    return [c for c in citations if not any(c.quote in text for text in texts.get(c.source, []))]


def contradictions(shown: list[Shown]) -> list[str]:
    """The fields to which two sources give different values, sorted.

    A later version of the *same* source replaces the earlier one: a record that changed while
    the run went on does not contradict itself.
    """
    latest: dict[tuple[str, str], str] = {}
    for passage in shown:
        for field, value in passage.claims.items():
            latest[field, passage.source] = value
    values: dict[str, set[str]] = {}
    for (field, _), value in latest.items():
        values.setdefault(field, set()).add(value)
    return sorted(field for field, found in values.items() if len(found) > 1)
