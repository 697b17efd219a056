"""Weeks of an office's history, for screens that show figures: refunds asked about and decided."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from agent_runtime.clock import ManualClock
from agent_runtime.event import EventType
from agent_runtime.store import Session, Store

RULES = ("refund-ask-lead",) * 8 + ("refund-ask-finance",) * 3 + ("base-contradiction",)
SHARES = {
    "refund-ask-lead": ("approve",) * 16 + ("edit",) * 2 + ("reject", "respond"),
    "refund-ask-finance": ("approve",) * 12 + ("edit",) * 3 + ("reject",) * 4 + ("respond",),
    "base-contradiction": ("approve",) * 5 + ("edit",) * 5 + ("reject",) * 8 + ("respond",) * 2,
}
PEOPLE = {"support_lead": ("lena", "marek"), "finance": ("ines", "tom")}
ACTION: dict[str, Any] = {"tool": "approve_refund", "arguments": {"order_id": "order-8833"}}
PART = {**ACTION, "arguments": {"order_id": "order-8833", "amount": "20.00"}}
ENDS = {"approve": "approved", "edit": "approved", "reject": "rejected", "respond": "responded"}

Told = tuple[EventType, dict[str, Any]]


async def remember(store: Store, clock: ManualClock, runs: int, days: float) -> None:
    """Write that many runs, spread over so many days from the clock's time on."""
    rng = random.Random(7)  # noqa: S311 — an invented history, always the same
    begun, step = clock.now(), timedelta(days=days) / runs
    for number in range(runs):
        clock.move(max(timedelta(), begun + step * number - clock.now()))
        for seconds, told in _course(number, rng):
            clock.move(timedelta(seconds=seconds))
            await store.write("default", _writer(f"run-{number:08d}", told))


def _writer(run: str, told: list[Told]) -> Any:
    def write(session: Session) -> None:
        for kind, body in told:
            session.events.append(kind, run, **body)

    return write


def _course(number: int, rng: random.Random) -> Iterator[tuple[float, list[Told]]]:
    """One run: after how many seconds what happened."""
    visit: dict[str, Any] = {"step": "draft_refund_decision", "visit": 1}
    rule, approval = rng.choice(RULES), f"apr-{number:08d}"
    role = "finance" if rule == "refund-ask-finance" else "support_lead"
    amount, sure = f"{rng.lognormvariate(5, 0.8):.2f}", round(rng.betavariate(6, 2), 4)
    kind = rng.choice(SHARES[rule]) if rng.random() < 0.3 + sure * 0.8 else "reject"
    took, end = rng.lognormvariate(3.6, 0.8), ENDS[kind]
    yield 0, [("run.queued", {"workflow": "refund", "version": "1", "input": {"amount": amount}})]
    bundle = {**visit, "shown": [], "tokens": 380, "budget": 3000}
    begun: list[Told] = [("run.claimed", {"epoch": 1, "owner": "w"}), ("bundle.assembled", bundle)]
    yield rng.uniform(0.1, 0.9), begun
    yield rng.uniform(1.5, 6.0), _asked(visit, approval, rule, sure)
    decided = {
        "approval": approval,
        "operator": rng.choice(PEOPLE[role]),
        "roles": [role],
        "kind": kind,
        "proposed": ACTION,
        "effective": PART if kind == "edit" else ACTION,
        "took": took,
    }
    closed = {"approval": approval, "status": end, "by": decided["operator"]}
    answered: list[Told] = [("approval.decided", decided), ("approval.closed", closed)]
    answered.append(("run.claimed", {"epoch": 2, "owner": "w"}))
    yield took + rng.lognormvariate(5.5, 1), answered
    state = "completed" if end == "approved" else "rejected"
    yield rng.uniform(0.2, 2.0), [("run.ended", {"state": state, "reason": ""})]


def _asked(visit: dict[str, Any], approval: str, rule: str, sure: float) -> list[Told]:
    said = {**visit, "confidence": sure, "producer": "offline", "reason": "Within the window."}
    proposed = {"status": "proposed", "proposed_action": {"type": ACTION["tool"]}}
    verdict = {"kind": "needs_approval", "rules": [rule]}
    judged = {"action": ACTION, "signals": {"confidence": str(sure)}, "verdict": verdict}
    about = {"approval": approval, **visit}
    return [
        ("envelope.emitted", {**said, "node": "reasoning", **proposed}),
        ("gate.judged", {**visit, **judged}),
        ("envelope.emitted", {**said, "node": "gate", "status": "needs_approval"}),
        ("approval.requested", {**about, "rules": [rule]}),
        ("approval.opened", about),
        ("run.paused", {}),
    ]
