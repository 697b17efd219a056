"""The remote station: a server, asked through its API in the name of whom the token speaks for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal, get_args

from agent_runtime.approval import Answer, Approval, ApprovalStatus
from agent_runtime.bulk import BulkAnswer, Item, Preview
from agent_runtime.cli.explain import event_line
from agent_runtime.cli.reading import checked
from agent_runtime.cli.screen import Screen
from agent_runtime.cli.station import Asked, Story
from agent_runtime.client import Client
from agent_runtime.comment import Comment
from agent_runtime.declaration import Declaration
from agent_runtime.errors import InvalidInput, NotPermitted
from agent_runtime.event import Event
from agent_runtime.evidence import Document
from agent_runtime.inbox import Counts, Filter, Order
from agent_runtime.knowledge.trail import Trail
from agent_runtime.resumption import Resumption
from agent_runtime.run import Run, RunState
from agent_runtime.runtime import Settlement

POLL = 0.1
"""Seconds between two looks at a run that a worker of the server drives."""

PATIENCE = 60.0
"""Seconds in which nothing happens to a run, after which it is left to the server."""

DRIVEN: tuple[RunState, ...] = ("queued", "running")


class Remote:
    """Asks the server; what runs do there is told here as it happens."""

    def __init__(self, client: Client, screen: Screen) -> None:
        self._client = client
        self._screen = screen

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
        """Start a run there, and watch it unless it is for later. Its owner is the token's."""
        if owner != "cli":
            raise InvalidInput(
                "--trigger", owner, "is not for a server", remedy="Whom the token is for starts it."
            )
        head = self.head()
        run = self._client.start(workflow, inputs, key=key, documents=documents, at=at)
        return run if run.is_delayed else self.watch(run, head)

    def runs(
        self, states: Sequence[RunState], *, newest: bool, after: str | None, limit: int
    ) -> tuple[list[Run], str | None]:
        """The server's page, and its cursor."""
        return self._client.runs_page(states, newest_first=newest, cursor=after, limit=limit)

    def story(self, run_id: str) -> Story:
        """From five resources."""
        run = self._client.run(run_id)
        events = list(self._client.events(run=run_id))
        journal, calls = self._client.journal(run_id), self._client.model_calls(run_id)
        return Story(run, events, self.asked_by(run), journal, calls)

    def asked_by(self, run: Run) -> list[Approval]:
        """In whatever state."""
        wanted = Filter(statuses=get_args(ApprovalStatus), run_id=run.id)
        return list(self._client.approvals(wanted))

    def trails(self, run_id: str) -> list[Trail]:
        """One by one, as the server tells them."""
        return list(self._client.trails(run_id))

    def resume(self, run_id: str | None, wanted: Resumption) -> list[Run]:
        """One run; what is ready is driven by the server's own workers."""
        if run_id is None:
            raise InvalidInput("RUN", "", "is missing", remedy="A server drives what is ready.")
        head = self.head()
        run = self._client.run(run_id)
        if run.state not in DRIVEN or not wanted.plain:
            run = self._client.resume(run_id, **wanted.model_dump(exclude_defaults=True))
        return [self.watch(run, head)]

    def cancel(self, run_id: str, reason: str) -> Run:
        """At once."""
        return self._client.cancel(run_id, reason)

    def settle(self, run_id: str, how: Settlement) -> Run:
        """And watch it."""
        run = self._client.settle(run_id, how)
        return self.watch(run, self.head(), since=run.updated_at)

    def inbox(
        self, wanted: Filter, order: Order, after: str | None, search: str
    ) -> tuple[list[Approval], bool]:
        """One page."""
        sorting: dict[str, Any] = {"sort": order.sort, "descending": order.descending}
        return self._client.page(wanted, **sorting, after=after, q=search, limit=order.limit)

    def counts(self, wanted: Filter) -> Counts:
        """Counted there."""
        return self._client.counts(wanted)

    def question(self, approval_id: str) -> Asked:
        """From four resources."""
        approval = self._client.approval(approval_id)
        events = list(self._client.events(run=approval.run_id))
        said = self._client.comments(approval_id)
        return Asked(approval, self._client.run(approval.run_id), events, said)

    def claim(self, approval_id: str, *, override: bool) -> Approval:
        """As whom the token is for."""
        return self._client.claim(approval_id, override=override)

    def release(self, approval_id: str) -> Approval:
        """As whom the token is for."""
        return self._client.release(approval_id)

    def undo(self, approval_id: str) -> Approval:
        """As whom the token is for."""
        return self._client.undo(approval_id)

    def delegate(self, approval_id: str, to: str, reason: str) -> Approval:
        """To somebody the server knows, or will."""
        return self._client.delegate(approval_id, to, reason)

    def comment(self, approval_id: str, text: str) -> Comment:
        """As whom the token is for."""
        return self._client.comment(approval_id, text)

    def decide(
        self, approval_id: str, answer: dict[str, Any], *, drive: bool
    ) -> tuple[Approval, Run]:
        """And watch the run."""
        head = self.head()
        seen = answer["digest"] or self._client.approval(approval_id).digest
        approval = self._client.decide(approval_id, checked(Answer, {**answer, "digest": seen}))
        run = self._client.run(approval.run_id)
        if drive:
            run = self.watch(run, head, since=_decided(approval))
        return approval, run

    def preview(self, ids: Sequence[str]) -> Preview:
        """Made there."""
        return self._client.preview(ids)

    def decide_all(self, answer: dict[str, Any]) -> list[Item]:
        """And wait for their runs."""
        items = self._client.decide_all(checked(BulkAnswer, answer))
        for item in items:
            if item.approval is not None:
                self.watch(self._client.run(item.approval.run_id), None)
        return items

    def tail(
        self,
        run_id: str | None,
        last: int,
        tell: Callable[[Event], None],
        goes_on: Callable[[], bool],
    ) -> None:
        """Read pages, then the stream."""
        head = self._client.head()
        if run_id is not None:
            self._client.run(run_id)
        after = 0 if run_id else max(0, head - last)
        found = list(self._client.events(after, run=run_id))
        for event in found[max(0, len(found) - last) :]:
            tell(event)
        if not goes_on():
            return
        for event in self._client.follow(found[-1].number if found else head, run=run_id):
            tell(event)
            if not goes_on():
                return

    def workflows(self) -> list[Declaration]:
        """Those that one may see."""
        return self._client.workflows()

    def workflow(self, name: str) -> Declaration:
        """One of them."""
        return self._client.workflow(name)

    def drawing(self, name: str, form: Literal["text", "mermaid", "svg"]) -> str:
        """Drawn there."""
        return self._client.drawing(name, form)

    def head(self) -> int | None:
        """The newest event's number; None for somebody who may not read the history: they start
        runs and are told how they ended."""
        try:
            return self._client.head()
        except NotPermitted:
            return None

    def watch(self, run: Run, after: int | None, since: datetime | None = None) -> Run:
        """Tell a run's events above a number, and after a moment, until it stands still."""
        until = time.monotonic() + PATIENCE
        while True:
            run = self._client.run(run.id)
            if after is not None:
                for event in self._client.events(after, run=run.id):
                    after, until = event.number, time.monotonic() + PATIENCE
                    if since is None or event.at > since:
                        self._screen.line(event_line(event))
            if run.state not in DRIVEN or time.monotonic() > until:
                return run
            time.sleep(POLL)


def _decided(approval: Approval) -> datetime | None:
    """When the last answer was given: what happened with it is told already."""
    return approval.decisions[-1].at if approval.decisions else None
