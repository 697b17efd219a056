"""Activation: how a changed policy comes into force, and which one is in force.

A server that is more than a developer's own keeps the policies that decide in its data file. The
project's files are proposals to it: changing one changes nothing until a policy owner, somebody
else than who proposed it, has put it in force.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, cast

from agent_runtime.access import load_access
from agent_runtime.app import App, proposals, write_tools
from agent_runtime.errors import Conflict, NotFound, NotPermitted, PolicyError
from agent_runtime.evaluation.trial import end_tries_of
from agent_runtime.policy import PolicySet, Report, check_policies
from agent_runtime.policy.change import (
    PolicyChange,
    Tried,
    compare,
    report_of,
    require_current,
    require_seen,
    widening_rules,
)
from agent_runtime.policy.table import Case, judge_table, read_table
from agent_runtime.queue.files import FilesQueue
from agent_runtime.replay.change import Change, with_policies
from agent_runtime.replay.rehearsal import Rehearsal
from agent_runtime.replay.rehearse import Stretch, rehearse
from agent_runtime.replay.widening import evidence
from agent_runtime.run import new_id
from agent_runtime.runtime import Runtime
from agent_runtime.settings import ModelSettings
from agent_runtime.store import Session
from agent_runtime.tenant import HOME
from agent_runtime.tool import Tool

RECENT = 2_000
"""Decisions that a proposed change is rehearsed on at once."""

DEPLOYED = "deployment"
"""Who put the files in force that a server found at its very first start."""


def check_app(app: App) -> Report:
    """Everything about a project's policies, the access rules among them, that can be known
    before a run."""
    workflows, folder = app.workflows.values(), app.folder / "policies"
    report = check_policies(folder, write_tools(workflows), proposals(workflows))
    try:
        load_access(folder)
    except PolicyError as error:
        return report.model_copy(update={"problems": (*report.problems, str(error))})
    return report


def require_home(tenant: str) -> None:
    """Raise NotPermitted for whoever is not of the tenant whose people change policies."""
    if tenant != HOME:
        raise NotPermitted(f"Policies are changed by people of the tenant {HOME}.")


class Activation:
    """The policies of one installation. Raises PolicyError for a text that cannot be used."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._followed: tuple[str, ...] = ()

    async def adopt(self) -> None:
        """Let the stored policies decide; those of the files are stored where there are none."""
        runtime = self._runtime
        known = {change.name: change for change in self._session().policies.find("active")}
        for name in runtime.app.policies:
            if name not in known:
                draft = self._draft(name, self._file(name), DEPLOYED, "first start")
                state = {
                    "state": "active",
                    "activated_by": DEPLOYED,
                    "activated_at": runtime.clock.now(),
                }
                await self._store(draft.model_copy(update=state), "policy.activated", DEPLOYED)
            else:
                self._install(name, self._load(name, known[name].text))
        await self._review()

    def restore(self) -> None:
        """Let the stored policies decide where a server has stored any: for workers beside it."""
        for change in self._session().policies.find("active"):
            if change.name in self._runtime.app.policies:
                self._install(change.name, self._load(change.name, change.text))

    async def follow(self) -> None:
        """Let what another process has put in force decide here too, also of open questions."""
        active = self._session().policies.active()
        if active == self._followed:
            return
        before = {name: policy.digest for name, policy in self._runtime.app.policies.items()}
        self.restore()
        self._followed = active
        after = {name: policy.digest for name, policy in self._runtime.app.policies.items()}
        if after != before:
            await self._review()

    def require_kept(self) -> None:
        """Raise Conflict where no server has stored the policies yet: there the files decide."""
        if not self._session().policies.active():
            raise Conflict(
                "This data folder keeps no policies: the project's files decide as they are.",
                remedy="Edit the files. A server without --dev keeps them from its first start on.",
            )

    async def propose(
        self, name: str, by: str, reason: str, text: str | None = None
    ) -> PolicyChange:
        """Store a change, checked against the tools and the project's decision table.

        Without a text, that of the project's file as it is now. It decides nothing yet.
        """
        self.in_force(name)
        draft = self._draft(name, self._file(name) if text is None else text, by, reason)
        found, untried = None, ""
        try:
            found = await self.rehearse(draft)
        except Conflict as error:
            untried = error.message
        fresh = self._load(name, draft.text)
        rules = widening_rules(self.in_force(name).rules, fresh.rules)
        shown: dict[str, Any] = {
            "rehearsal": None if found is None else _tried(found),
            "untried": untried,
            "widening": evidence(self._session(), rules, found),
        }
        shown["report"] = report_of({**dict(draft), **shown})
        return await self._store(draft.model_copy(update=shown), "policy.proposed", by)

    async def activate(self, change_id: str, by: str, rehearsal: str | None = None) -> PolicyChange:
        """Put a proposed change in force, at once and for questions that are open too.

        `rehearsal`: the digest of its report, as seen: also of one that says that it could not be
        rehearsed. Raises NotFound, and Conflict when another change came first, its table fails or
        its report is another one.
        """
        loaded = self._session().policies.get(change_id)
        fresh = self._load(loaded.name, loaded.text)

        def activate(session: Session) -> PolicyChange:
            change = session.policies.get(change_id)
            require_seen(change, rehearsal)
            require_current(change, session.policies.find("active", name=change.name))
            for other in session.policies.find(name=change.name):
                if other.state == "active":
                    session.policies.update(other.id, state="replaced")
                elif other.state == "proposed" and other.id != change.id:
                    session.policies.update(other.id, state="withdrawn")
            end_tries_of(session, change)
            body = {"change": change.id, "policy": change.name, "digest": change.digest}
            told = {"rehearsal": change.report, "untried": change.untried}
            session.events.append("policy.activated", None, **body, by=by, **told)
            now = {"activated_by": by, "activated_at": session.now, "seen": change.report}
            return session.policies.update(change.id, state="active", **now)

        active = await self._runtime.store.write(HOME, activate)
        self._install(active.name, fresh)
        await self._runtime.trials.spread.everywhere()
        await self._review()
        return active

    def in_force(self, name: str) -> PolicySet:
        """The policy set that decides now; raises NotFound."""
        found = self._runtime.app.policies.get(name)
        if found is None:
            known = ", ".join(sorted(self._runtime.app.policies)) or "none"
            raise NotFound("policy", name, remedy=f"There are: {known}.")
        return found

    def tools(self, name: str) -> list[Tool]:
        """The write tools that the policy decides about."""
        workflows = self._runtime.app.workflows.values()
        held = proposals(workflows).get(name, set())
        return [tool for tool in write_tools(workflows) if tool.name in held]

    def cases(self, name: str) -> tuple[Case, ...]:
        """The project's decision table of a policy; empty where it has none."""
        path = self._folder() / f"{name}.tests.yaml"
        return read_table(path.read_text(encoding="utf-8")) if path.is_file() else ()

    def _draft(self, name: str, text: str, by: str, reason: str) -> PolicyChange:
        fresh, before = self._load(name, text), self.in_force(name)
        cases, failures = self._rehearse(name, fresh)
        return PolicyChange(
            id=new_id("chg"),
            tenant=HOME,
            name=name,
            state="proposed",
            text=text,
            digest=fresh.digest,
            before=before.digest,
            difference=compare(before.rules, fresh.rules),
            cases=cases,
            failures=failures,
            reason=reason,
            proposed_by=by,
            proposed_at=self._runtime.clock.now(),
        )

    async def rehearse(self, change: PolicyChange) -> Rehearsal:
        """What the change would make of the newest decisions, by policy alone: graphs that go on
        otherwise are for the command line, which may take its time.

        Raises Conflict where nothing was decided yet, or not by policies that are kept.
        """
        app = self._runtime.app
        if not self._session().events.judged(None, 1):
            raise Conflict("There is no decision to rehearse it on yet.")
        what = Change(change.id, with_policies(app, {change.name: change.text}), follow=False)
        return await rehearse(self._session(), app, what, Stretch(limit=RECENT), ModelSettings())

    def _rehearse(self, name: str, fresh: PolicySet) -> tuple[int, tuple[str, ...]]:
        """How many cases the project's decision table has, and which the policy fails."""
        cases = self.cases(name)
        return len(cases), judge_table(fresh, self.tools(name), cases).failures

    async def _store(self, change: PolicyChange, kind: str, by: str) -> PolicyChange:
        def store(session: Session) -> PolicyChange:
            session.policies.add(change)
            body = {"change": change.id, "policy": change.name, "digest": change.digest, "by": by}
            if kind == "policy.activated":
                session.events.append("policy.activated", None, **body)
            else:
                session.events.append("policy.proposed", None, **body)
            return change

        return await self._runtime.store.write(HOME, store)

    def _load(self, name: str, text: str) -> PolicySet:
        return PolicySet.load(name, {f"{name}.cedar": text}, self.tools(name))

    def _install(self, name: str, fresh: PolicySet) -> None:
        # The app's own mapping: the gate, the desk and every segment look policies up in it.
        cast("MutableMapping[str, PolicySet]", self._runtime.app.policies)[name] = fresh

    async def _review(self) -> None:
        """Hold open questions of every tenant against what is in force now."""
        runtime = self._runtime
        for tenant in FilesQueue(runtime.store, runtime.worker.lease).asking():
            await runtime.pending.review(tenant)

    def _file(self, name: str) -> str:
        path = self._folder() / f"{name}.cedar"
        if not path.is_file():
            raise PolicyError(f"The project has no file {name}.cedar among its policies.")
        return path.read_text(encoding="utf-8")

    def _folder(self) -> Path:
        return self._runtime.app.folder / "policies"

    def _session(self) -> Session:
        return self._runtime.store.read(HOME)


def _tried(found: Rehearsal) -> Tried:
    return Tried(
        digest=found.digest,
        decisions=found.decisions,
        changed=len(found.changes),
        alarms=len(found.alarms),
        unknown=len(found.unknown),
    )
