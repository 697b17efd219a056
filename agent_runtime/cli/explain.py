"""Runs, approvals and events in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from agent_runtime.approval import Approval
from agent_runtime.candidacy import waiting_roles
from agent_runtime.cli.cost import cost_lines
from agent_runtime.cli.visible import short
from agent_runtime.event import Event
from agent_runtime.run import Run
from agent_runtime.signal import Signals
from agent_runtime.store import JournalEntry
from agent_runtime.store.calls import ModelCall

_LEFT_OUT = frozenset({"approval", "step", "visit", "digest", "key", "at"})
"""Fields of an event's body that `--json` shows and a line of history has no room for."""


def event_line(event: Event, *, with_run: bool = False) -> str:
    """One event as one line: when (UTC), which run where that isn't clear, what."""
    when = event.at.strftime("%Y-%m-%d %H:%M:%S")
    run = f"{event.run_id or '-':<24} " if with_run else ""
    return f"{when} {run}{event.type:<18} {describe(event)}".rstrip()


def describe(event: Event) -> str:
    """What an event says, without when and where."""
    if event.body is None:
        return "(its content was erased)"
    return _DESCRIBERS.get(event.type, _fields)(event.body)


def run_lines(
    run: Run,
    events: Iterable[Event],
    approvals: Sequence[Approval],
    journal: Sequence[JournalEntry],
    calls: Sequence[ModelCall] = (),
) -> list[str]:
    """One run told from start to end, its input as its history tells it."""
    events = list(events)
    queued = next((e.body for e in events if e.type == "run.queued" and e.body), {})
    lines = [
        f"run {run.id} is {run.state}{f': {run.reason}' if run.reason else ''}",
        *([] if run.origin is None else [f"  {run.origin}"]),
        f"  workflow  {run.workflow}, version {run.version}",
        f"  started   {_minute(run.created_at)} by {run.trigger.kind} of {run.trigger.owner},"
        f" key {run.trigger.key or '-'}",
        f"  input     {pairs(queued.get('input', {}))}",
        "",
        *(event_line(event) for event in events),
    ]
    if approvals:
        lines += ["", "approvals"]
    for approval in approvals:
        people = ", ".join(f"{d.operator} ({d.kind})" for d in approval.decisions) or "nobody"
        lines.append(f"  {approval.id} is {approval.status}; answered by {people}")
    if journal:
        lines += ["", "calls of write tools"]
    lines += [f"  {entry.tool} is {entry.state}: {_result(entry.result)}" for entry in journal]
    if calls:
        lines += ["", "models", *cost_lines(calls)]
    return lines


def next_lines(run: Run, approvals: Sequence[Approval]) -> list[str]:
    """What a person can do about a run that waits."""
    match run.state:
        case "paused":
            asked = [approval.id for approval in approvals if approval.status == "open"]
            return [line for approval_id in asked for line in decide_lines(approval_id)]
        case "queued" | "running":
            return [f"Go on with: agent-runtime runs resume {run.id}"]
        case "needs_attention" | "version_mismatch":
            return [f"Go on with: agent-runtime runs resume {run.id} --as NAME"]
        case "outcome_unknown":
            how = "happened|did-not-happen|retry"
            return [f"Settle with: agent-runtime runs settle {run.id} {how} --as NAME"]
        case _:
            return []


def decide_lines(approval_id: str) -> list[str]:
    """How an open question is read and answered."""
    return [
        f"Look at it: agent-runtime approvals show {approval_id}",
        f"Answer it:  agent-runtime approvals decide {approval_id} approve|reject --as NAME",
    ]


def run_row(run: Run) -> tuple[str, ...]:
    """One run as a row of the list."""
    started = _minute(run.created_at)
    return (run.id, run.workflow, run.state, started, run.trigger.key or "-", run.reason)


def approval_row(approval: Approval) -> tuple[str, ...]:
    """One approval as a row of the list."""
    pending = approval.status in ("requested", "open")
    return (
        approval.id,
        approval.action.tool,
        approval.action.target_id,
        "-" if approval.amount is None else f"{approval.amount:.2f}",
        approval.status,
        ", ".join(waiting_roles(approval)) if pending else "-",
        _minute(approval.deadline),
        ", ".join(approval.rules),
    )


def approval_lines(approval: Approval, run: Run, events: Iterable[Event]) -> list[str]:
    """One approval in the order of thought: what, why a person, what it rests on, so far.
    `events` are its run's."""
    amount = "" if approval.amount is None else f", {approval.amount:.2f} by the books"
    envelope = _proposal(events, approval) or {"confidence": 0, "reason": "-", "evidence": []}
    return [
        f"approval {approval.id} is {approval.status}",
        f"  action    {approval.action.tool} on {approval.action.target_id}{amount}",
        f"  arguments {pairs(approval.action.arguments)}",
        f"  asked by  {', '.join([*approval.rules, *approval.reasons])}",
        f"  request   {pairs(run.input)}",
        f"  proposal  {envelope['reason']} (confidence {envelope['confidence']:.2f})",
        *(f"    “{cited['quote']}” — {cited['source']}" for cited in envelope["evidence"]),
        f"  facts     {pairs(approval.facts)}",
        f"  signals   {_raised(approval.signals)}",
        f"  run       {approval.run_id}, step {approval.step}, visit {approval.visit}",
        f"  digest    {approval.digest}",
        *(f"  {_minute(d.at)} {d.operator} {d.kind} {d.reason}" for d in approval.decisions),
        *_end_lines(approval),
    ]


def pairs(values: dict[str, Any]) -> str:
    """Names and values on one line; what is absent is left out."""
    told = {True: "yes", False: "no"}
    return ", ".join(
        f"{name}={told[value] if isinstance(value, bool) else value}"
        for name, value in values.items()
        if value is not None
    )


def _end_lines(approval: Approval) -> list[str]:
    if approval.status == "held" and approval.effective_at is not None:
        until = approval.effective_at.strftime("%H:%M:%S")
        return [f"  held by {approval.held_by}, who may undo it until {until} UTC"]
    if approval.status != "open":
        replaced = f", replaced by {approval.replaced_by}" if approval.replaced_by else ""
        return [f"  {approval.status} by {approval.closed_by or '-'}{replaced}"]
    then = ", ".join(slot.role for slot in approval.escalate)
    ends = f"then {then} is asked" if then else "then it expires"
    return [
        f"  waits for {', '.join(waiting_roles(approval))}",
        f"  until     {_minute(approval.deadline)} UTC, {ends}",
    ]


def _proposal(events: Iterable[Event], approval: Approval) -> dict[str, Any] | None:
    found = [
        event.body
        for event in events
        if event.type == "envelope.emitted"
        and event.body is not None
        and event.body.get("node") == "reasoning"
        and event.body.get("visit") == approval.visit
        and event.body.get("step") == approval.step
    ]
    return found[-1] if found else None


def _raised(signals: Signals) -> str:
    """The signals that call for caution; the others say nothing."""
    if signals.clean:
        return "none is raised"
    silent = {"clean", "confident", "context_tokens", "confidence"}
    # Where values come from is no doubt by itself, and `findings` say what `guards` only name.
    silent |= {"asked_for", "from_tools", "guards"}
    values = signals.model_dump(exclude=silent)
    found = {name: value for name, value in values.items() if value}
    low = {} if signals.confident else {"confidence": f"{signals.confidence:.2f} is low"}
    return pairs({**low, **found}) or "-"


def _envelope(body: dict[str, Any]) -> str:
    return f"{body['node']:<9} {body['status']:<14} {_producer(body)}{body['reason']}"


def _verdict(body: dict[str, Any]) -> str:
    verdict = body["verdict"]
    return f"{verdict['kind']}: {', '.join([*verdict['rules'], *verdict['reasons']])}"


def _bundle(body: dict[str, Any]) -> str:
    left = f", {len(body['left_out'])} left out" if body["left_out"] else ""
    return f"{len(body['shown'])} passages, {body['tokens']}/{body['budget']} tokens{left}"


def _decision(body: dict[str, Any]) -> str:
    words = f" ({body['reason']})" if body["reason"] else ""
    missing = f"; still asks {', '.join(body['missing'])}" if body["missing"] else ""
    return f"{body['operator']}: {body['kind']}{words}{missing}"


def _question(body: dict[str, Any]) -> str:
    by = f", {body['status']} by {body['by']}" if "by" in body else ""
    return f"{body['approval']}{by}"


def _fields(body: dict[str, Any]) -> str:
    # Sorted, as bodies come back from the store: an event reads the same live and afterwards.
    shown = {k: v for k, v in sorted(body.items()) if isinstance(v, str | int) and v != ""}
    return pairs({k: v for k, v in shown.items() if k not in _LEFT_OUT})


def _producer(body: dict[str, Any]) -> str:
    if body["node"] != "reasoning":
        return ""
    return f"[{body.get('producer', '')} {body['confidence']:.2f}] "


def _result(result: Any) -> str:
    return pairs(result) if isinstance(result, dict) else short(str(result or "-"), 200)


def _minute(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")


_DESCRIBERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "envelope.emitted": _envelope,
    "gate.judged": _verdict,
    "bundle.assembled": _bundle,
    "approval.decided": _decision,
    "approval.requested": _question,
    "approval.opened": _question,
    "approval.closed": _question,
    "action.voided": lambda body: str(body["text"]),
}
