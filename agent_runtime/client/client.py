"""A server's API, typed: runs, approvals, events, workflows and schedules as what they are here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from agent_runtime.approval import Answer, Approval
from agent_runtime.client.administration import Administration
from agent_runtime.client.answer import as_, items, path_of
from agent_runtime.client.evaluation import Evaluation
from agent_runtime.client.knowledge import Knowledge
from agent_runtime.client.replays import Replays
from agent_runtime.client.wire import Wire, from_problem
from agent_runtime.comment import Comment
from agent_runtime.declaration import Declaration
from agent_runtime.errors import ServerUnavailable
from agent_runtime.event import Event, EventType
from agent_runtime.evidence import Document
from agent_runtime.inbox import Counts, Filter, Sort
from agent_runtime.run import Run, RunState

if TYPE_CHECKING:  # what stands beside these is heavy, and needed by few
    from agent_runtime.bulk import BulkAnswer, Item, Preview
    from agent_runtime.knowledge.trail import Trail
    from agent_runtime.store import JournalEntry
    from agent_runtime.store.calls import ModelCall
    from agent_runtime.store.schedules import StoredSchedule

PAGE = 200
"""How many a list reads at a time."""

END = 2**53 - 1
"""A number above every event's."""

T = TypeVar("T")
Wait = Literal["paused", "done"]
Settlement = Literal["happened", "did_not_happen", "retry"]


class Client:
    """One server, as the person whom the token speaks for. Lists are iterators that read page by
    page. Raises what the server raised, from `agent_runtime.errors`; ServerUnavailable where it
    gave no answer. Requests are repeated where that is safe, each POST under a key of its own.

    `token`: None for a server with `--dev`. `timeout`: seconds for one answer.
    """

    def __init__(self, url: str, token: str | None = None, *, timeout: float = 60.0) -> None:
        self._wire = Wire(url, token, timeout=timeout)

    @cached_property
    def administration(self) -> Administration:
        """Tokens, notices, policies, the history's proof, tenants."""
        return Administration(self._wire)

    @cached_property
    def evaluation(self) -> Evaluation:
        """How well runs do, what is said of them, and what is tried on them."""
        return Evaluation(self._wire)

    @cached_property
    def knowledge(self) -> Knowledge:
        """What steps may read."""
        return Knowledge(self._wire)

    @cached_property
    def replays(self) -> Replays:
        """Reports, replays, forks."""
        return Replays(self._wire)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._wire.close()

    # Runs

    def start(
        self,
        workflow: str,
        inputs: dict[str, Any],
        *,
        key: str | None = None,
        documents: Sequence[Document] = (),
        at: datetime | None = None,
        priority: int = 0,
        wait: Wait | None = None,
        timeout: float = 10.0,
    ) -> Run:
        """Start a run, once per `key`; with `wait`, return when it got there or time is over."""
        body: dict[str, Any] = {"workflow": workflow, "input": inputs, "priority": priority}
        body["documents"] = [document.model_dump(mode="json") for document in documents]
        body |= {} if key is None else {"key": key}
        body |= {} if at is None else {"at": at.isoformat()}
        return as_(Run, self._wire.post("/v1/runs", body, _waiting(wait, timeout)))

    def runs(
        self,
        states: Sequence[RunState] = (),
        *,
        workflow: str | None = None,
        started_by: str | None = None,
        key: str | None = None,
        newest_first: bool = False,
    ) -> Iterator[Run]:
        """The tenant's runs."""
        query = {"state": states, "workflow": workflow, "started_by": started_by, "key": key}
        sort = "-created" if newest_first else "created"
        return self._pages(Run, "/v1/runs", {**query, "sort": sort})

    def runs_page(
        self,
        states: Sequence[RunState] = (),
        *,
        newest_first: bool = False,
        cursor: str | None = None,
        limit: int = PAGE,
    ) -> tuple[list[Run], str | None]:
        """One page of the same, and the cursor of the next."""
        sort = "-created" if newest_first else "created"
        query = {"state": states, "sort": sort, "cursor": cursor, "limit": limit}
        page = self._wire.get("/v1/runs", query)
        return items(Run, page), page["next"]

    def run(self, run_id: str) -> Run:
        """One run."""
        return as_(Run, self._wire.get(path_of("runs", run_id)))

    def trails(self, run_id: str) -> Iterator[Trail]:
        """Each passage that a run was shown and that is still there, with where it comes from."""
        from agent_runtime.knowledge.trail import Trail

        bundles = self._wire.get(path_of("runs", run_id, "evidence"))["items"]
        passages = {name: kept for one in bundles for name, kept in one["passages"].items()}
        for name in (name for name, kept in passages.items() if kept is not None):
            yield as_(Trail, self._wire.get(path_of("runs", run_id, "evidence", name)))

    def journal(self, run_id: str) -> list[JournalEntry]:
        """A run's calls of write tools."""
        from agent_runtime.store import JournalEntry

        return items(JournalEntry, self._wire.get(path_of("runs", run_id, "journal")))

    def model_calls(self, run_id: str) -> list[ModelCall]:
        """Every attempt of a run at asking a model, with what it took."""
        from agent_runtime.store.calls import ModelCall

        return items(ModelCall, self._wire.get(path_of("runs", run_id, "calls")))

    def cancel(self, run_id: str, reason: str) -> Run:
        """End a run."""
        return as_(Run, self._wire.post(path_of("runs", run_id, "cancel"), {"reason": reason}))

    def resume(self, run_id: str, reason: str = "", **wanted: Any) -> Run:
        """Send a run that waits for somebody's attention on. `wanted`: one of `retry` and `skip`, a
        step, and `input`, corrected fields."""
        body = {"reason": reason, **wanted}
        return as_(Run, self._wire.post(path_of("runs", run_id, "resume"), body))

    def settle(self, run_id: str, how: Settlement) -> Run:
        """Say what became of a lost call."""
        return as_(Run, self._wire.post(path_of("runs", run_id, "settle"), {"how": how}))

    # Approvals

    def approvals(
        self,
        wanted: Filter | None = None,
        *,
        sort: Sort = "age",
        descending: bool = False,
        after: str | None = None,
        q: str = "",
    ) -> Iterator[Approval]:
        """Questions, by default those that wait; behind the id `after`; with all words of `q`."""
        more = True
        while more:
            found, more = self.page(wanted, sort=sort, descending=descending, after=after, q=q)
            yield from found
            after = found[-1].id if found else after

    def page(
        self,
        wanted: Filter | None = None,
        *,
        sort: Sort = "age",
        descending: bool = False,
        after: str | None = None,
        q: str = "",
        limit: int = PAGE,
    ) -> tuple[list[Approval], bool]:
        """One page of the same, and whether there is another after it."""
        given = {"sort": f"-{sort}" if descending else sort, "after": after, "q": q or None}
        page = self._wire.get("/v1/approvals", {**_filter(wanted), **given, "limit": limit})
        return items(Approval, page), page["next"] is not None

    def counts(self, wanted: Filter | None = None) -> Counts:
        """How many questions a filter finds, and of which kinds."""
        return as_(Counts, self._wire.get("/v1/approvals/counts", _filter(wanted)))

    def approval(self, approval_id: str) -> Approval:
        """One question; the time to decide counts from the first look."""
        return as_(Approval, self._wire.get(path_of("approvals", approval_id)))

    def decide(
        self, approval_id: str, answer: Answer, *, wait: Wait | None = None, timeout: float = 10.0
    ) -> Approval:
        """Answer a question; `answer.digest` is that of the question that was seen."""
        body = answer.model_dump(mode="json", exclude={"channel"})
        path = path_of("approvals", approval_id, "decide")
        return as_(Approval, self._wire.post(path, body, _waiting(wait, timeout)))

    def claim(self, approval_id: str, *, override: bool = False) -> Approval:
        """Say for two minutes that one is at work on it."""
        return self._act(approval_id, "claim", {"override": override})

    def release(self, approval_id: str) -> Approval:
        """Give one's claim back."""
        return self._act(approval_id, "release")

    def undo(self, approval_id: str) -> Approval:
        """Take one's held answer back."""
        return self._act(approval_id, "undo")

    def refresh(self, approval_id: str) -> Approval:
        """Have its facts read again."""
        return self._act(approval_id, "refresh")

    def delegate(self, approval_id: str, to: str, reason: str = "") -> Approval:
        """Hand one's part to somebody else."""
        return self._act(approval_id, "delegate", {"to": to, "reason": reason})

    def comment(self, approval_id: str, text: str) -> Comment:
        """Add a remark."""
        path = path_of("approvals", approval_id, "comments")
        return as_(Comment, self._wire.post(path, {"text": text}))

    def comments(self, approval_id: str) -> list[Comment]:
        """What was said about it."""
        return items(Comment, self._wire.get(path_of("approvals", approval_id, "comments")))

    def preview(self, ids: Sequence[str]) -> Preview:
        """What one answer to all of them would do."""
        from agent_runtime.bulk import Preview

        return as_(Preview, self._wire.post("/v1/bulk-decisions/preview", {"ids": list(ids)}))

    def decide_all(self, answer: BulkAnswer) -> list[Item]:
        """Answer all of a preview."""
        from agent_runtime.bulk import Item

        body = answer.model_dump(mode="json", exclude={"channel"})
        found = self._wire.post("/v1/bulk-decisions", body)
        return [
            Item(
                one["id"],
                None if one["approval"] is None else as_(Approval, one["approval"]),
                None if one["problem"] is None else from_problem(one["problem"]),
            )
            for one in found["items"]
        ]

    # History

    def events(
        self, after: int = 0, *, run: str | None = None, types: Sequence[EventType] = ()
    ) -> Iterator[Event]:
        """The tenant's history above that number."""
        place: int | None = after
        while place is not None:
            query = {"after": place, "run": run, "type": types, "limit": PAGE}
            page = self._wire.get("/v1/events", query)
            yield from items(Event, page)
            place = page["next"]

    def head(self) -> int:
        """The number of the tenant's newest event."""
        return int(self._wire.get("/v1/events", {"after": END, "limit": 1})["head"])

    def follow(self, after: int, *, run: str | None = None) -> Iterator[Event]:
        """The history above that number and then what comes, for ever; nothing is left out, also
        when the server restarts."""
        while True:
            try:
                for told in self._told(after, run):
                    after = told.number
                    yield told
            except ServerUnavailable:
                self._wire.get("/readyz")  # tried several times; raises where it stays away
            for event in self.events(after, run=run):
                after = event.number
                yield event

    def _told(self, after: int, run: str | None) -> Iterator[Event]:
        """What one stream tells, until it ends or says that too much was missed."""
        query = {"after": after, "run": run}
        with self._wire.stream("/v1/events/stream", query) as lines:
            for line in lines:
                name, _, value = line.partition(": ")
                if (name, value) == ("event", "reset"):
                    return
                if name == "data":
                    yield as_(Event, json.loads(value))

    # Workflows and schedules

    def workflows(self) -> list[Declaration]:
        """What can be started."""
        return items(Declaration, self._wire.get("/v1/workflows"))

    def workflow(self, name: str) -> Declaration:
        """One workflow."""
        return as_(Declaration, self._wire.get(path_of("workflows", name)))

    def drawing(self, name: str, form: Literal["text", "mermaid", "svg"] = "text") -> str:
        """A workflow as a picture."""
        return str(self._wire.get(path_of("workflows", name, "drawing"), {"form": form}))

    def schedules(self) -> list[StoredSchedule]:
        """What the clock starts."""
        from agent_runtime.store.schedules import StoredSchedule

        return items(StoredSchedule, self._wire.get("/v1/schedules"))

    def coming(self, schedule_id: str, count: int = 10) -> list[datetime]:
        """The next times of one schedule."""
        path = path_of("schedules", schedule_id, "next")
        return items(datetime, self._wire.get(path, {"count": count}))

    def pause_schedule(self, schedule_id: str, reason: str = "") -> StoredSchedule:
        """Let it start nothing until it is resumed."""
        from agent_runtime.store.schedules import StoredSchedule

        path = path_of("schedules", schedule_id, "pause")
        return as_(StoredSchedule, self._wire.post(path, {"reason": reason}))

    def resume_schedule(self, schedule_id: str) -> StoredSchedule:
        """Let it start runs again."""
        from agent_runtime.store.schedules import StoredSchedule

        return as_(StoredSchedule, self._wire.post(path_of("schedules", schedule_id, "resume")))

    def _act(self, approval_id: str, verb: str, body: Any = None) -> Approval:
        return as_(Approval, self._wire.post(path_of("approvals", approval_id, verb), body))

    def _pages(self, kind: type[T], path: str, query: dict[str, Any], **first: Any) -> Iterator[T]:
        more: dict[str, Any] = first
        while True:
            page = self._wire.get(path, {**query, **more, "limit": PAGE})
            yield from items(kind, page)
            if page["next"] is None:
                return
            more = {"cursor": page["next"]}


def _filter(wanted: Filter | None) -> dict[str, Any]:
    """A filter as a query: only what differs from asking for nothing in particular."""
    if wanted is None:
        return {}
    found = wanted.model_dump(mode="json", exclude_defaults=True)
    names = {"statuses": "status", "run_id": "run"}
    return {names.get(name, name): value for name, value in found.items()}


def _waiting(wait: Wait | None, timeout: float) -> dict[str, Any]:
    return {} if wait is None else {"wait": wait, "timeout": timeout}
