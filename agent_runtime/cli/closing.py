"""The demo's end: what was executed, what was refused and why, and where to look deeper."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent_runtime.cli.cost import cost_lines, total_line
from agent_runtime.cli.explain import pairs
from agent_runtime.cli.opening import Place
from agent_runtime.cli.screen import Screen
from agent_runtime.cli.visible import short
from agent_runtime.event import Event
from agent_runtime.models.offline import LABEL
from agent_runtime.runtime import Runtime
from agent_runtime.store import Session


def summarize(runtime: Runtime, screen: Screen, keys: Mapping[str, str]) -> dict[str, Any]:
    """What the stored history says, told and counted. `keys`: the requests' keys by run."""
    session = runtime.store.read("default")
    events = session.events.find(limit=1_000_000)
    decided = Counter(e.body["kind"] for e in events if e.type == "approval.decided" and e.body)
    decided["expire"] = sum(a.status == "expired" for a in session.approvals.find())
    refused = [event for event in events if _is_refusal(event)]
    executed = [entry for entry in session.journal.find() if entry.state == "executed"]
    done = [f"{keys[e.run_id]}  {e.tool}: {_outcome(e.result)}" for e in executed]
    _tell(screen, "Executed", done)
    _tell(screen, "Refused", [f"{keys[e.run_id or '']}  {_why(e)}" for e in refused])
    _tell(screen, "Stopped by people, or for want of an answer", _stopped(session, events, keys))
    calls = [call for run_id in keys for call in session.calls.find(run_id) if call.model != LABEL]
    if calls:
        _tell(screen, "Models", [*(line.strip() for line in cost_lines(calls)), total_line(calls)])
    return {
        "runs": session.runs.count(),
        "approvals": {kind: n for kind, n in decided.items() if n},
        "executed": len(executed),
        "refused": len(refused),
        "unattended": sum(_is_unattended(event) for event in events),
        "chain_verified": not runtime.verify().problem,
    }


def conclude(screen: Screen, summary: dict[str, Any], place: Place) -> None:
    """The numbers, and the commands that look deeper."""
    lines = [
        f"{name}: {', '.join(f'{n} {state}' for state, n in summary[name].items()) or 'none'}"
        for name in ("runs", "approvals")
    ]
    lines.append(
        f"actions: {summary['executed']} executed, {summary['unattended']} of them unattended;"
        f" {summary['refused']} proposals refused"
    )
    chain = "verified, it holds" if summary["chain_verified"] else "BROKEN"
    lines.append(f"event chain: {chain}; all in {summary['seconds']} s")
    _tell(screen, "Summary", lines)
    _tell(screen, "Look deeper", _commands(place))
    screen.document(summary)


def _tell(screen: Screen, title: str, lines: Sequence[str]) -> None:
    screen.line()
    screen.line(title, style="bold")
    screen.lines(f"  {line}" for line in lines or ["nothing"])


def _stopped(session: Session, events: Sequence[Event], keys: Mapping[str, str]) -> list[str]:
    noes = {e.run_id: e.body["operator"] for e in events if _is_no(e) and e.body}
    return [
        f"{keys[run.id]}  {noes.get(run.id, 'nobody')}: {short(run.reason)}"
        for run in session.runs.find(["rejected", "expired"])
        if run.id in noes or run.state == "expired"
    ]


def _commands(place: Place) -> list[str]:
    """Commands that can be pasted as they are, whatever folders this demo was given."""
    app = [] if place.folder == Path() else ["--app", str(place.folder)]
    data = [] if place.chosen is None else ["--data", str(place.chosen)]
    program = "agent-runtime" if shutil.which("agent-runtime") else sys.argv[0]
    commands = ("runs list", "runs show RUN", "approvals list --all", "events tail")
    whole = [[program, *command.split(), *app, *data] for command in (*commands, "events verify")]
    return [shlex.join(words) for words in [*whole, [program, "workflows", "draw", "refund", *app]]]


def _is_refusal(event: Event) -> bool:
    body = event.body or {}
    denied = event.type == "gate.judged" and body.get("verdict", {}).get("kind") == "deny"
    return denied or event.type in ("tool.refused", "action.voided")


def _is_no(event: Event) -> bool:
    return event.type == "approval.decided" and (event.body or {}).get("kind") == "reject"


def _is_unattended(event: Event) -> bool:
    return event.type == "action.authorized" and (event.body or {}).get("by") == "policy"


def _why(event: Event) -> str:
    body = event.body or {}
    if event.type == "gate.judged":
        return f"policy: {', '.join([*body['verdict']['rules'], *body['verdict']['reasons']])}"
    return str(body.get("text") or f"{body.get('tool')}: {body.get('why')}")


def _outcome(result: Any) -> str:
    return pairs(result) if isinstance(result, dict) else str(result)
