"""Whatever several people do to a question, in whatever order: what always holds."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from agent_runtime.approval import Answer, Approval, DecisionKind
from agent_runtime.errors import CallerError
from agent_runtime.run import ENDS
from agent_runtime.verdict import Slot
from tests.ledger import ESCALATING, make_app, make_pay, pay_workflow
from tests.office import Office, opened

PEOPLE = st.sampled_from(["lena", "luis", "fay", "finn", "both", "carl"])
KINDS = st.sampled_from([*["approve"] * 4, "reject", "respond", "edit"])
HOLDS = st.sampled_from([0.0, 0.0, 60.0])
CLOSED = {"approved", "rejected", "responded", "expired", "escalated", "stale", "withdrawn"}
OTHERWISE = {"requested", "open", "held", "edited", "voided"}
LATER = st.sampled_from([*[timedelta(minutes=1)] * 3, timedelta(minutes=2), timedelta(minutes=40)])


class Approvals(RuleBasedStateMachine):
    """One run under a policy that asks one lead, or two of finance, for an hour."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = AsyncExitStack()
        self.loop = asyncio.Runner()
        self.folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.seen: list[Approval] = []

    @initialize(amount=st.sampled_from(["500.00", "5000.00"]))
    def ask(self, amount: str) -> None:
        app = make_app(pay_workflow(make_pay()), ESCALATING)
        entered = self.stack.enter_async_context(opened(app, Path(self.folder) / "data"))
        self.office: Office = self.loop.run(entered)
        self.office.bank.put("a1", amount=amount)
        self.asked = self.loop.run(self.office.parked(owner="luis"))
        self.seen = [self.asked]

    @rule(
        who=PEOPLE,
        kind=KINDS,
        hold=HOLDS,
        override=st.booleans(),
        old=st.sampled_from([0, 0, 0, 1, 4]),
    )
    def answer(self, who: str, kind: DecisionKind, hold: float, override: bool, old: int) -> None:
        """Anybody answers what they saw, now or some time ago."""
        asked = self.seen[-1 - min(old, len(self.seen) - 1)]
        more: dict[str, Any] = {"arguments": {"amount": "700.00"}} if kind == "edit" else {}
        given = Answer(
            kind=kind, digest=asked.digest, version=asked.version, reason="Because.",
            hold_seconds=hold, override=override, **more,
        )  # fmt: skip
        self.attempt(self.office.runtime.decide(asked.id, self.office.person(who), given))

    @rule(who=PEOPLE, to=PEOPLE, how=st.sampled_from(["claim", "override", "release", "delegate"]))
    def coordinate(self, who: str, to: str, how: str) -> None:
        """People tell each other who is at work on it."""
        desk, person, name = self.office.runtime.desk, self.office.person(who), self.latest.id
        doing = {
            "claim": lambda: desk.claim(name, person),
            "override": lambda: desk.claim(name, person, override=True),
            "release": lambda: desk.release(name, person),
            "delegate": lambda: desk.delegate(name, person, to),
        }
        self.attempt(doing[how]())

    @rule(who=PEOPLE)
    def undo(self, who: str) -> None:
        self.attempt(self.office.runtime.desk.undo(self.latest.id, self.office.person(who)))

    @rule(by=LATER, worker=st.booleans())
    def wait(self, by: timedelta, worker: bool) -> None:
        """Time passes and takes its effect."""
        self.office.clock.move(by)
        self.loop.run(self.office.runtime.expire())
        if worker:
            self.drive()

    def drive(self) -> None:
        """A worker takes the run up, if it is ready."""
        if self.office.read(self.asked.run_id).state == "queued":
            self.loop.run(self.office.drive(self.office.read(self.asked.run_id)))

    @invariant()
    def one_end_with_its_cause(self) -> None:
        record = self.office.record(self.asked.run_id)
        ends = [body["approval"] for body in record.bodies("approval.closed")]
        assert len(ends) == len(set(ends))
        for asked in record.approvals:
            assert asked.status in CLOSED | OTHERWISE
            if asked.status in CLOSED:
                assert (asked.id in ends, asked.closed_by is not None) == (True, True)
            people = [decision.operator for decision in asked.decisions]
            assert len(people) == len(set(people))
            self.rests_on_its_cause(asked)

    def rests_on_its_cause(self, asked: Approval) -> None:
        yes = [decision for decision in asked.decisions if decision.kind == "approve"]
        match asked.status:
            case "approved":
                held = [{*decision.roles, *decision.lent} for decision in yes]
                assert seats(asked.slots, held)
                assert self.asked.started_by not in [decision.operator for decision in yes]
            case "rejected" | "responded":
                kind = {"rejected": "reject", "responded": "respond"}[asked.status]
                assert (asked.closed_by, kind) in [(d.operator, d.kind) for d in asked.decisions]
            case "expired" | "escalated":
                assert asked.deadline <= self.office.clock.now()
            case "held":
                assert asked.held_by in [decision.operator for decision in asked.decisions]
            case _:
                pass

    @invariant()
    def nothing_is_executed_that_was_not_let(self) -> None:
        record, now = self.office.record(self.asked.run_id), self.office.clock.now()
        let = [asked for asked in record.approvals if asked.status == "approved"]
        assert len(record.payouts) <= len(let) <= 1
        assert all(asked.effective_at is None or asked.effective_at <= now for asked in let)
        if record.run.state not in ENDS and not let:
            assert record.journal == []

    @property
    def latest(self) -> Approval:
        return self.office.runtime.store.read("default").approvals.find(
            run_id=self.asked.run_id
        )[-1]  # fmt: skip

    def attempt(self, doing: Any) -> None:
        """Whatever is refused is refused as the caller's mistake, and nothing else is raised."""
        with suppress(CallerError):
            self.loop.run(doing)
        self.seen.append(self.latest)

    def teardown(self) -> None:
        self.loop.run(self.stack.aclose())
        self.loop.close()


def seats(slots: tuple[Slot, ...], people: list[set[str]]) -> bool:
    """Whether different people fill all places, found by trying everything."""
    places = [slot.role for slot in slots for _ in range(slot.count)]

    def fill(left: list[str], free: list[set[str]]) -> bool:
        if not left:
            return True
        return any(
            fill(left[1:], free[:n] + free[n + 1 :])
            for n, roles in enumerate(free)
            if left[0] in roles
        )

    return fill(places, people)


def test_whatever_people_do_there_is_one_end_with_its_cause() -> None:
    """Answers, holds, claims, delegations, time and workers in any order. Seeded."""
    run_state_machine_as_test(
        Approvals,
        settings=settings(
            max_examples=70,
            stateful_step_count=24,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
