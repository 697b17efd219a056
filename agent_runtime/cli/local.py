"""The local station: a project and its data folder, opened for one command."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from agent_runtime.access import Act, a_run, an_approval
from agent_runtime.approval import Answer, Approval
from agent_runtime.candidacy import inbox
from agent_runtime.cli.explain import event_line
from agent_runtime.cli.opening import Place, admit
from agent_runtime.cli.reading import checked
from agent_runtime.cli.screen import Screen
from agent_runtime.cli.station import Asked, Story
from agent_runtime.comment import Comment
from agent_runtime.declaration import Declaration, declare
from agent_runtime.drawing import draw
from agent_runtime.errors import Conflict, NotFound, SettingsError
from agent_runtime.event import HALTS, Event
from agent_runtime.evidence import Document
from agent_runtime.inbox import Counts, Filter, Order
from agent_runtime.knowledge.trail import Trail, traces
from agent_runtime.operators import FILE, channel, provide_operators
from agent_runtime.run import Run, RunState
from agent_runtime.store import Session
from agent_runtime.store.runs import RunFilter
from agent_runtime.trigger import Trigger
from agent_runtime.verdict import Operator

if TYPE_CHECKING:  # what drives runs is heavy, and reading needs none of it
    from agent_runtime.bulk import Item, Preview
    from agent_runtime.decision import Desk
    from agent_runtime.resumption import Resumption
    from agent_runtime.runtime import Runtime, Settlement

POLL = 0.25
"""Seconds between two looks for new events."""

READY: tuple[RunState, ...] = ("queued", "running")


class Local:
    """Does the work in this process, as the person of operators.toml whom `who` names."""

    def __init__(self, place: Place, screen: Screen, who: str) -> None:
        self._place = place
        self._screen = screen
        self._who = who

    def start(
        self,
        workflow: str,
        inputs: dict[str, Any],
        documents: Sequence[Document],
        *,
        key: str | None,
        owner: str,
        at: datetime | None,
    ) -> Run:
        """Start a run; one for later is left to workers."""
        trigger = checked(Trigger, {"kind": "request", "owner": owner, "key": key})

        async def work(runtime: Runtime) -> Run:
            provide_operators(self._place.data, self._place.folder / FILE)
            self._narrate(runtime)
            started = await runtime.start(
                workflow, inputs, trigger=trigger, documents=documents, at=at
            )
            ready = started.is_ready(runtime.clock.now())
            return await _drive_on(runtime, started) if ready else started

        return self._place.work(work, create=True)

    def runs(
        self, states: Sequence[RunState], *, newest: bool, after: str | None, limit: int
    ) -> tuple[list[Run], str | None]:
        """As stored; a place is a run's id."""
        chosen = RunFilter(tuple(states))
        found = self._place.read(
            lambda session: session.runs.page(
                chosen, newest_first=newest, after=after, limit=limit + 1
            )
        )
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    def story(self, run_id: str) -> Story:
        """As stored."""
        return self._place.read(
            lambda session: Story(
                session.runs.get(run_id),
                session.events.find(run_id),
                session.approvals.find(run_id=run_id),
                session.journal.find(run_id),
                session.calls.find(run_id),
            )
        )

    def asked_by(self, run: Run) -> list[Approval]:
        """As stored."""
        return self._place.read(lambda session: session.approvals.find(run_id=run.id))

    def trails(self, run_id: str) -> list[Trail]:
        """Read here."""
        return self._place.read(lambda session: traces(session, run_id))

    def resume(self, run_id: str | None, wanted: Resumption) -> list[Run]:
        """Drive here what no worker holds."""

        async def every(runtime: Runtime) -> list[Run]:
            waiting = len(runtime.store.read("default").runs.find(["queued"]))
            with self._screen.progress("driving runs", waiting) as advance:
                self._narrate(runtime)
                runtime.store.listeners.append(
                    lambda event: advance() if event.type in HALTS else None
                )
                return await runtime.drive_ready()

        if run_id is None:
            return self._place.work(every)
        return [self._place.work(lambda runtime: self._resume(runtime, run_id, wanted))]

    def cancel(self, run_id: str, reason: str) -> Run:
        """Under the person's name."""

        async def work(runtime: Runtime) -> Run:
            operator = await self._about_run(runtime, "cancel", run_id)
            return await runtime.cancel(run_id, operator, reason)

        return self._place.work(work)

    def settle(self, run_id: str, how: Settlement) -> Run:
        """Under the person's name."""

        async def work(runtime: Runtime) -> Run:
            operator = await self._about_run(runtime, "settle", run_id)
            settled = await runtime.settle(run_id, operator, how)
            self._narrate(runtime)
            return await _drive_on(runtime, settled)

        return self._place.work(work)

    def inbox(
        self, wanted: Filter, order: Order, after: str | None, search: str
    ) -> tuple[list[Approval], bool]:
        """Of the person's tenant."""
        person = self._inbox_of(wanted)

        def read(session: Session) -> tuple[list[Approval], bool]:
            page = inbox(session, wanted, _after(session, order, after), person, search)
            return list(page.items), page.after is not None

        return self._place.read(read, self._tenant(person))

    def counts(self, wanted: Filter) -> Counts:
        """Of the person's tenant."""
        person = self._inbox_of(wanted)

        return self._place.read(
            lambda session: session.inbox.counts(wanted, person), self._tenant(person)
        )

    def question(self, approval_id: str) -> Asked:
        """With --as, the look is noted."""
        person = self._person()

        def read(session: Session) -> Asked:
            approval = session.approvals.get(approval_id)
            events = session.events.find(approval.run_id)
            said = session.comments.find(approval_id)
            return Asked(approval, session.runs.get(approval.run_id), events, said)

        async def look(runtime: Runtime) -> Asked:
            await runtime.desk.look(approval_id, self._place.operator(self._who))
            return read(runtime.store.read(self._tenant(person)))

        return self._place.read(read) if person is None else self._place.work(look)

    def claim(self, approval_id: str, *, override: bool) -> Approval:
        """Under the person's name."""
        return self._act(
            approval_id, "claim", lambda desk, me: desk.claim(approval_id, me, override=override)
        )

    def release(self, approval_id: str) -> Approval:
        """Under the person's name."""
        return self._act(approval_id, "claim", lambda desk, me: desk.release(approval_id, me))

    def undo(self, approval_id: str) -> Approval:
        """Under the person's name."""
        return self._act(approval_id, "decide", lambda desk, me: desk.undo(approval_id, me))

    def delegate(self, approval_id: str, to: str, reason: str) -> Approval:
        """To another person of operators.toml."""
        receiver = self._place.operator(to).name
        return self._act(
            approval_id, "decide", lambda desk, me: desk.delegate(approval_id, me, receiver, reason)
        )

    def comment(self, approval_id: str, text: str) -> Comment:
        """Under the person's name."""

        async def work(runtime: Runtime) -> Comment:
            operator = await self._about(runtime, "comment", [approval_id])
            return await runtime.desk.comment(approval_id, operator, text)

        return self._place.work(work)

    def decide(
        self, approval_id: str, answer: dict[str, Any], *, drive: bool
    ) -> tuple[Approval, Run]:
        """Under the person's name."""

        async def work(runtime: Runtime) -> tuple[Approval, Run]:
            operator = await self._about(runtime, "decide", [approval_id])
            session = runtime.store.read(operator.tenant)
            seen = answer["digest"] or session.approvals.get(approval_id).digest
            given = checked(Answer, {**answer, "digest": seen, "channel": channel(self._who)})
            approval = await runtime.decide(approval_id, operator, given)
            self._narrate(runtime)
            current = session.runs.get(approval.run_id)
            if drive and current.state == "queued":
                current = await _drive_on(runtime, current)
            return approval, current

        return self._place.work(work)

    def preview(self, ids: Sequence[str]) -> Preview:
        """For the person."""

        async def work(runtime: Runtime) -> Preview:
            operator = await self._about(runtime, "decide", ids)
            return await runtime.bulk.preview(ids, operator)

        return self._place.work(work)

    def decide_all(self, answer: dict[str, Any]) -> list[Item]:
        """Under the person's name."""

        from agent_runtime.bulk import BulkAnswer

        async def work(runtime: Runtime) -> list[Item]:
            operator = await self._about(runtime, "decide", answer["ids"])
            given = checked(BulkAnswer, {**answer, "channel": channel(self._who)})
            items = await runtime.bulk.decide(given, operator)
            session = runtime.store.read(operator.tenant)
            for run_id in [item.approval.run_id for item in items if item.approval is not None]:
                if session.runs.get(run_id).state == "queued":
                    await _drive_on(runtime, session.runs.get(run_id))
            return items

        return self._place.work(work)

    def tail(
        self,
        run_id: str | None,
        last: int,
        tell: Callable[[Event], None],
        goes_on: Callable[[], bool],
    ) -> None:
        """Read the store, again and again while it goes on."""

        def read(session: Session) -> None:
            if run_id is not None:
                session.runs.get(run_id)
            head = session.events.head().number
            after = 0 if run_id else max(0, head - last)
            found = session.events.find(run_id, after=after)
            after = found[-1].number if found else head
            for event in found[max(0, len(found) - last) :]:
                tell(event)
            while goes_on():
                time.sleep(POLL)
                for event in session.events.find(run_id, after=after):
                    after = event.number
                    tell(event)

        self._place.read(read)

    def workflows(self) -> list[Declaration]:
        """The project's."""
        app = self._place.app()
        return [declare(workflow, app) for workflow in app.workflows.values()]

    def workflow(self, name: str) -> Declaration:
        """One of the project's."""
        app = self._place.app()
        return declare(app.workflow(name), app)

    def drawing(self, name: str, form: Literal["text", "mermaid", "svg"]) -> str:
        """From its declaration."""
        return draw(self._place.app().workflow(name), form)

    def _act(
        self, approval_id: str, needed: Act, act: Callable[[Desk, Operator], Awaitable[Approval]]
    ) -> Approval:
        async def work(runtime: Runtime) -> Approval:
            return await act(runtime.desk, await self._about(runtime, needed, [approval_id]))

        return self._place.work(work)

    async def _resume(self, runtime: Runtime, run_id: str, wanted: Resumption) -> Run:
        self._narrate(runtime)
        await runtime.expire()
        ready = runtime.store.read("default").runs.get(run_id).state in READY
        if not (ready and wanted.plain):
            operator = await self._about_run(runtime, "resume", run_id)
            await runtime.resume(run_id, operator, wanted)
        return await runtime.drive(run_id)

    async def _about(self, runtime: Runtime, act: Act, ids: Sequence[str]) -> Operator:
        """The person, who may do this to those approvals as they are by now."""
        operator = self._place.operator(self._who)
        await runtime.expire(operator.tenant)
        session = runtime.store.read(operator.tenant)
        for approval_id in ids:
            asked = session.approvals.get(approval_id)
            await admit(runtime, operator, act, an_approval(asked, session.runs.get(asked.run_id)))
        return operator

    async def _about_run(self, runtime: Runtime, act: Act, run_id: str) -> Operator:
        """The person, who may do this to that run."""
        operator = self._place.operator(self._who)
        run = runtime.store.read(operator.tenant).runs.get(run_id)
        await admit(runtime, operator, act, a_run(run))
        return operator

    def _inbox_of(self, wanted: Filter) -> Operator | None:
        if wanted.mine and not self._who:
            raise SettingsError("--mine needs a person.", remedy="Say who you are with --as.")
        return self._person()

    def _person(self) -> Operator | None:
        return self._place.operator(self._who) if self._who else None

    def _tenant(self, person: Operator | None) -> str:
        return "default" if person is None else person.tenant

    def _narrate(self, runtime: Runtime) -> None:
        """Tell each event as it is stored."""
        runtime.store.listeners.append(lambda event: self._screen.line(event_line(event)))


async def _drive_on(runtime: Runtime, run: Run) -> Run:
    """Drive a run that was just made ready, unless a worker was faster: then it is that one's."""
    try:
        return await runtime.drive(run.id, run.tenant)
    except Conflict:
        present = runtime.store.read(run.tenant).runs.get(run.id)
        if present.epoch == run.epoch:
            raise
        return present


def _after(session: Session, order: Order, after: str | None) -> Order:
    """The order of a list, from after that id on."""
    if after is None:
        return order
    key = session.inbox.key(after, order.sort)
    if key is None:
        raise NotFound("approval", after, remedy="--after takes the last id you saw.")
    return order.model_copy(update={"after": key})
