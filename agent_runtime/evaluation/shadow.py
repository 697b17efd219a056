"""Shadows: what a workflow would have done, held against what people did beside it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from agent_runtime.action import digest
from agent_runtime.app import App
from agent_runtime.errors import Conflict, InvalidInput, ToolRefused
from agent_runtime.evaluation.edits import changes
from agent_runtime.event import Event
from agent_runtime.run import ENDS, Run
from agent_runtime.store import Session, Store
from agent_runtime.verdict import Operator

NOTHING = "none"
"""What stands for the tool where nothing was proposed, or nothing done."""


class Did(BaseModel):
    """What people did: one call of a write tool of the workflow, or nothing (no tool)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: str | None = None
    arguments: dict[str, Any] = {}


class Comparison(BaseModel):
    """A shadow's last proposal beside what people did. `verdict` and `rules`: what policy would
    have said; `fields`: how far apart the arguments are, 0 to 1, those that differ alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_id: str
    same: bool
    proposed: str
    did: str
    verdict: str
    rules: tuple[str, ...]
    fields: dict[str, float]


class Shadows:
    """Compares runs of shadows with what people did."""

    def __init__(self, store: Store, app: App) -> None:
        self._store = store
        self._app = app

    async def compare(self, operator: Operator, run_id: str, did: Did) -> Comparison:
        """Record what people did beside a run. Told again, it stays as it is.

        Raises NotFound, Conflict for a run that is no shadow's, has not ended or was compared with
        something else, InvalidInput for a tool or arguments that there are not.
        """
        run = self._store.read(operator.tenant).runs.get(run_id)
        done = self._whole(run, did)

        def compare(session: Session) -> Comparison:
            events = session.events.find(run_id)
            if session.runs.get(run_id).state not in ENDS:
                raise Conflict(f"Run {run_id} has not ended.", remedy="Compare it when it has.")
            if not self._app.workflow(run.workflow).shadow and _watched(events) is None:
                raise Conflict(f"Run {run_id} is no shadow's: it acts by itself.")
            known = [event.body or {} for event in events if event.type == "shadow.compared"]
            if known and known[-1]["did_digest"] != digest(done.model_dump()):
                raise Conflict(f"Run {run_id} was compared with something else already.")
            if known:
                return _told(run_id, known[-1])
            body = {**_compared(events, done), "did_digest": digest(done.model_dump())}
            session.events.append("shadow.compared", run_id, **body, by=operator.name)
            return _told(run_id, body)

        return await self._store.write(operator.tenant, compare)

    def _whole(self, run: Run, did: Did) -> Did:
        """With defaults filled in, as proposals are; raises InvalidInput."""
        if did.tool is None:
            if did.arguments:
                raise InvalidInput("arguments", did.arguments, "belong to a tool")
            return did
        tools = {
            tool.name: tool
            for step in self._app.workflow(run.workflow).steps
            for tool in step.reasoning.proposes
        }
        if did.tool not in tools:
            known = ", ".join(sorted(tools)) or "none"
            raise InvalidInput("tool", did.tool, "is not proposed there", remedy=f"It is: {known}.")
        tool = tools[did.tool]
        try:
            exact = tool.exact(tool.parse(did.arguments))
        except ToolRefused as error:
            raise InvalidInput("arguments", did.arguments, error.message) from error
        return Did(tool=did.tool, arguments=exact.arguments)


def _watched(events: list[Event]) -> dict[str, Any] | None:
    """The last proposal that was judged, and that nothing followed from."""
    found = [event.body for event in events if event.type == "shadow.watched" and event.body]
    return found[-1] if found else None


def _compared(events: list[Event], did: Did) -> dict[str, Any]:
    watched = _watched(events) or {"action": {}, "verdict": NOTHING, "rules": []}
    action = watched["action"]
    proposed, done = action.get("tool", NOTHING), did.tool or NOTHING
    alike = proposed == done
    fields = changes(action.get("arguments", {}), did.arguments) if alike else {}
    judged = {"verdict": watched["verdict"], "rules": watched["rules"]}
    return {"same": alike and not fields, "proposed": proposed, "did": done, **judged} | {
        "fields": fields
    }


def _told(run_id: str, body: dict[str, Any]) -> Comparison:
    known = {name: body[name] for name in Comparison.model_fields if name in body}
    return Comparison(run_id=run_id, **known)
