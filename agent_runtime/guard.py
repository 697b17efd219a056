"""Guards: what a draft is held against before it can leave. They find, and decide nothing.

What they find is a signal for policy, and is shown to whoever is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agent_runtime.evidence import Evidence, Shown
from agent_runtime.language import NAMES, detect

GuardName = Literal[
    "ungrounded", "disallowed", "brand_voice", "personal_data", "links", "length", "language"
]

EXCERPT = 120
"""Characters of a draft that a finding repeats."""


class Voice(BaseModel):
    """One rule of the house's voice: words that have to be there, or must not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pattern: str
    why: str
    required: bool = False

    @field_validator("pattern")
    @classmethod
    def _is_a_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error
        return pattern


class Guards(BaseModel):
    """Declared on a step: `drafts` names the arguments of its actions that are texts to be sent.

    `hosts`: where links may lead, with what stands below them. `disallowed`: words and phrases.
    `language`: `customer` for the one that the customer writes in, or a code.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    drafts: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    disallowed: tuple[str, ...] = ()
    voice: tuple[Voice, ...] = ()
    shortest: Annotated[int, Field(ge=0)] = 1
    longest: Annotated[int, Field(gt=0)] = 4_000
    language: str | None = "customer"
    grounded: bool = True


class Finding(BaseModel):
    """What one guard found, for people."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    guard: GuardName
    text: str


def examine(
    guards: Guards | None,
    arguments: Mapping[str, Any],
    inputs: Mapping[str, Any],
    citations: Sequence[Evidence],
    shown: Sequence[Shown],
) -> tuple[Finding, ...]:
    """Hold each draft among an action's arguments against its step's guards."""
    if guards is None:
        return ()
    cited = {citation.source for citation in citations}
    sources = [p.text for p in shown if p.source in cited and p.origin != "failure"]
    own = " ".join(text for text in inputs.values() if isinstance(text, str))
    found: list[Finding] = []
    for name in guards.drafts:
        for draft in _texts(arguments.get(name)):
            found += _examine(guards, draft, own, sources, inputs)
    return tuple(found)


def _texts(value: Any) -> Iterator[str]:
    """A draft may be one text, or have some: a letter with its subject, or its paragraphs."""
    match value:
        case str():
            yield value
        case Mapping():
            yield from (text for one in value.values() for text in _texts(one))
        case list() | tuple():
            yield from (text for one in value for text in _texts(one))
        case _:  # a number or a switch is no text
            return


def _examine(
    guards: Guards, draft: str, own: str, sources: Sequence[str], inputs: Mapping[str, Any]
) -> Iterator[Finding]:
    yield from length(draft, guards.shortest, guards.longest)
    yield from links(draft, guards.hosts)
    yield from disallowed(draft, guards.disallowed)
    yield from voice(draft, guards.voice)
    yield from personal_data(draft, own)
    wanted = guards.language
    if wanted == "customer":
        wanted = detect(str(inputs.get("message", "")))
    yield from language(draft, wanted)
    if guards.grounded:
        yield from ungrounded(draft, [*sources, own])


def length(draft: str, shortest: int, longest: int) -> Iterator[Finding]:
    """Too short, or too long."""
    size = len(draft.strip())
    if not shortest <= size <= longest:
        yield Finding(guard="length", text=f"{size} characters, not {shortest} to {longest}")


def links(draft: str, hosts: Sequence[str]) -> Iterator[Finding]:
    """Links and bare addresses that lead elsewhere than to the listed hosts."""
    for host in dict.fromkeys(match["host"].casefold() for match in _LINK.finditer(draft)):
        allowed = any(host == known or host.endswith(f".{known}") for known in hosts)
        if not allowed:
            yield Finding(guard="links", text=f"leads to {host[:EXCERPT]}")


def disallowed(draft: str, phrases: Sequence[str]) -> Iterator[Finding]:
    """Words that must not be sent, however they are written."""
    plain = " ".join(draft.casefold().split())
    for phrase in phrases:
        words = " ".join(phrase.casefold().split())
        if re.search(rf"(?<!\w){re.escape(words)}(?!\w)", plain):
            yield Finding(guard="disallowed", text=f"says {phrase!r}")


def voice(draft: str, rules: Sequence[Voice]) -> Iterator[Finding]:
    """Rules of the house's voice that it breaks."""
    for rule in rules:
        there = re.search(rule.pattern, draft, re.IGNORECASE) is not None
        if there != rule.required:
            yield Finding(guard="brand_voice", text=rule.why)


def personal_data(draft: str, own: str) -> Iterator[Finding]:
    """Addresses, numbers of accounts, cards and telephones that the customer did not write
    themselves. What it is, and not which one: findings are read by many."""
    known = re.sub(r"[\s\-()/.]", "", own).casefold()
    for kind, pattern, holds in _PERSONAL:
        for match in pattern.findall(draft):
            plain = re.sub(r"[\s\-()/.]", "", match).casefold()
            if plain not in known and holds(plain):
                yield Finding(guard="personal_data", text=f"has {kind}")
                break


def language(draft: str, wanted: str | None) -> Iterator[Finding]:
    """Another language than is wanted, where both can be told."""
    found = detect(draft)
    if wanted is not None and found is not None and found != wanted:
        names = NAMES.get(found, found), NAMES.get(wanted, wanted)
        yield Finding(guard="language", text=f"is in {names[0]}, not in {names[1]}")


def ungrounded(draft: str, sources: Sequence[str]) -> Iterator[Finding]:
    """Sentences with figures that do not all stand in one cited source, or with words in quotes
    that stand in none. A sentence without either claims nothing that could be checked."""
    for sentence in _SENTENCE.split(draft):
        figures = _FIGURE.findall(sentence)
        quoted = [words for words in _QUOTED.findall(sentence) if words.strip()]
        if not (figures or quoted):
            continue
        if not any(_holds(source, figures, quoted) for source in sources):
            short = " ".join(sentence.split())[:EXCERPT]
            yield Finding(guard="ungrounded", text=f"no cited source has it: {short}")


def _holds(source: str, figures: Sequence[str], quoted: Sequence[str]) -> bool:
    there = set(_FIGURE.findall(source))
    return all(figure in there for figure in figures) and all(words in source for words in quoted)


def _is_card(digits: str) -> bool:
    """By the check digit that every card's number ends with."""
    if not 13 <= len(digits) <= 19:
        return False
    doubled = [int(d) * 2 if at % 2 else int(d) for at, d in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def _is_account(plain: str) -> bool:
    """By the check digits of an IBAN."""
    moved = plain[4:] + plain[:4]
    return len(plain) >= 15 and int("".join(str(int(sign, 36)) for sign in moved)) % 97 == 1


def _is_telephone(plain: str) -> bool:
    return 8 <= sum(sign.isdigit() for sign in plain) <= 15


_PERSONAL = (
    ("a mail address", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), bool),
    ("an account's number", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b"), _is_account),
    ("a card's number", re.compile(r"\b\d(?:[ -]?\d){12,18}\b"), _is_card),
    ("a telephone number", re.compile(r"(?<!\w)\+\d[\d\s()/-]{6,18}\d\b"), _is_telephone),
)
_LINK = re.compile(r"(?:\w+://(?:[^\s/@]+@)?|(?<![\w@.])(?=www\.))(?P<host>[\w-]+(?:\.[\w-]+)*)")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_FIGURE = re.compile(r"\d+(?:[.,:/-]\d+)*")
_QUOTED = re.compile(r'["“„]([^"”“]{3,})["”“]')
