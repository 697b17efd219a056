"""The trail of one passage: from the quotes of envelopes back to its document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from agent_runtime.errors import NotFound
from agent_runtime.evidence import Evidence, LeftOut, Shown, unverified
from agent_runtime.knowledge.standing import Standing, standing_of
from agent_runtime.source import Source
from agent_runtime.store import Session


class Quote(BaseModel):
    """Words that an envelope took from the passage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: str
    node: str
    visit: int
    quote: str
    verified: bool


class Trail(BaseModel):
    """All that is known of one passage that a run was shown. `left_out`: what its bundle
    left out, with the reason."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    content: str
    passage: Shown
    quotes: list[Quote]
    standing: Standing
    document: Source | None
    left_out: list[LeftOut]
    warnings: list[str]


def trace(session: Session, run_id: str, content: str) -> Trail:
    """Follow one passage of a run; raises NotFound where it was never shown it, or it is gone."""
    events = [event for event in session.events.find(run_id) if event.body is not None]
    bundles = [e.body or {} for e in events if e.type == "bundle.assembled"]
    shown_in = [body for body in bundles if content in body["shown"]]
    kept = session.recordings.kept(content) if shown_in else None
    if kept is None:
        raise NotFound("passage of this run", content, remedy="It may have been pruned.")
    passage = Shown.model_validate(kept)
    standing, document = standing_of(session, passage, session.now.date())
    return Trail(
        content=content,
        passage=passage,
        quotes=[
            quote
            for event in events
            if event.type == "envelope.emitted"
            for quote in _quotes(event.body or {}, passage)
        ],
        standing=standing,
        document=document,
        left_out=[LeftOut.model_validate(left) for left in shown_in[0]["left_out"]],
        warnings=shown_in[0].get("warnings", []),
    )


def traces(session: Session, run_id: str) -> list[Trail]:
    """The trails of all that a run was shown and that is still there, in order; raises NotFound."""
    session.runs.get(run_id)
    bundles = [e.body for e in session.events.find(run_id) if e.type == "bundle.assembled"]
    names = dict.fromkeys(name for body in bundles if body is not None for name in body["shown"])
    kept = [name for name in names if session.recordings.kept(name) is not None]
    return [trace(session, run_id, name) for name in kept]


def _quotes(envelope: dict[str, Any], passage: Shown) -> list[Quote]:
    cited = [Evidence.model_validate(one) for one in envelope.get("evidence", [])]
    return [
        Quote(
            step=envelope["step"],
            node=envelope.get("node") or "",
            visit=envelope.get("visit") or 1,
            quote=one.quote,
            verified=not unverified((one,), [passage]),
        )
        for one in cited
        if one.source == passage.source and one.quote
    ]
