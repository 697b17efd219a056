"""The station: the installation that a command works on, here or behind a URL.

Commands ask a station and print; `Local` opens the data folder, `Remote` asks a server. Whoever
stands behind it is chosen when it is opened: locally with --as, elsewhere by the token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from agent_runtime.approval import Approval
from agent_runtime.comment import Comment
from agent_runtime.declaration import Declaration
from agent_runtime.event import Event
from agent_runtime.evidence import Document
from agent_runtime.inbox import Counts, Filter, Order
from agent_runtime.knowledge.trail import Trail
from agent_runtime.run import Run, RunState
from agent_runtime.store import JournalEntry
from agent_runtime.store.calls import ModelCall

if TYPE_CHECKING:  # what drives runs is heavy, and reading needs none of it
    from agent_runtime.bulk import Item, Preview
    from agent_runtime.resumption import Resumption
    from agent_runtime.runtime import Settlement


@dataclass(frozen=True)
class Story:
    """All that explains one run."""

    run: Run
    events: list[Event]
    approvals: list[Approval]
    journal: list[JournalEntry]
    calls: list[ModelCall]


@dataclass(frozen=True)
class Asked:
    """One question, with what it rests on and what was said about it."""

    approval: Approval
    run: Run
    events: list[Event]
    comments: list[Comment]


class Station(Protocol):
    """What commands ask for. Those that drive a run tell each event to the screen as it comes."""

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
        """Start a run, and drive it to its first pause or its end unless it is for later."""
        ...

    def runs(
        self, states: Sequence[RunState], *, newest: bool, after: str | None, limit: int
    ) -> tuple[list[Run], str | None]:
        """One page of the runs in these states, or of all, in the order they were started or the
        other way round; and what its last place is called, if there are more."""
        ...

    def story(self, run_id: str) -> Story:
        """All that explains one run."""
        ...

    def asked_by(self, run: Run) -> list[Approval]:
        """A run's questions."""
        ...

    def trails(self, run_id: str) -> list[Trail]:
        """Every passage that the run was shown, in order, followed back to its document."""
        ...

    def resume(self, run_id: str | None, wanted: Resumption) -> list[Run]:
        """Drive one run on, or all that are ready."""
        ...

    def cancel(self, run_id: str, reason: str) -> Run:
        """End a run."""
        ...

    def settle(self, run_id: str, how: Settlement) -> Run:
        """Say what became of a lost call, and drive the run on."""
        ...

    def inbox(
        self, wanted: Filter, order: Order, after: str | None, search: str
    ) -> tuple[list[Approval], bool]:
        """One page of questions after that id, and whether there are more. `search`: words, each
        of which stands in what is shown of a question."""
        ...

    def counts(self, wanted: Filter) -> Counts:
        """How many questions there are, and of which kinds."""
        ...

    def question(self, approval_id: str) -> Asked:
        """One question; that this person looked is noted."""
        ...

    def claim(self, approval_id: str, *, override: bool) -> Approval:
        """Say that one is at work on it."""
        ...

    def release(self, approval_id: str) -> Approval:
        """Give a claim back."""
        ...

    def undo(self, approval_id: str) -> Approval:
        """Take a held answer back."""
        ...

    def delegate(self, approval_id: str, to: str, reason: str) -> Approval:
        """Hand one's part to somebody else."""
        ...

    def comment(self, approval_id: str, text: str) -> Comment:
        """Add a remark."""
        ...

    def decide(
        self, approval_id: str, answer: dict[str, Any], *, drive: bool
    ) -> tuple[Approval, Run]:
        """Answer a question, and drive its run on. `answer`: fields of `Answer`; its digest and
        version may be missing, then they are the present ones."""
        ...

    def preview(self, ids: Sequence[str]) -> Preview:
        """What one answer to all of them would do."""
        ...

    def decide_all(self, answer: dict[str, Any]) -> list[Item]:
        """Answer all of a preview, and drive their runs on. `answer`: fields of `BulkAnswer`."""
        ...

    def tail(
        self,
        run_id: str | None,
        last: int,
        tell: Callable[[Event], None],
        goes_on: Callable[[], bool],
    ) -> None:
        """Tell the newest events, and what comes for as long as `goes_on`."""
        ...

    def workflows(self) -> list[Declaration]:
        """What can be started."""
        ...

    def workflow(self, name: str) -> Declaration:
        """One workflow."""
        ...

    def drawing(self, name: str, form: Literal["text", "mermaid", "svg"]) -> str:
        """A workflow as a picture."""
        ...
