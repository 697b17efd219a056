"""What asking models took, by step: names, tokens, money."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby

from agent_runtime.budget import NANO
from agent_runtime.store.calls import ModelCall


def cost_lines(calls: Iterable[ModelCall]) -> list[str]:
    """One line for each step and model, in the order in which they were first asked."""
    found: dict[tuple[str, str], list[ModelCall]] = {}
    for call in calls:
        found.setdefault((call.step, call.model), []).append(call)
    return [f"  {step}  {model}  {_figures(mine)}" for (step, model), mine in found.items()]


def total_line(calls: Sequence[ModelCall]) -> str:
    """All of it in one line."""
    names = " and ".join(name for name, _ in groupby(sorted(call.model for call in calls)))
    return f"{names or 'no model'}: {_figures(calls)}"


def _figures(calls: Sequence[ModelCall]) -> str:
    into, out = sum(call.tokens_in for call in calls), sum(call.tokens_out for call in calls)
    roughly = "about " if any(call.estimated for call in calls) else ""
    failed = sum(call.outcome not in ("answered", "cached") for call in calls)
    reused = sum(call.outcome == "cached" for call in calls)
    batched = sum(call.batched for call in calls)
    more = [f"{failed} failed"] if failed else []
    more += [f"{reused} from the cache"] if reused else []
    more += [f"{batched} by batch"] if batched else []
    count = "1 call" if len(calls) == 1 else f"{len(calls)} calls"
    attempts = f"{count} ({', '.join(more)})" if more else count
    return f"{attempts}, {roughly}{into} tokens in, {out} out, cost {_money(calls)}"


def _money(calls: Sequence[ModelCall]) -> str:
    # A failed call is billed by nobody, or says nothing of it.
    costs = [call.cost for call in calls if call.tokens_in or call.tokens_out]
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs):
        return "unknown (no price in AGENT_RUNTIME_PRICES)"
    total = (sum(known) * NANO).normalize()
    return f"{total if total else Decimal(0):f}"
