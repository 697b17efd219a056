"""A long history: runs that were proposed, asked about, decided and ended, on many days."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from agent_runtime.clock import ManualClock
from agent_runtime.event import EventType
from agent_runtime.store import Session, Store

WORKFLOWS = ("refund", "payout", "address")
ANSWERS = ("approve",) * 7 + ("edit", "reject", "respond")
EVENTS = 15
"""Of one run."""
PORTION = 200
"""Runs in one commit."""

Told = tuple[EventType, dict[str, Any]]


async def invent(store: Store, clock: ManualClock, events: int, days: int, seed: int = 1) -> int:
    """Write that many events, from now on; returns how many runs they are of."""
    rng = random.Random(seed)  # noqa: S311 — an invented history, always the same
    runs = events // EVENTS
    step = timedelta(days=days) / runs
    for first in range(0, runs, PORTION):
        numbers = range(first, min(runs, first + PORTION))
        drawn = [(number, list(_course(number, rng))) for number in numbers]

        def write(session: Session, drawn: list[tuple[int, list[Told]]] = drawn) -> None:
            for number, told in drawn:
                for kind, body in told:
                    session.events.append(kind, f"run-{number:08d}", **body)

        await store.write("default", write)
        clock.move(step * len(numbers))
    return runs


def _course(number: int, rng: random.Random) -> Iterator[Told]:
    workflow, approval = WORKFLOWS[number % len(WORKFLOWS)], f"apr-{number:08d}"
    visit: dict[str, Any] = {"step": "decide", "visit": 1}
    amount = f"{rng.lognormvariate(4, 1):.2f}"
    action = {"tool": "pay", "arguments": {"amount": amount, "note": "as agreed"}}
    sure = round(rng.betavariate(6, 2), 4)
    rule = f"rule-{rng.randrange(12)}"
    kind = rng.choice(ANSWERS)
    said = {**visit, "confidence": sure, "reason": "It fits.", "producer": f"model-{number % 3}"}
    ids = {"approval": approval, **visit}
    yield "run.queued", {"workflow": workflow, "version": "1", "input": {"amount": amount}}
    yield "run.claimed", {"epoch": 1, "owner": "w"}
    yield "bundle.assembled", {**visit, "shown": [], "tokens": 900, "budget": 4000}
    proposed = {"status": "proposed", "proposed_action": {"type": "pay"}}
    yield "envelope.emitted", {**said, "node": "reasoning", **proposed}
    verdict = {"kind": "needs_approval", "rules": [rule]}
    signals = {"confidence": str(sure)}
    yield "gate.judged", {**visit, "action": action, "signals": signals, "verdict": verdict}
    yield "envelope.emitted", {**said, "node": "gate", "status": "needs_approval"}
    yield "approval.requested", {**ids, "rules": [rule]}
    yield "approval.opened", ids
    yield "run.paused", {}
    yield from _answered(approval, kind, action, said, rng)


def _answered(
    approval: str, kind: str, action: dict[str, Any], said: dict[str, Any], rng: random.Random
) -> Iterator[Told]:
    final = {"approve": "approved", "edit": "approved", "reject": "rejected"}.get(kind, "responded")
    edited = {**action, "arguments": {"amount": "10.00", "note": "as agreed"}}
    yield (
        "approval.decided",
        {
            "approval": approval,
            "operator": f"person-{rng.randrange(20)}",
            "roles": [f"role-{rng.randrange(4)}"],
            "kind": kind,
            "proposed": action,
            "effective": edited if kind == "edit" else action,
            "took": rng.lognormvariate(3, 1),
        },
    )
    yield "approval.closed", {"approval": approval, "status": final, "by": "p"}
    yield "run.claimed", {"epoch": 2, "owner": "w"}
    yield "envelope.emitted", {**said, "node": "gate", "status": "ok"}
    yield "action.executed", {"key": "k", "tool": "pay", "outcome": "executed"}
    yield "run.ended", {"state": "completed" if final == "approved" else "rejected", "reason": ""}
