"""The audit's lines: one event of the history as who did what to which thing, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from agent_runtime.console.text import cut, words
from agent_runtime.event import Event, EventType

DECISIONS: tuple[EventType, ...] = (
    "approval.decided",
    "approval.closed",
    "approval.held",
    "approval.undone",
    "approval.claimed",
    "approval.released",
    "approval.delegated",
    "approval.commented",
)
RUNS: tuple[EventType, ...] = (
    "run.queued",
    "run.resumed",
    "run.forked",
    "run.migrated",
    "run.ended",
    "step.skipped",
    "action.executed",
    "action.settled",
    "action.voided",
    "outcome.recorded",
    "label.given",
)
_ADMINISTERED = (
    "alert", "data", "history", "knowledge", "notice", "policy", "rollout", "runs", "schedule",
    "subscription", "tenant", "token", "trigger",
)  # fmt: skip
_BY_NOBODY = ("schedule.skipped",)
ADMINISTRATION: tuple[EventType, ...] = (
    "run.pruned",
    *(
        one
        for one in get_args(EventType)
        if one.partition(".")[0] in _ADMINISTERED and one not in _BY_NOBODY
    ),
)
REFUSALS: tuple[EventType, ...] = ("access.refused", "tool.refused")

GROUPS: dict[str, tuple[EventType, ...]] = {
    "people": (*DECISIONS, *RUNS, *ADMINISTRATION, *REFUSALS),
    "decisions": DECISIONS,
    "runs": RUNS,
    "administration": ADMINISTRATION,
    "refusals": REFUSALS,
}
"""What can be asked for. The steps between are on each run's own page."""

ANSWERS = {"approve": "approved", "edit": "edited", "reject": "rejected", "respond": "answered"}
RUNTIME = "the runtime"

_REASONS = ("reason_code", "reason", "note", "why", "untried")
_WHO = ("operator", "by", "owner")
_THINGS = (
    "approval",
    "schedule",
    "subscription",
    "notice",
    "token",
    "policy",
    "change",
    "source",
    "trigger",
    "tenant",
    "rollout",
    "alert",
)
"""Fields that name what it was done to, the first of them that there is."""


@dataclass(frozen=True)
class Change:
    """One field, as it was and as it became; empty: it was not there."""

    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Entry:
    """One line. `link` leads to the item where it has a page; `erased`: its body is gone."""

    number: int
    at: datetime
    who: str
    channel: str
    did: str
    item: str
    link: str
    reason: str
    changes: tuple[Change, ...]
    hash: str
    erased: bool = False


def entry_of(event: Event) -> Entry:
    """An event as a line."""
    body = event.body or {}
    item, link = _item(event, body)
    return Entry(
        number=event.number,
        at=event.at,
        who=who_of(event),
        channel=str(body.get("channel") or ""),
        did=_did(event.type, body),
        item=item,
        link=link,
        reason=_reason(body),
        changes=tuple(_changes(body)),
        hash=event.hash.removeprefix("sha256:"),
        erased=event.body is None,
    )


def who_of(event: Event) -> str:
    """The person or system that did it; what nobody did, the runtime did."""
    body = event.body or {}
    trigger = body.get("trigger")
    known = {**(trigger if isinstance(trigger, Mapping) else {}), **body}
    return next((str(known[name]) for name in _WHO if known.get(name)), RUNTIME)


_DEEDS: dict[EventType, tuple[str, str, str]] = {
    "approval.closed": ("closed as {}", "status", "over"),
    "run.queued": ("started {}", "workflow", "a run"),
    "run.ended": ("ended as {}", "state", "over"),
    "access.refused": ("was refused to {}", "act", "act"),
    "approval.delegated": ("delegated to {}", "to", "somebody"),
}
"""How a deed is told: the words, the field that completes them, and what stands for it."""


def _did(kind: EventType, body: Mapping[str, Any]) -> str:
    if kind == "approval.decided":
        return ANSWERS.get(str(body.get("kind")), "decided")
    if kind in _DEEDS:
        told, name, otherwise = _DEEDS[kind]
        return told.format(body.get(name, otherwise))
    thing, _, what = kind.partition(".")
    return f"{what} {thing}"


def _item(event: Event, body: Mapping[str, Any]) -> tuple[str, str]:
    for name in _THINGS:
        if isinstance(body.get(name), str):
            link = f"/inbox/{body[name]}" if name == "approval" else ""
            return str(body[name]), link
    if event.run_id is not None:
        return event.run_id, f"/runs/{event.run_id}"
    return str(body.get("id", "")), ""


def _reason(body: Mapping[str, Any]) -> str:
    told = [str(body.get(name) or "") for name in _REASONS]
    rules = body.get("rules")
    named = ", ".join(map(str, rules)) if isinstance(rules, list) else ""
    return " · ".join([part for part in (*told, named) if part])


def _changes(body: Mapping[str, Any]) -> Iterable[Change]:
    """What an answer changed in the proposal."""
    before, after = _arguments(body.get("proposed")), _arguments(body.get("effective"))
    if not after:
        return
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield Change(words(name), _value(before, name), _value(after, name))


def _arguments(action: Any) -> Mapping[str, Any]:
    found = action.get("arguments") if isinstance(action, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _value(fields: Mapping[str, Any], name: str) -> str:
    return "" if fields.get(name) is None else cut(fields[name], 200)
