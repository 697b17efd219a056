"""The bundle: the passages one step is shown, within its budget, and what was left out."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from agent_runtime.action import canonical
from agent_runtime.errors import NotFound
from agent_runtime.evidence import Bundle, LeftOut, Shown
from agent_runtime.store import Content, Session
from agent_runtime.store.recordings import hash_of

FIRST = frozenset({"document", "operator"})
"""What people handed in goes before what tools found."""


def assemble(
    earlier: Sequence[Shown],
    found: Sequence[Shown],
    budget: int,
    *,
    left_out: Sequence[LeftOut] = (),
    warnings: Sequence[str] = (),
) -> Bundle:
    """Choose from what was shown earlier and what was found now; never exceeds `budget` tokens.

    A passage that says the same as an earlier one of its source takes its place, fresher. A
    passage that doesn't fit is left out whole, since half of one could say the opposite. People's
    words go first, then what was found now, then the newest of each earlier source; a text that a
    later one of its source supersedes goes last. A document that says what another one says, word
    for word, is left out. The chosen ones stand in the order of finding. `left_out` and `warnings`
    are what the look-ups say of themselves.
    """
    present, same = _different(_latest(earlier, found))
    new = {(p.source, p.text) for p in found}
    chosen = _fitting(present, _ranked(present, new), budget)
    over = [p for position, p in enumerate(present) if position not in chosen]
    shown = tuple(present[position] for position in sorted(chosen))
    return Bundle(
        shown=shown,
        left_out=(*_left(over, "over budget"), *_left(same, "duplicate"), *left_out),
        warnings=tuple(dict.fromkeys(warnings)),
        tokens=sum(passage.tokens for passage in shown),
        budget=budget,
    )


def _latest(earlier: Iterable[Shown], found: Iterable[Shown]) -> Iterable[Shown]:
    """Each text of each source once, as it was found last."""
    passages: dict[tuple[str, str], Shown] = {}
    for passage in (*earlier, *found):
        passages.pop((passage.source, passage.text), None)
        passages[passage.source, passage.text] = passage
    return passages.values()


def _ranked(present: Sequence[Shown], new: Container[tuple[str, str]]) -> list[int]:
    """The places of the passages, what matters most first."""
    newest = {passage.source: passage.text for passage in present}

    def rank(position: int) -> tuple[int, int]:
        passage = present[position]
        if passage.origin in FIRST:
            return 0, position
        if (passage.source, passage.text) in new:
            return 1, position
        return (2 if newest[passage.source] == passage.text else 3), -position

    return sorted(range(len(present)), key=rank)


def _fitting(present: Sequence[Shown], ranked: Iterable[int], budget: int) -> set[int]:
    """The places of those that fit together, whole, the first ones first."""
    chosen, tokens = set[int](), 0
    for position in ranked:
        if tokens + present[position].tokens <= budget:
            chosen.add(position)
            tokens += present[position].tokens
    return chosen


def _left(passages: Iterable[Shown], why: Literal["over budget", "duplicate"]) -> list[LeftOut]:
    return [LeftOut(source=p.source, tokens=p.tokens, why=why) for p in passages]


def _different(passages: Iterable[Shown]) -> tuple[list[Shown], list[Shown]]:
    """The passages without the documents that repeat another one, and those."""
    different: list[Shown] = []
    same: list[Shown] = []
    known: Said = frozenset()
    for passage in passages:
        said = _said(passage)
        (same if said & known else different).append(passage)
        known |= said
    return different, same


Said = frozenset[tuple[str, tuple[tuple[str, str], ...]]]


def _said(*passages: Shown) -> Said:
    """What documents among them say. One that claims something else repeats none: their
    contradiction would be hidden."""
    return frozenset((p.text, tuple(sorted(p.claims.items()))) for p in passages if p.document)


def add(seen: Sequence[Shown], found: Sequence[Shown], budget: int) -> Bundle:
    """Add what reasoning looked up to what it has seen; nothing can be unseen any more.

    A document that repeats another one is left out, and so is what doesn't fit into `budget`,
    each passage whole. What a model read of a passage that is found again still holds.
    """
    shown, left_out = {(p.source, p.text): p for p in seen}, list[LeftOut]()
    tokens, said = sum(passage.tokens for passage in shown.values()), _said(*seen)
    for passage in found:
        known = shown.get((passage.source, passage.text))
        if known is not None:
            claims = {**known.claims, **passage.claims}
            shown[passage.source, passage.text] = passage.model_copy(update={"claims": claims})
        elif _said(passage) & said:
            left_out += _left([passage], "duplicate")
        elif tokens + passage.tokens > budget:
            left_out += _left([passage], "over budget")
        else:
            shown[passage.source, passage.text] = passage
            tokens += passage.tokens
            said |= _said(passage)
    return Bundle(
        shown=tuple(shown.values()), left_out=tuple(left_out), tokens=tokens, budget=budget
    )


class KeptPassage(BaseModel):
    """One passage of a bundle: what was shown, without when and by which look-up."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    version: str
    text: str
    claims: dict[str, str]


class KeptBundle(BaseModel):
    """A bundle by its content: whoever is shown the same holds the same digest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    digest: str
    shown: list[KeptPassage]
    left_out: list[LeftOut]
    warnings: list[str]
    budget: int


def content_of(bundle: Bundle) -> Content:
    """The bundle as it is stored: under its digest, once for all runs that are shown the same."""
    text = canonical(bundle.document).decode()
    return Content(hash_of(text), text)


def find_bundle(session: Session, digest: str) -> KeptBundle:
    """The tenant's bundle of that digest; raises NotFound, also for any other content."""
    try:
        return _read(digest, session.recordings.kept(digest))
    except (TypeError, ValueError, ValidationError) as error:
        raise NotFound("bundle", digest, remedy="It may have been pruned.") from error


def _read(digest: str, document: Any) -> KeptBundle:
    shown, left_out, warnings, budget = document
    return KeptBundle(
        digest=digest,
        shown=[
            KeptPassage(source=source, version=version, text=text, claims=dict(claims))
            for source, version, text, claims in shown
        ],
        left_out=[LeftOut(source=s, tokens=tokens, why=why) for s, tokens, why in left_out],
        warnings=warnings,
        budget=budget,
    )
