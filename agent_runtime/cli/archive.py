"""The archive: what is left of runs, to be looked back at, here or behind a URL.

As with a station, commands ask and print. A `tenant` of None is the caller's own; here that is the
default.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent_runtime.access import a_run
from agent_runtime.cli.opening import Place, admit
from agent_runtime.cli.remote import Remote
from agent_runtime.client import Client
from agent_runtime.errors import InvalidInput
from agent_runtime.replay.edits import Edits
from agent_runtime.replay.fork import fork as make_fork
from agent_runtime.replay.fork import rehearse_fork
from agent_runtime.replay.replay import Replayed, as_started, replay_one
from agent_runtime.replay.stage import staged
from agent_runtime.report import Beside, Report, build_report, put_beside
from agent_runtime.runtime import Runtime
from agent_runtime.settings import load_model_settings

DEFAULT = "default"
Tell = Callable[[Replayed], None]
"""Is told of each run as it is done."""


@dataclass(frozen=True)
class Wanted:
    """A fork as it was asked for: from which visit of a step, and with what changed."""

    run_id: str
    step: str
    visit: int | None
    edits: Edits
    reason: str


class Archive(Protocol):
    """What commands ask for."""

    def every(self, tenant: str | None) -> list[str]:
        """The ids of all runs, the oldest first."""
        ...

    def report(self, run_id: str, tenant: str | None, *, content: bool) -> Report:
        """All that explains one run."""
        ...

    def replay(
        self, run_ids: Sequence[str], tenant: str | None, tell: Tell, *, pinned: bool
    ) -> int:
        """Run them again on their recordings; how many effects that had: none."""
        ...

    def fork(self, wanted: Wanted) -> Report:
        """Start a new run and drive it to its first pause or its end."""
        ...

    def rehearse(self, wanted: Wanted) -> Report:
        """Play a fork on the recordings only."""
        ...

    def compare(self, one: str, other: str, tenant: str | None) -> Beside:
        """Two runs of one workflow."""
        ...


class Here:
    """A data folder's; `who` forks."""

    def __init__(self, place: Place, who: str) -> None:
        self._place = place
        self._who = who

    def every(self, tenant: str | None) -> list[str]:
        """As stored."""

        async def work(runtime: Runtime) -> list[str]:
            return [run.id for run in runtime.store.read(tenant or DEFAULT).runs.find()]

        return self._place.work(work)

    def report(self, run_id: str, tenant: str | None, *, content: bool) -> Report:
        """As stored."""

        async def work(runtime: Runtime) -> Report:
            session = runtime.store.read(tenant or DEFAULT)
            return build_report(session, session.runs.get(run_id), content=content)

        return self._place.work(work)

    def replay(
        self, run_ids: Sequence[str], tenant: str | None, tell: Tell, *, pinned: bool
    ) -> int:
        """On one stage, or on one for each run's own prompts and policies."""

        async def work(runtime: Runtime) -> int:
            session = runtime.store.read(tenant or DEFAULT)
            before = len(session.journal.find())
            async for one in _replayed(runtime, tenant or DEFAULT, run_ids, pinned=pinned):
                tell(one)
            return len(runtime.store.read(tenant or DEFAULT).journal.find()) - before

        return self._place.work(work)

    def fork(self, wanted: Wanted) -> Report:
        """In the person's name."""
        operator = self._place.operator(self._who)

        async def work(runtime: Runtime) -> Report:
            thing = a_run(runtime.store.read(operator.tenant).runs.get(wanted.run_id))
            await admit(runtime, operator, "resume", thing)
            place, why = (wanted.run_id, wanted.step, wanted.edits), wanted.reason
            made = await make_fork(runtime, *place, operator, visit=wanted.visit, reason=why)
            driven = await runtime.drive(made.id, operator.tenant)
            return build_report(runtime.store.read(operator.tenant), driven)

        return self._place.work(work)

    def rehearse(self, wanted: Wanted) -> Report:
        """By whoever may read the run."""
        operator = self._place.operator(self._who)

        async def work(runtime: Runtime) -> Report:
            thing = a_run(runtime.store.read(operator.tenant).runs.get(wanted.run_id))
            await admit(runtime, operator, "read", thing)
            place = (wanted.run_id, wanted.step, wanted.edits)
            return await rehearse_fork(runtime, *place, operator, visit=wanted.visit)

        return self._place.work(work)

    def compare(self, one: str, other: str, tenant: str | None) -> Beside:
        """As stored."""

        async def work(runtime: Runtime) -> Beside:
            session = runtime.store.read(tenant or DEFAULT)
            runs = [session.runs.get(name) for name in (one, other)]
            if runs[0].workflow != runs[1].workflow:
                raise InvalidInput("OTHER", other, f"is no run of {runs[0].workflow}")
            return put_beside(*(build_report(session, run) for run in runs))

        return self._place.work(work)


async def _replayed(
    runtime: Runtime, tenant: str, run_ids: Sequence[str], *, pinned: bool
) -> AsyncIterator[Replayed]:
    """One stage for all runs; where each is to have the prompts of its time, one for each."""
    session, asking = runtime.store.read(tenant), load_model_settings()
    for part in [[one] for one in run_ids] if pinned else [run_ids]:
        app = as_started(session, runtime.app, part[0]) if pinned else runtime.app
        async with staged(app, asking) as stage:
            for run_id in part:
                yield await replay_one(stage, session, app, run_id)


class There:
    """A server's, in the name of whom the token speaks for."""

    def __init__(self, client: Client, remote: Remote) -> None:
        self._client = client
        self._remote = remote

    def every(self, tenant: str | None) -> list[str]:
        """Page by page."""
        _require_own(tenant)
        return [run.id for run in self._client.runs()]

    def report(self, run_id: str, tenant: str | None, *, content: bool) -> Report:
        """Told there."""
        _require_own(tenant)
        return self._client.replays.report(run_id, content=content)

    def replay(
        self, run_ids: Sequence[str], tenant: str | None, tell: Tell, *, pinned: bool
    ) -> int:
        """One request for each run."""
        _require_own(tenant)
        effects = 0
        for run_id in run_ids:
            before = len(self._client.journal(run_id))
            tell(self._client.replays.replay(run_id, pinned=pinned))
            effects += len(self._client.journal(run_id)) - before
        return effects

    def fork(self, wanted: Wanted) -> Report:
        """Started there, and watched."""
        head = self._remote.head()
        made = self._client.replays.fork(wanted.run_id, wanted.step, wanted.edits,
                                         visit=wanted.visit, reason=wanted.reason)  # fmt: skip
        return self._client.replays.report(self._remote.watch(made, head).id)

    def rehearse(self, wanted: Wanted) -> Report:
        """Played there."""
        place = (wanted.run_id, wanted.step, wanted.edits)
        return self._client.replays.rehearse_fork(*place, visit=wanted.visit)

    def compare(self, one: str, other: str, tenant: str | None) -> Beside:
        """Put beside each other there."""
        _require_own(tenant)
        return self._client.replays.compare(one, other)


def _require_own(tenant: str | None) -> None:
    if tenant is not None:
        raise InvalidInput(
            "--tenant", tenant, "means nothing to a server", remedy="Its token says whose."
        )
