"""Claims: what a proposal quotes, each beside the source that it was quoted from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_runtime.store import Session

AROUND = 400
"""Characters of a source on each side of a quote; the rest is counted."""


@dataclass(frozen=True)
class Excerpt:
    """A part of a source around a quote. `before` and `after` it there is more, in characters."""

    lead: str
    quote: str
    trail: str
    before: int
    after: int


@dataclass(frozen=True)
class Passage:
    """One source as it was shown."""

    source: str
    text: str
    version: str
    origin: str
    tool: str


@dataclass(frozen=True)
class Claim:
    """One citation. `excerpt` is None where the words stand in nothing that was shown."""

    source: str
    quote: str
    passage: Passage | None
    excerpt: Excerpt | None

    @property
    def is_supported(self) -> bool:
        """Whether a person can check it here."""
        return self.excerpt is not None


def claims_of(envelope: Mapping[str, Any] | None, shown: Sequence[Passage]) -> list[Claim]:
    """Each citation of an envelope with the newest passage that has its words. The envelope may be
    anything that was stored."""
    cited = (envelope or {}).get("evidence")
    found = cited if isinstance(cited, list) else []
    return [_claim(one, shown) for one in found if isinstance(one, dict)]


def shown_in(session: Session, events: Sequence[Any]) -> list[Passage]:
    """Every passage that a run was shown, the newest first; what was erased is left out."""
    names = [
        name
        for event in events
        if event.type == "bundle.assembled" and event.body is not None
        for name in event.body.get("shown", [])
    ]
    found = (session.recordings.kept(name) for name in reversed(dict.fromkeys(names)))
    return [_passage(one) for one in found if isinstance(one, dict)]


def _passage(kept: Mapping[str, Any]) -> Passage:
    return Passage(
        source=str(kept.get("source", "")),
        text=str(kept.get("text", "")),
        version=str(kept.get("version", "")),
        origin=str(kept.get("origin", "")),
        tool=str(kept.get("tool", "")),
    )


def _claim(cited: Mapping[str, Any], shown: Sequence[Passage]) -> Claim:
    source, quote = str(cited.get("source", "")), str(cited.get("quote", ""))
    same = [one for one in shown if one.source == source and one.origin != "failure"]
    for passage in same:
        if quote in passage.text:
            return Claim(source, quote, passage, _excerpt(passage.text, quote))
    return Claim(source, quote, same[0] if same else None, None)


def _excerpt(text: str, quote: str) -> Excerpt:
    start = text.index(quote)
    end = start + len(quote)
    left, right = max(0, start - AROUND), min(len(text), end + AROUND)
    return Excerpt(text[left:start], quote, text[end:right], left, len(text) - right)
