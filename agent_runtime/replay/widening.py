"""Widening: what the past says about decisions that nobody would be asked about any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from agent_runtime.policy.change import Widening
from agent_runtime.replay.rehearsal import Changed, Rehearsal
from agent_runtime.store import Session


def evidence(session: Session, rules: Sequence[str], found: Rehearsal | None) -> Widening | None:
    """What people did about just those decisions, asked or beside a shadow; None where no rule
    and no decision says that more would run unattended."""
    freed = [one for one in found.changes if one.kind == "now unattended"] if found else []
    if not rules and not freed:
        return None
    said = Counter(one.people for one in freed)
    compared = [same for one in freed if (same := _did_the_same(session, one)) is not None]
    return Widening(
        rules=tuple(rules),
        rehearsed=0 if found is None else found.decisions,
        unattended=len(freed),
        approved=said["approved"],
        edited=said["edited"],
        rejected=said["rejected"],
        shadows=len(compared),
        alike=sum(compared),
    )


def _did_the_same(session: Session, one: Changed) -> bool | None:
    """Whether people did what a shadow had proposed; None: it was none, or nobody told."""
    events = session.events.find(one.run)
    told = [event.body for event in events if event.type == "shadow.compared" and event.body]
    return bool(told[-1]["same"]) if told else None
