"""Pending approvals: what deadlines and a changed policy do to them."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from agent_runtime.approval import Approval
from agent_runtime.closing import ask_again, close_question
from agent_runtime.decision import Desk
from agent_runtime.errors import StaleQuestion
from agent_runtime.installation import Installation
from agent_runtime.policy import tightened
from agent_runtime.store import Session


class Pending:
    """Keeps open questions honest: silence never approves, and stricter policy asks again."""

    def __init__(self, installation: Installation, desk: Desk) -> None:
        self._in = installation
        self._desk = desk

    async def expire(self, tenant: str) -> list[Approval]:
        """Close every open question whose deadline has passed; escalate where its rule says so."""
        due = self._in.store.read(tenant).approvals.due()
        for approval in due:
            run = self._in.store.read(tenant).runs.get(approval.run_id)
            span = (approval.created_at, self._in.clock.now())
            self._in.telemetry.waited(run, approval.id, "expired", *span)
        return [
            await self._in.store.write(tenant, partial(_expire, approval.id)) for approval in due
        ]

    async def review(self, tenant: str) -> list[Approval]:
        """Hold open questions against the policy in force: stricter re-asks, forbid withdraws."""
        in_force = [policy.digest for policy in self._in.app.policies.values()]
        found = self._in.store.read(tenant).approvals.asked_otherwise(in_force)
        changed = []
        for asked in found:
            # What another version of a step has asked is that version's to review; nobody can
            # answer it here, and it keeps no other question waiting.
            with suppress(StaleQuestion):
                if self._is_outdated(asked):
                    changed.append(await self._review(tenant, asked))
        return changed

    async def review_one(self, tenant: str, approval_id: str) -> None:
        """The same for one question, before it is answered."""
        asked = self._in.store.read(tenant).approvals.get(approval_id)
        if asked.status == "open" and self._is_outdated(asked):
            await self._review(tenant, asked)

    def _is_outdated(self, asked: Approval) -> bool:
        run = self._in.store.read(asked.tenant).runs.get(asked.run_id)
        policy = self._in.policies_of(run).get(asked.policy)
        return policy is not None and policy.digest != asked.policy_version

    async def _review(self, tenant: str, asked: Approval) -> Approval:
        run = self._in.store.read(tenant).runs.get(asked.run_id)
        policy, put = self._desk.question(asked, run)
        now = policy.judge(put)
        before = asked.verdict

        def apply(session: Session) -> Approval:
            fresh = session.approvals.get(asked.id)
            if fresh.status != "open":
                return fresh
            if now.kind == "deny":
                rules = ", ".join(now.rules)
                return close_question(session, fresh, "withdrawn", f"policy: {rules}")
            if tightened(before, now) != before:
                changes = {
                    "slots": now.slots,
                    "rules": now.rules,
                    "reasons": now.reasons,
                    "risk": now.risk,
                }
                version = {"policy_version": policy.digest, "demanded": None}
                return ask_again(session, fresh, "voided", "policy", **changes, **version)
            return session.approvals.update(asked.id, policy_version=policy.digest, risk=now.risk)

        return await self._in.store.write(tenant, apply)


def _expire(approval_id: str, session: Session) -> Approval:
    fresh = session.approvals.get(approval_id)
    if session.timers.fire("deadline", approval_id) is None:
        return fresh  # somebody was faster, or the clock has gone back
    if not fresh.escalate:
        return close_question(session, fresh, "expired", "its deadline")
    following = fresh.later[0] if fresh.later else ()
    asked = {"slots": fresh.escalate, "escalate": following, "later": fresh.later[1:]}
    demanded = fresh.slots if fresh.demanded is None else fresh.demanded
    deadline = session.now + (fresh.deadline - fresh.created_at)
    return ask_again(
        session, fresh, "escalated", "its deadline", **asked, demanded=demanded, deadline=deadline
    )
