"""The sheet: everything about one question, put together in the order of thought."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from agent_runtime.access import Caller, an_approval
from agent_runtime.api.site import Site
from agent_runtime.approval import Approval
from agent_runtime.candidacy import is_candidate
from agent_runtime.comment import Comment
from agent_runtime.console.claims import Claim, Passage, claims_of, shown_in
from agent_runtime.console.reasons import Reason, raised, reasons_of
from agent_runtime.console.row import Row, row_of, state_of, waits_for
from agent_runtime.console.track import Meaning, Track
from agent_runtime.envelope import Envelope
from agent_runtime.errors import AgentRuntimeError
from agent_runtime.event import Event
from agent_runtime.run import Run

TRACK = Track()


@dataclass(frozen=True)
class Stop:
    """One step of the path taken. `is_here`: the one that asks."""

    step: str
    times: int
    status: str
    is_here: bool


@dataclass(frozen=True)
class Sheet:
    """One question with what stands around it.

    `malformed`: why its proposal cannot be shown as what it should be; then it is shown raw.
    `why_not`: why this person may not decide; empty: they may. `why_no_yes`: why they may only say
    no.
    """

    asked: Approval
    row: Row
    run: Run
    reasons: list[Reason]
    doubts: list[str]
    envelope: dict[str, Any] | None
    malformed: str
    claims: list[Claim]
    uncited: list[Passage]
    meaning: Meaning
    path: list[Stop]
    comments: list[Comment]
    waits: str
    why_not: str
    why_no_yes: str

    @property
    def title(self) -> str:
        """For the page's title."""
        return f"{self.row.what}, {self.row.target}"

    @property
    def stamp(self) -> str:
        """Names what is asked as it stands, whoever is looking: a page that shows this much is
        true."""
        asked = self.asked
        answers = [*asked.decisions, *asked.delegations]
        read = asked.facts_read_at.isoformat() if asked.facts_read_at else ""
        what = (asked.status, asked.digest[7:19], len(answers), asked.deadline.isoformat(), read)
        return " ".join(map(str, what))

    @property
    def says(self) -> str:
        """The proposal's own words. What is stored may be anything."""
        return str((self.envelope or {}).get("reason") or "It gives no reason.")

    @property
    def producer(self) -> str:
        """What wrote the proposal."""
        return str((self.envelope or {}).get("producer") or "")

    @property
    def stated(self) -> str:
        """The amount that the proposal states, where it is another one than counts."""
        action = (self.envelope or {}).get("proposed_action")
        said = action.get("stated_amount") if isinstance(action, dict) else None
        return "" if said is None or str(said) == str(self.asked.amount) else str(said)


def sheet_of(site: Site, caller: Caller, asked: Approval) -> Sheet:
    """Read all of it; raises NotFound where the run is gone."""
    session = site.read(caller)
    run = site.shown(caller, session.runs.get(asked.run_id))
    events = session.events.find(asked.run_id)
    envelope = _proposal(events, asked)
    passages = shown_in(session, events)
    claims = claims_of(envelope, passages)
    cited = {claim.source for claim in claims}
    return Sheet(
        asked=asked,
        row=row_of(asked, caller, session.now),
        run=run,
        reasons=reasons_of(asked, site.runtime.policies_of(run).get(asked.policy)),
        doubts=raised(asked.signals),
        envelope=envelope,
        malformed=_malformed(envelope),
        claims=claims,
        uncited=[one for one in passages if one.source not in cited],
        meaning=TRACK.meaning(site.runtime.desk, asked),
        path=_path(events, asked),
        comments=session.comments.find(asked.id),
        waits=waits_for(asked),
        why_not=_why_not(site, caller, asked, run),
        why_no_yes=_why_no_yes(site, caller, asked),
    )


def _proposal(events: list[Event], asked: Approval) -> dict[str, Any] | None:
    """What reasoning said in this visit of the step."""
    for event in reversed(events):
        body = event.body or {}
        place = (event.type, body.get("node"), body.get("step"), body.get("visit"))
        if place == ("envelope.emitted", "reasoning", asked.step, asked.visit):
            return body
    return None


def _malformed(envelope: dict[str, Any] | None) -> str:
    if envelope is None:
        return "What the model concluded is not in the store; it was pruned or erased."
    known = {name: value for name, value in envelope.items() if name in Envelope.model_fields}
    try:
        Envelope.model_validate_json(json.dumps(known))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'envelope'}: {first['msg']}"
    return ""


def _path(events: list[Event], asked: Approval) -> list[Stop]:
    """The steps in the order they were first come to, with how often."""
    times: dict[str, int] = {}
    status: dict[str, str] = {}
    for event in events:
        body = event.body or {}
        if event.type == "envelope.emitted" and "step" in body:
            if body.get("node") == "reasoning":
                times[body["step"]] = times.get(body["step"], 0) + 1
            status[body["step"]] = str(body.get("status", ""))
    return [Stop(name, n, status.get(name, ""), name == asked.step) for name, n in times.items()]


def _why_not(site: Site, caller: Caller, asked: Approval, run: Run) -> str:
    """Why this person may not decide now, in words; the API says the same to whoever tries."""
    if asked.status == "held":
        mine = asked.held_by == caller.name
        return "" if mine else f"{asked.held_by} has answered; only they can undo it."
    if asked.status != "open":
        return f"This is {state_of(asked.status).label}."
    if not site.runtime.app.access.ask(caller, "decide", an_approval(asked, run)).counts:
        mine = asked.started_by == caller.name
        whose = "You started this run, so somebody else decides."
        return whose if mine else "Your roles do not let you decide."
    return _no_say(caller, asked)


def _no_say(caller: Caller, asked: Approval) -> str:
    """The same for an open question, as far as it is about this person's part in it."""
    if any(one.operator == caller.name for one in asked.decisions):
        return "You have answered; others are still asked."
    if asked.handed_on(caller.name):
        return "You have handed your part to somebody else."
    if not is_candidate(asked, caller.operator):
        return f"It waits for {waits_for(asked)}, which you are not."
    return ""


def _why_no_yes(site: Site, caller: Caller, asked: Approval) -> str:
    """Why this person's yes would not count, though they may say no; empty: it would."""
    if asked.status != "open":
        return ""
    try:
        ruling = site.runtime.desk.ruling(asked, caller.operator)
    except AgentRuntimeError as error:
        return str(error)
    why = ", ".join([*ruling.rules, *ruling.reasons])
    return "" if ruling.counts else f"Your yes does not count here ({why})."
