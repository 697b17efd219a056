"""The assessment of runs: figures, what is said of them and what is tried on them, here or behind
a URL; asked and changed as a station is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import Protocol, TypeVar

from agent_runtime.access import a_run, a_tenant
from agent_runtime.cli.opening import Place, admit
from agent_runtime.client import Client
from agent_runtime.evaluation.labelling import LabelTask
from agent_runtime.evaluation.report import Report
from agent_runtime.evaluation.trial import right_to_stop
from agent_runtime.evaluation.watching import Watching, watching
from agent_runtime.evaluation.window import window
from agent_runtime.rollout import Trial
from agent_runtime.runtime import Runtime
from agent_runtime.store.grades import Grade
from agent_runtime.store.labels import Label
from agent_runtime.store.outcomes import Outcome
from agent_runtime.tenant import HOME
from agent_runtime.verdict import Operator

T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """What a report is to tell: on which UTC days (None: the usual ones), of which workflow."""

    workflow: str | None
    since: date | None
    until: date | None
    error_rate: float


class Assessment(Protocol):
    """What commands ask for."""

    def report(self, asked: Asked) -> Report:
        """How well runs do."""
        ...

    def grade(self, run_id: str) -> list[Grade]:
        """Have the graders judge one run."""
        ...

    def tell_outcome(self, run_id: str, name: str, value: float) -> Outcome:
        """Record what came of one run."""
        ...

    def next_label(self, workflow: str, label: str | None) -> LabelTask | None:
        """What to label next."""
        ...

    def give_label(self, run_id: str, name: str, value: str) -> Label:
        """Label one run."""
        ...

    def rollouts(self) -> list[Watching]:
        """What is and was tried."""
        ...

    def start_rollout(self, trial: Trial, rehearsal: str | None) -> Watching:
        """Try something on a share of new runs."""
        ...

    def stop_rollout(self, rollout_id: str, reason: str) -> Watching:
        """End one."""
        ...


class Here:
    """A data folder's. Whoever can open it may read the figures of the tenant `default`; as `who`,
    one reads and changes what that person may, in their own."""

    def __init__(self, place: Place, who: str) -> None:
        self._place = place
        self._who = who

    def report(self, asked: Asked) -> Report:
        """Whole: nothing is cut off at a number of lines."""

        async def work(runtime: Runtime, tenant: str) -> Report:
            days = window(asked.since, asked.until, runtime.clock.now().date())
            return await runtime.evaluation.report(
                tenant, days, workflow=asked.workflow, error_rate=asked.error_rate, most=None
            )

        return self._read(work)

    def grade(self, run_id: str) -> list[Grade]:
        """In the person's name."""
        return self._said(run_id, lambda r, who: r.marker.grade(who.tenant, run_id, who.name))

    def tell_outcome(self, run_id: str, name: str, value: float) -> Outcome:
        """In the person's name."""
        return self._said(run_id, lambda r, who: r.recorder.record(who, run_id, name, value))

    def next_label(self, workflow: str, label: str | None) -> LabelTask | None:
        """For the person."""

        async def work(runtime: Runtime) -> LabelTask | None:
            operator = self._place.operator(self._who)
            await admit(runtime, operator, "read", a_tenant(operator.tenant))
            task = runtime.labeller.next(operator, workflow, label)
            return None if task is None else task.told

        return self._place.work(work)

    def give_label(self, run_id: str, name: str, value: str) -> Label:
        """In the person's name."""
        return self._said(run_id, lambda r, who: r.labeller.give(who, run_id, name, value))

    def rollouts(self) -> list[Watching]:
        """With what a look shows now."""

        async def work(runtime: Runtime, tenant: str) -> list[Watching]:
            await runtime.keeper.keep_up(tenant)
            await runtime.trials.review(tenant)
            session = runtime.store.read(tenant)
            return [watching(session, one) for one in session.rollouts.find()]

        return self._read(work)

    def start_rollout(self, trial: Trial, rehearsal: str | None) -> Watching:
        """As somebody who may put the same in force."""

        async def work(runtime: Runtime) -> Watching:
            operator = self._place.operator(self._who)
            for act, thing in runtime.trials.rights_to_start(operator, trial):
                await admit(runtime, operator, act, thing)
            made = await runtime.trials.start(operator, trial, rehearsal)
            return watching(runtime.store.read(operator.tenant), made)

        return self._place.work(work)

    def stop_rollout(self, rollout_id: str, reason: str) -> Watching:
        """In the person's name."""

        async def work(runtime: Runtime) -> Watching:
            operator = self._place.operator(self._who)
            session = runtime.store.read(operator.tenant)
            await admit(runtime, operator, *right_to_stop(session.rollouts.get(rollout_id)))
            ended = await runtime.trials.stop(operator, rollout_id, reason)
            return watching(runtime.store.read(operator.tenant), ended)

        return self._place.work(work)

    def _read(self, read: Callable[[Runtime, str], Awaitable[T]]) -> T:
        async def work(runtime: Runtime) -> T:
            if not self._who:
                return await read(runtime, HOME)
            operator = self._place.operator(self._who)
            await admit(runtime, operator, "read", a_tenant(operator.tenant))
            return await read(runtime, operator.tenant)

        return self._place.work(work)

    def _said(self, run_id: str, say: Callable[[Runtime, Operator], Awaitable[T]]) -> T:
        """What a person says of a run, once they may."""

        async def work(runtime: Runtime) -> T:
            operator = self._place.operator(self._who)
            run = runtime.store.read(operator.tenant).runs.get(run_id)
            await admit(runtime, operator, "comment", a_run(run))
            return await say(runtime, operator)

        return self._place.work(work)


class There:
    """A server's, in the name of whom the token speaks for."""

    def __init__(self, client: Client) -> None:
        self._ask = client.evaluation

    def report(self, asked: Asked) -> Report:
        """As the server tells it: the longest tables are cut there."""
        days = (asked.since, asked.until)
        return self._ask.report(asked.workflow, *days, error_rate=asked.error_rate)

    def grade(self, run_id: str) -> list[Grade]:
        """By the server's models."""
        return self._ask.grade(run_id)

    def tell_outcome(self, run_id: str, name: str, value: float) -> Outcome:
        """At once."""
        return self._ask.tell_outcome(run_id, name, value)

    def next_label(self, workflow: str, label: str | None) -> LabelTask | None:
        """For whom the token is."""
        return self._ask.next_label(workflow, label)

    def give_label(self, run_id: str, name: str, value: str) -> Label:
        """At once."""
        return self._ask.give_label(run_id, name, value)

    def rollouts(self) -> list[Watching]:
        """Looked at by the server's workers."""
        return self._ask.rollouts()

    def start_rollout(self, trial: Trial, rehearsal: str | None) -> Watching:
        """From the server's next run on."""
        return self._ask.start_rollout(trial, rehearsal)

    def stop_rollout(self, rollout_id: str, reason: str) -> Watching:
        """At once."""
        return self._ask.stop_rollout(rollout_id, reason)
