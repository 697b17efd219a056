"""Cutting: sections become passages, each a slice of the text as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agent_runtime.knowledge.parse import Section
from agent_runtime.source import KnownPassage, passage_id

LONGEST = 1_200
"""Characters of a passage at most, about 300 tokens: what a person reads at a glance."""
SHORTEST = 200
"""Characters that a piece has at least where a longer text is cut."""

_BREAKS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?…。])\s+"))
"""Where a text may be cut, the best places first: paragraphs, lines, sentences."""
_BLANK = re.compile(r"\s")


def cut(source: str, sections: Sequence[Section]) -> list[KnownPassage]:
    """The passages of a source, in order; a text that stands in it twice is one passage."""
    found: dict[str, KnownPassage] = {}
    for section in sections:
        for text in slices(section.text):
            name = passage_id(source, text)
            if name not in found:
                found[name] = KnownPassage(
                    id=name,
                    source=source,
                    number=len(found),
                    place=section.place[:200],
                    text=text,
                )
    return list(found.values())


def slices(text: str) -> Iterator[str]:
    """A text in pieces of at most LONGEST characters, cut where a reader would."""
    rest = text.strip()
    while len(rest) > LONGEST:
        at = _end(rest)
        yield rest[:at].rstrip()
        rest = rest[at:].lstrip()
    if rest:
        yield rest


def _end(text: str) -> int:
    """Where the first piece ends: the last good place within LONGEST."""
    for breaks in _BREAKS:
        ends = [found.start() for found in breaks.finditer(text, SHORTEST, LONGEST)]
        if ends:
            return ends[-1]
    blanks = [found.start() for found in _BLANK.finditer(text, SHORTEST, LONGEST)]
    return blanks[-1] if blanks else LONGEST
