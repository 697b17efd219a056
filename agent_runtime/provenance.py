"""Provenance: where the values of a proposed action come from, by the words that were there.

A model that obeys a sentence in a document proposes values that the document chose. They differ
from what was asked for in one respect that needs no judgement: they do not stand in the request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_runtime.action import ProposedAction
from agent_runtime.evidence import Shown


@dataclass(frozen=True)
class Provenance:
    """`asked_for`: the proposal states values, and each stands, word for word, in the run's own
    input; `from_tools`: some of them stand in a text that a tool or a document brought."""

    asked_for: bool
    from_tools: bool


def trace(
    proposed: ProposedAction,
    defaults: Mapping[str, Any],
    inputs: Mapping[str, Any],
    shown: Sequence[Shown],
) -> Provenance:
    """Hold each stated value against the request and against everything else that was shown.

    `defaults`: the tool's own values by argument; stated again, they are still nobody's choice.
    """
    stated = {**proposed.arguments, "": proposed.target_id}
    own = [text for text in _leaves(inputs) if text]
    chosen = [
        value
        for name, given in stated.items()
        if name not in defaults or given != defaults[name]
        for value in _leaves(given)
        if not (name == "" and any(value == str(default) for default in defaults.values()))
    ]
    foreign = [p.text for p in shown if p.origin != "operator" and p.text not in own]
    return Provenance(
        # An action without values, such as "clear all", would pass with no word of the request.
        asked_for=bool(chosen)
        and all(any(_stands(value, text) for text in own) for value in chosen),
        from_tools=any(_stands(value, text) for value in chosen for text in foreign),
    )


def _leaves(value: Any) -> Iterator[str]:
    """Each plain value as it would be written; None is no value."""
    match value:
        case None:
            return
        case str():
            yield value
        case bool():
            yield str(value).lower()
        case Mapping():
            yield from _of(value.values())
        case list() | tuple():
            yield from _of(value)
        case _:
            yield str(value)


def _of(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        yield from _leaves(value)


def _stands(value: str, text: str) -> bool:
    """Whether a value stands in a text as words of its own: 10 does not stand in 2010."""
    words, text = value.strip().casefold(), text.casefold()
    # Searched without a pattern: each value would need one of its own, compiled for it alone.
    start = text.find(words) if words else -1
    while start >= 0:
        stop = start + len(words)
        cut_before = start > 0 and words[0].isalnum() and _is_word(text[start - 1])
        cut_after = stop < len(text) and words[-1].isalnum() and _is_word(text[stop])
        if not (cut_before or cut_after):
            return True
        start = text.find(words, start + 1)
    return False


def _is_word(sign: str) -> bool:
    return sign.isalnum() or sign == "_"
