"""The bundle: the passages one step is shown, within its budget, and what was left out."""

from __future__ import annotations

from collections.abc import Sequence

from agent_runtime.evidence import Bundle, LeftOut, Shown

FIRST = frozenset({"document", "operator"})
"""What people handed in goes before what tools found."""


def assemble(earlier: Sequence[Shown], found: Sequence[Shown], budget: int) -> Bundle:
    """Choose from what was shown earlier and what was found now; never exceeds `budget` tokens.

    A passage that says the same as an earlier one of its source takes its place, fresher. A
    passage that doesn't fit is left out whole, since half of one could say the opposite. People's
    words go first, then what was found now, then the newest of each earlier source; a text that a
    later one of its source supersedes goes last. The chosen ones stand in the order of finding.
    """
    passages: dict[tuple[str, str], Shown] = {}
    for passage in (*earlier, *found):
        passages.pop((passage.source, passage.text), None)
        passages[passage.source, passage.text] = passage
    present, new = list(passages.values()), {(p.source, p.text) for p in found}
    newest = {passage.source: passage.text for passage in present}

    def rank(position: int) -> tuple[int, int]:
        passage = present[position]
        if passage.origin in FIRST:
            return 0, position
        if (passage.source, passage.text) in new:
            return 1, position
        return (2 if newest[passage.source] == passage.text else 3), -position

    chosen, tokens = set(), 0
    for position in sorted(range(len(present)), key=rank):
        if tokens + present[position].tokens <= budget:
            chosen.add(position)
            tokens += present[position].tokens
    left_out = tuple(
        LeftOut(source=passage.source, tokens=passage.tokens, why="over budget")
        for position, passage in enumerate(present)
        if position not in chosen
    )
    shown = tuple(present[position] for position in sorted(chosen))
    return Bundle(shown=shown, left_out=left_out, tokens=tokens, budget=budget)


def add(seen: Sequence[Shown], found: Sequence[Shown], budget: int) -> Bundle:
    """Add what reasoning looked up to what it has seen; nothing can be unseen any more.

    What doesn't fit into `budget` is left out, each passage whole.
    """
    shown, left_out = {(p.source, p.text): p for p in seen}, []
    tokens = sum(passage.tokens for passage in shown.values())
    for passage in found:
        known = (passage.source, passage.text)
        if known not in shown and tokens + passage.tokens > budget:
            left_out.append(
                LeftOut(source=passage.source, tokens=passage.tokens, why="over budget")
            )
            continue
        tokens += 0 if known in shown else passage.tokens
        shown[known] = passage
    return Bundle(
        shown=tuple(shown.values()), left_out=tuple(left_out), tokens=tokens, budget=budget
    )
