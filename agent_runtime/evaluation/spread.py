"""Spread: a policy that the installation tries is tried in every tenant, as one in force holds in
every one. Each tenant has a part of its own, which is drawn, watched and rolled back by what its
own people answer; of the others' figures it is told nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agent_runtime.errors import AgentRuntimeError
from agent_runtime.evaluation.declared import begin, end
from agent_runtime.evaluation.plan import planned
from agent_runtime.rollout import INSTALLATION, Rollout, Trial
from agent_runtime.run import new_id
from agent_runtime.store import Session, Store
from agent_runtime.store.retention import stored_tenants
from agent_runtime.telemetry import log
from agent_runtime.tenant import HOME

Review = Callable[[str], Awaitable[object]]


class Spread:
    """Keeps the parts of one installation's tenants. `review`: holds a tenant's open questions
    against the policies that decide about them, once a candidate no longer does."""

    def __init__(self, store: Store, review: Review) -> None:
        self._store = store
        self._review = review

    async def everywhere(self) -> None:
        """Have all tenants try what is tried now, and nothing else."""
        for file in self._store.all():
            for tenant in stored_tenants(file.read_across().connection):
                try:
                    await self.follow(tenant)
                except AgentRuntimeError as error:  # erased meanwhile; else its next look does it
                    log("a trial could not be spread", tenant=tenant, error=error.code)

    async def follow(self, tenant: str) -> None:
        """The same for one tenant. A part that was rolled back or stopped there stays so."""
        if tenant == HOME:
            return
        tried = {one.id: one for one in self._store.read(HOME).rollouts.find() if _is_whole(one)}
        parts = [one for one in self._store.read(tenant).rollouts.find() if one.part_of]
        over = [p.id for p in parts if p.state == "running" and p.part_of not in tried]
        new = [tried[name] for name in tried.keys() - {part.part_of for part in parts}]
        for part in over:
            await self._store.write(tenant, lambda session, i=part: _end(session, i))  # type: ignore[misc]  # bound per turn
        for whole in new:
            await self._store.write(tenant, lambda session, w=whole: _begin(session, w))  # type: ignore[misc]  # bound per turn
        if over:
            await self._review(tenant)


def _is_whole(rollout: Rollout) -> bool:
    return rollout.state == "running" and rollout.policy is not None


def _begin(session: Session, whole: Rollout) -> None:
    if any(one.part_of == whole.id for one in session.rollouts.find(whole.workflow)):
        return  # another process was faster
    trial = Trial(**whole.model_dump(include=set(Trial.model_fields)))
    made = Rollout(
        **trial.model_dump(),
        id=new_id("rol"),
        tenant=session.tenant,
        state="running",
        plan=planned(session, trial),
        started_by=INSTALLATION,
        started_at=session.now,
        text=whole.text,
        part_of=whole.id,
    )
    begin(session, made)


def _end(session: Session, part_id: str) -> None:
    part = session.rollouts.get(part_id)
    if part.state == "running":
        why = "the installation tries it no more"  # not why: that is another tenant's
        ended = {"state": "stopped", "ended_by": INSTALLATION, "why": why}
        end(session, part.model_copy(update=ended))
