"""Runs, approvals and events in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from agent_runtime.approval import Approval
from agent_runtime.decision import waiting_roles
from agent_runtime.event import Event
from agent_runtime.run import Run
from agent_runtime.store import Session


def event_line(event: Event) -> str:
    """One event as one line: when, which run, what."""
    body = event.body or {}
    when, run = event.at.strftime("%H:%M:%S"), (event.run_id or "-")[-9:]
    return f"{when} {run} {event.type:<18} {_describe(event.type, body)}".rstrip()


def _describe(kind: str, body: dict[str, Any]) -> str:
    match kind:
        case "envelope.emitted":
            return f"{body['node']:<9} {body['status']:<14} {_producer(body)}{body['reason']}"
        case "gate.judged":
            verdict = body["verdict"]
            return f"{verdict['kind']}: {', '.join(verdict['rules'])}"
        case "bundle.assembled":
            left = f", {len(body['left_out'])} left out" if body["left_out"] else ""
            return f"{len(body['shown'])} passages, {body['tokens']}/{body['budget']} tokens{left}"
        case "approval.decided":
            words = f" ({body['reason']})" if body["reason"] else ""
            return f"{body['operator']}: {body['kind']} → {body['status']}{words}"
        case "action.voided":
            return str(body["text"])
        case _:
            shown = {k: v for k, v in body.items() if isinstance(v, str | int) and v != ""}
            return " ".join(f"{name}={value}" for name, value in list(shown.items())[:6])


def _producer(body: dict[str, Any]) -> str:
    if body["node"] != "reasoning":
        return ""
    return f"[{body.get('producer', '')} {body['confidence']:.2f}] "


def run_lines(run: Run, events: Iterable[Event], approvals: Sequence[Approval]) -> list[str]:
    """One run told from start to end."""
    lines = [
        f"run {run.id} · {run.workflow} {run.version} · {run.state}",
        f"started by {run.trigger.kind} {run.trigger.owner}, key {run.trigger.key or '-'}",
    ]
    if run.reason:
        lines.append(f"because: {run.reason}")
    lines += [event_line(event) for event in events]
    for approval in approvals:
        people = ", ".join(f"{d.operator} {d.kind}" for d in approval.decisions) or "nobody yet"
        lines.append(f"approval {approval.id}: {approval.status}, answered by {people}")
    return lines


def approval_row(approval: Approval) -> tuple[str, ...]:
    """One approval as a row of the list."""
    return (
        approval.id,
        approval.action.tool,
        approval.action.target_id,
        "-" if approval.amount is None else f"{approval.amount:.2f}",
        ", ".join(waiting_roles(approval)) or "-",
        ", ".join(approval.rules),
        approval.status,
        approval.deadline.strftime("%Y-%m-%d %H:%M"),
    )


def approval_lines(session: Session, approval: Approval) -> list[str]:
    """One approval in the order of thought: what, why a person, what it rests on, so far."""
    amount = "" if approval.amount is None else f", {approval.amount:.2f} (computed)"
    lines = [
        f"approval {approval.id} · {approval.status} · run {approval.run_id}",
        f"would execute: {approval.action.tool} on {approval.action.target_id}{amount}",
        f"arguments: {_pairs(approval.action.arguments)}",
        f"asked because: {', '.join([*approval.rules, *approval.reasons])}",
        f"facts: {_pairs(approval.facts)}",
        f"signals: {_pairs(approval.signals.model_dump(mode='json'))}",
    ]
    envelope = _proposal(session, approval)
    if envelope is not None:
        lines.append(f"confidence {envelope['confidence']:.2f}: {envelope['reason']}")
        lines += [f"  “{cited['quote']}” — {cited['source']}" for cited in envelope["evidence"]]
    lines += [f"{d.operator} ({d.channel}): {d.kind} {d.reason}" for d in approval.decisions]
    if approval.status == "open":
        ends = (
            "asks " + ", ".join(s.role for s in approval.escalate)
            if approval.escalate
            else "expires"
        )
        lines.append(f"still asks: {', '.join(waiting_roles(approval))}")
        lines.append(f"at {approval.deadline:%Y-%m-%d %H:%M} UTC it {ends}")
        lines.append(f"digest: {approval.digest}")
    return lines


def _proposal(session: Session, approval: Approval) -> dict[str, Any] | None:
    found = [
        event.body
        for event in session.events.find(approval.run_id)
        if event.type == "envelope.emitted"
        and event.body is not None
        and event.body.get("node") == "reasoning"
        and event.body.get("visit") == approval.visit
        and event.body.get("step") == approval.step
    ]
    return found[-1] if found else None


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items() if value is not None)
