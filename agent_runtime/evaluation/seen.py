"""What a run has left to be judged by: its input, what reasoning said, and what was executed."""

from __future__ import annotations

from typing import Any

from agent_runtime.quality import Seen
from agent_runtime.store import Session


def see(session: Session, run_id: str) -> Seen:
    """One run; raises NotFound. Of one whose content was pruned, what is left."""
    run = session.runs.get(run_id)
    bodies = [(event.type, event.body) for event in session.events.find(run_id) if event.body]
    actions: dict[str, Any] = {
        body["action_digest"]: body["action"] for kind, body in bodies if kind == "gate.judged"
    }
    for asked in session.approvals.find(run_id=run_id):  # an edited action was asked about anew
        actions[asked.action_digest] = asked.action.model_dump(mode="json")
    done = [entry for entry in session.journal.find(run_id) if entry.state == "executed"]
    return Seen(
        workflow=run.workflow,
        state=run.state,
        input=run.input,
        envelopes=[
            body
            for kind, body in bodies
            if kind == "envelope.emitted" and body.get("node") == "reasoning"
        ],
        executed=[actions[entry.action_digest] for entry in done if entry.action_digest in actions],
    )
