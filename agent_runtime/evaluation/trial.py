"""Trials: starting a rollout, watching it, and rolling it back when it is shown to be worse.

Shares are held against those of the runs that drew the baseline meanwhile, by the one-sided
two-proportion test. Looking again and again would find a difference by chance in the end: so each
share is looked at when the candidate has `cases` of its own, then twice as many, and so on, and
each look has half the level of the one before; all of them together stay below alpha.
"""

from __future__ import annotations

from collections.abc import Iterator

from agent_runtime.access import Act, Thing, a_policy
from agent_runtime.app import App
from agent_runtime.drawn import candidate_of, spans_of
from agent_runtime.errors import Conflict, InvalidInput
from agent_runtime.evaluation.declared import Declared, begin, end
from agent_runtime.evaluation.keeper import Keeper
from agent_runtime.evaluation.plan import Counts, counts, level_of, planned
from agent_runtime.evaluation.spread import Review, Spread
from agent_runtime.evaluation.statistics import two_proportions
from agent_runtime.policy.change import PolicyChange, require_current, require_seen
from agent_runtime.rollout import (
    DEPLOYMENT,
    RUNTIME,
    WATCHES,
    Look,
    Rollout,
    Trial,
    check_prompts_of,
)
from agent_runtime.run import new_id
from agent_runtime.store import Session, Store
from agent_runtime.telemetry import log
from agent_runtime.verdict import Operator

MOST_LOOKS = 12

PROMPTS = "prompts"
"""What stands for all prompts where a right to change policies is asked for."""


class Trials:
    """One installation's rollouts. `review`: holds a tenant's open questions against the policies
    that decide about them, once a candidate no longer does."""

    def __init__(self, store: Store, app: App, keeper: Keeper, review: Review) -> None:
        self._store = store
        self._app = app
        self._keeper = keeper
        self._review = review
        self._declared = Declared(store, app)
        self.spread = Spread(store, review)

    def change_of(self, operator: Operator, trial: Trial) -> PolicyChange | None:
        """The change of a policy that a trial is about, if it is: who may put that in force may
        start it. Raises NotFound, and InvalidInput for another policy's."""
        if trial.policy is None:
            return None
        change = self._store.read(operator.tenant).policies.get(trial.candidate)
        if change.name != trial.policy:
            raise InvalidInput("candidate", change.id, f"is a change of {change.name}")
        return change

    def rights_to_start(self, operator: Operator, trial: Trial) -> Iterator[tuple[Act, Thing]]:
        """All that whoever starts it must be allowed, one by one: of a policy, to put its change
        in force. Raises as `change_of` does, to those who may propose."""
        yield _right(trial, operator.tenant)
        change = self.change_of(operator, trial)
        if change is not None:
            yield "activate", a_policy(change.name, change.tenant, change.proposed_by)

    async def start(
        self, operator: Operator, trial: Trial, rehearsal: str | None = None
    ) -> Rollout:
        """Begin to give a share of new runs the candidate; a policy's as somebody who has seen
        what its `rehearsal` said, by the digest of its report.

        Raises NotFound, InvalidInput, and Conflict while another one of the workflow is running,
        or where the change could not be put in force either.
        """
        self._check(operator, trial)
        await self._keeper.keep_up(operator.tenant)
        plan = planned(self._store.read(operator.tenant), trial)

        def start(session: Session) -> Rollout:
            running = session.rollouts.running(trial.workflow)
            if running is not None:
                raise Conflict(
                    f"Rollout {running.id} of {trial.workflow} is running.",
                    remedy="Stop it first.",
                )
            made = Rollout(
                **trial.model_dump(),
                id=new_id("rol"),
                tenant=session.tenant,
                state="running",
                plan=plan,
                started_by=operator.name,
                started_at=session.now,
                text=_text_of(session, trial, rehearsal),
            )
            return begin(session, made)

        made = await self._store.write(operator.tenant, start)
        if made.policy is not None:
            await self.spread.everywhere()
        return made

    def _check(self, operator: Operator, trial: Trial) -> None:
        """Raises NotFound, InvalidInput and PolicyError for what cannot be tried."""
        workflow = self._app.workflow(trial.workflow)
        change = self.change_of(operator, trial)
        texts = self._app.prompts.get(trial.workflow, {})
        if change is not None:
            if trial.policy not in {step.policy for step in workflow.steps}:
                raise InvalidInput(
                    "policy", trial.policy, f"is asked by no step of {trial.workflow}"
                )
            candidate_of(self._app, change.name, change.text)
            return
        check_prompts_of(trial, texts)
        if any(spans_of(texts, trial.replaced)):
            raise InvalidInput(
                "prompt",
                trial.prompt,
                "has variants with shares of their own",
                remedy="They are watched already: take their shares away first.",
            )

    async def stop(self, operator: Operator, rollout_id: str, why: str = "") -> Rollout:
        """End a rollout as a person; raises NotFound, Conflict when it has ended."""

        def stop(session: Session) -> Rollout:
            rollout = session.rollouts.get(rollout_id)
            if rollout.state != "running":
                raise Conflict(f"Rollout {rollout_id} is {rollout.state} already.")
            ended = {"state": "stopped", "ended_by": operator.name, "why": why}
            return end(session, rollout.model_copy(update=ended))

        stopped = await self._store.write(operator.tenant, stop)
        await self._ended(stopped)
        return stopped

    async def review(self, tenant: str) -> list[Rollout]:
        """Look at what is running, where it is time for a look; returns what was rolled back."""
        await self._declared.follow(tenant)
        await self.spread.follow(tenant)
        back = []
        for rollout in self._store.read(tenant).rollouts.find():
            if rollout.state != "running":
                continue
            found = looks(rollout, counts(self._store.read(tenant), rollout))
            if found:
                after = await self._store.write(
                    tenant,
                    lambda s, i=rollout.id, f=found: _note(s, i, f),  # type: ignore[misc]  # bound per turn
                )
                if after.state == "rolled_back":
                    log("rolled back", tenant=tenant, rollout=after.id, workflow=after.workflow)
                    back.append(after)
                    await self._ended(after)
        return back

    async def _ended(self, rollout: Rollout) -> None:
        if rollout.policy is not None:
            await self._review(rollout.tenant)
            if rollout.part_of is None:
                await self.spread.everywhere()


def right_to_stop(rollout: Rollout) -> tuple[Act, Thing]:
    """What whoever ends it must be allowed."""
    return _right(rollout, rollout.tenant)


def _right(trial: Trial, tenant: str) -> tuple[Act, Thing]:
    return "propose", a_policy(trial.policy or PROMPTS, tenant)


def looks(rollout: Rollout, found: Counts) -> list[Look]:
    """The looks that it is time for, one of each share at most."""
    due = []
    for watch in WATCHES:
        number = sum(1 for look in rollout.looks if look.watch == watch)
        (worse, of), (worse_base, of_base) = found["candidate", watch], found["baseline", watch]
        wanted = rollout.plan[watch].cases * 2**number
        if number >= MOST_LOOKS or of < wanted or of_base < wanted:
            continue
        test = two_proportions(worse, of, worse_base, of_base)
        level = level_of(rollout.alpha, number)
        numbers = {"worse": worse, "of": of, "worse_base": worse_base, "of_base": of_base}
        due.append(Look(watch=watch, number=number, p=test.p, level=level, **numbers))
    return due


def _note(session: Session, rollout_id: str, found: list[Look]) -> Rollout:
    """Keep what was seen; the first look that shows it worse ends it."""
    rollout = session.rollouts.get(rollout_id)
    known = {(look.watch, look.number) for look in rollout.looks}
    new = [look for look in found if (look.watch, look.number) not in known]
    if rollout.state != "running" or not new:
        return rollout
    seen = rollout.model_copy(update={"looks": (*rollout.looks, *new)})
    shown = [look for look in new if look.fires]
    if not shown:
        return session.rollouts.put(seen)
    ended = {"state": "rolled_back", "ended_by": RUNTIME, "why": _words(shown[0])}
    return end(session, seen.model_copy(update=ended), shown[0])


def end_tries_of(session: Session, change: PolicyChange) -> None:
    """End the rollouts of a policy, because a change of it is put in force: this one or another."""
    for rollout in session.rollouts.find():
        if rollout.state == "running" and rollout.policy == change.name:
            same = rollout.candidate == change.id
            why = "it was put in force" if same else f"{change.id} was put in force"
            ended = {"state": "stopped", "ended_by": DEPLOYMENT, "why": why}
            end(session, rollout.model_copy(update=ended))


def _text_of(session: Session, trial: Trial, rehearsal: str | None) -> str:
    """The policy that is tried; raises Conflict where it could not be put in force either."""
    if trial.policy is None:
        return ""
    change = session.policies.get(trial.candidate)
    require_seen(change, rehearsal)
    require_current(change, session.policies.find("active", name=change.name))
    return change.text


def _words(look: Look) -> str:
    return (
        f"{look.watch}: {look.worse} of {look.of} against {look.worse_base} of {look.of_base},"
        f" p = {look.p:.2g}, below {look.level:.2g}"
    )
