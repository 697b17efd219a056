"""Declared rollouts: variants that prompts' own files give a share of runs, watched like others."""

from __future__ import annotations

from collections.abc import Iterator

from agent_runtime.app import App
from agent_runtime.drawn import spans_of
from agent_runtime.evaluation.plan import planned
from agent_runtime.rollout import DEPLOYMENT, Look, Rollout, Span, Trial
from agent_runtime.run import new_id
from agent_runtime.store import Session, Store


class Declared:
    """Keeps one installation's rollouts as its prompts declare them."""

    def __init__(self, store: Store, app: App) -> None:
        self._store = store
        self._app = app

    async def follow(self, tenant: str) -> None:
        """Watch the variants that are declared now, and no longer those that are not."""
        running = {
            (one.workflow, one.candidate): one
            for one in self._store.read(tenant).rollouts.find()
            if one.state == "running" and one.declared is not None
        }
        wanted = {(workflow, name): (prompt, s) for workflow, name, prompt, s in self._spans()}
        for place, one in running.items():
            if place not in wanted or wanted[place][1] != one.declared:
                await self._store.write(tenant, lambda s, i=one.id: _undeclare(s, i))  # type: ignore[misc]  # bound per turn
        for place, (prompt, span) in wanted.items():
            if place not in running or running[place].declared != span:
                await self._watch(tenant, place, prompt, span)

    def _spans(self) -> Iterator[tuple[str, str, str, Span]]:
        """Workflow, variant, prompt and share of all variants."""
        for workflow, texts in self._app.prompts.items():
            for prompt in sorted(name for name in texts if "." not in name):
                for name, span in spans_of(texts, prompt):
                    yield workflow, name, prompt, span

    async def _watch(self, tenant: str, place: tuple[str, str], prompt: str, span: Span) -> None:
        workflow, name = place
        trial = Trial(workflow=workflow, prompt=prompt, candidate=name)
        plan = planned(self._store.read(tenant), trial)

        def watch(session: Session) -> None:
            known = [one for one in session.rollouts.find(workflow) if one.candidate == name]
            about = [one for one in known if one.declared == span]
            # What was found worse, or ended by a person, is not tried again as it was.
            if about and about[-1].ended_by != DEPLOYMENT:
                return
            share = (span.high - span.low) / 100
            made = Rollout(
                **{**trial.model_dump(), "share": share},
                id=new_id("rol"),
                tenant=session.tenant,
                state="running",
                plan=plan,
                started_by=DEPLOYMENT,
                started_at=session.now,
                declared=span,
            )
            begin(session, made)

        await self._store.write(tenant, watch)


def _undeclare(session: Session, rollout_id: str) -> None:
    rollout = session.rollouts.get(rollout_id)
    if rollout.state == "running":
        why = "it is not declared so any more"
        ended = {"state": "stopped", "ended_by": DEPLOYMENT, "why": why}
        end(session, rollout.model_copy(update=ended))


def begin(session: Session, made: Rollout) -> Rollout:
    """Store a new rollout, and say so."""
    body = {"rollout": made.id, "workflow": made.workflow, "candidate": made.candidate}
    session.events.append(
        "rollout.started", None, **body, share=made.share, by=made.started_by, of=made.replaced
    )
    return session.rollouts.put(made)


def end(session: Session, ended: Rollout, look: Look | None = None) -> Rollout:
    """Store that one has ended, and say so; `look`: what showed that it is worse."""
    ids = {"rollout": ended.id, "workflow": ended.workflow}
    body = {**ids, "state": ended.state, "by": ended.ended_by, "why": ended.why}
    seen = {} if look is None else {"look": look.model_dump(mode="json")}
    session.events.append("rollout.ended", None, **body, **seen)
    return session.rollouts.put(ended.model_copy(update={"ended_at": session.now}))
