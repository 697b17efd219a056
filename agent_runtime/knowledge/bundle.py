"""The bundle: the passages one step is shown, within its budget, and what was left out."""

from __future__ import annotations

from collections.abc import Sequence

from agent_runtime.evidence import Bundle, LeftOut, Shown


def assemble(earlier: Sequence[Shown], found: Sequence[Shown], budget: int) -> Bundle:
    """Add what was found to what the run was shown earlier, without exceeding `budget` tokens.

    A passage that says the same as an earlier one of its source takes its place, fresher. New
    passages are taken in the order found; one that doesn't fit is left out whole, since half a
    passage could say the opposite.
    """
    shown = {(passage.source, passage.text): passage for passage in earlier}
    tokens = sum(passage.tokens for passage in shown.values())
    left_out: list[LeftOut] = []
    for passage in found:
        known = (passage.source, passage.text)
        if known in shown:
            del shown[known]
            shown[known] = passage
        elif tokens + passage.tokens > budget:
            left_out.append(
                LeftOut(source=passage.source, tokens=passage.tokens, why="over budget")
            )
        else:
            shown[known] = passage
            tokens += passage.tokens
    return Bundle(
        shown=tuple(shown.values()), left_out=tuple(left_out), tokens=tokens, budget=budget
    )
