"""The queue on one SQLite file of the store, a part of `FilesQueue`.

Queries over all tenants are made here, and for timers, schedules and retention by a few functions
beside their tables; they yield tenants, ids, names, times and counts.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from agent_runtime.clock import from_text, to_text
from agent_runtime.errors import StoreError
from agent_runtime.queue import UNLIMITED, IsGone, Job, Limits, Stats, take
from agent_runtime.queue.retry import MAX_TRIES
from agent_runtime.run import Run, RunState
from agent_runtime.store import Across, Session, Store
from agent_runtime.store.timers import TimerKind, next_due, whose_due

BEYOND = timedelta(hours=1)
"""A lease that ends later than this was given before the clock went back."""

_READY = (
    "state = 'queued' AND (ready_at <= :now OR ready_at <= updated_at"
    " OR (tries > 0 AND updated_at > :now))"
)
"""`Run.is_ready` in SQL."""

_PICK = f"""
SELECT tenant, id, workflow, -priority, ready_at FROM runs
WHERE {_READY}
  AND workflow NOT IN (SELECT value FROM json_each(:workflows))
  AND tenant NOT IN (SELECT value FROM json_each(:tenants))
  AND NOT EXISTS (SELECT 1 FROM rates AS r WHERE r.tenant = runs.tenant
    AND r.workflow = runs.workflow AND r.next_at > :now AND r.next_at <= :soon AND :limited)
ORDER BY priority DESC, ready_at, id LIMIT 1
"""  # noqa: S608 — constant

_STATS = f"""
SELECT count(*) FILTER (WHERE {_READY}), count(*) FILTER (WHERE state = 'queued'),
  count(*) FILTER (WHERE state = 'running'), min(ready_at) FILTER (WHERE {_READY})
FROM runs WHERE state IN ('queued', 'running')
"""  # noqa: S608 — constant

Claim = tuple[Job, str | None, str | None]
"""A claim with its owner and the end of its lease."""


class SqliteQueue:
    """The runs of one file, as one process sees them; `lease` is in seconds."""

    def __init__(self, store: Store, lease: float) -> None:
        self._store = store
        self._lease = lease
        self._beyond = max(BEYOND, timedelta(seconds=10 * lease))
        self._version: int | None = None
        self._latest: datetime | None = None
        self._suspects: dict[Claim, float] = {}

    @property
    def name(self) -> str:
        """The file's name."""
        return self._store.path.name

    def timer(self) -> datetime | None:
        """See `Queue.timer`."""
        with _reading():
            across = self._store.read_across()
            alarm = next_due(across.connection, across.now)
            rate = _next_rate(across)
        return min(filter(None, (alarm, rate)), default=None)

    def due(self) -> list[tuple[str, TimerKind]]:
        """See `Queue.due`."""
        with _reading():
            across = self._store.read_across()
            return whose_due(across.connection, across.now)

    def asking(self) -> list[str]:
        """See `Queue.asking`."""
        with _reading():
            rows = self._store.read_across().connection.execute(
                "SELECT DISTINCT tenant FROM approvals WHERE status = 'open'"
            )
            return [tenant for (tenant,) in rows.fetchall()]

    async def claim(self, owner: str, limits: Limits = UNLIMITED) -> Job | None:
        """See `Queue.claim`. Looks before it writes, so that an idle queue takes no lock."""
        with _reading():
            if _pick(self._store.read_across(), limits) is None:
                return None

        def claim(across: Across) -> Job | None:
            found = _pick(across, limits)
            if found is None:
                return None
            tenant, run_id, workflow, *_ = found
            if limits.starts_per_second is not None:
                _space(across, tenant, workflow, limits.starts_per_second)
            run = take(across.session(tenant), run_id, owner, self._lease)
            return Job(tenant, run_id, run.epoch)

        return await self._store.write_across(claim)

    def place(self, limits: Limits) -> tuple[int, str] | None:
        """Where the run that `claim` would take stands in the order of all; None for none."""
        with _reading():
            found = _pick(self._store.read_across(), limits)
        return None if found is None else found[3:]

    async def heartbeat(self, job: Job) -> None:
        """See `Queue.heartbeat`."""

        def renew(session: Session) -> None:
            until = session.now + timedelta(seconds=self._lease)
            session.runs.renew(job.run_id, job.epoch, until)

        await self._store.write(job.tenant, renew)

    async def done(self, job: Job, state: RunState, reason: str = "") -> Run:
        """See `Queue.done`."""

        def settle(session: Session) -> Run:
            session.runs.own(job.run_id, job.epoch)
            session.events.append("run.waits", job.run_id, state=state, reason=reason)
            return session.runs.move(job.run_id, state, reason)

        return await self._store.write(job.tenant, settle)

    async def retry(self, job: Job, delay: timedelta, reason: str) -> Run:
        """See `Queue.retry`."""

        def settle(session: Session) -> Run:
            session.runs.own(job.run_id, job.epoch)
            return _again(session, job, delay, reason)

        return await self._store.write(job.tenant, settle)

    async def park(self, job: Job, reason: str) -> Run:
        """See `Queue.park`."""
        return await self.done(job, "needs_attention", reason)

    async def reap(self, is_gone: IsGone) -> list[Job]:
        """See `Queue.reap`.

        A lease that seems to have passed is watched for longer than a heartbeat takes first:
        after a jump of the clock, a live owner renews it.
        """
        with _reading():
            ended = self._watch(_claims(self._store.read_across()), is_gone)
        if not ended:
            return []

        def reap(across: Across) -> list[Job]:
            still = [claim for claim in _claims(across) if claim in ended]
            for job, owner, _ in still:
                _end(across.session(job.tenant), job, owner)
            return [job for job, _, _ in still]

        return await self._store.write_across(reap)

    def stats(self) -> Stats:
        """See `Queue.stats`."""
        with _reading():
            across = self._store.read_across()
            row = across.connection.execute(_STATS, {"now": to_text(across.now)}).fetchone()
        ready, queued, running, first = row
        age = 0.0 if first is None else (across.now - from_text(first)).total_seconds()
        return Stats(ready, queued - ready, running, max(0.0, age))

    def running(self) -> dict[str, int]:
        """How many runs of each workflow are worked on."""
        with _reading():
            return _running(self._store.read_across())[0]

    def stirred(self, until: datetime | None) -> bool:
        """Whether there is anything to look at since this was asked before."""
        with _reading():
            version, now = self._store.file_version(), self._store.now()
        before, self._version = self._version, version
        latest, self._latest = self._latest, now
        back = latest is not None and now < latest
        reached = until is not None and now >= until
        return version != before or back or reached

    def _watch(self, claims: list[Claim], is_gone: IsGone) -> list[Claim]:
        """The claims that are over; remembers since when the others have looked like it."""
        now, at = self._store.now(), time.monotonic()
        early, late = to_text(now), to_text(now + self._beyond)
        odd = [claim for claim in claims if claim[2] is None or not early < claim[2] <= late]
        self._suspects = {claim: self._suspects.get(claim, at) for claim in odd}
        over = {c for c, since in self._suspects.items() if at - since >= self._lease / 2}
        return [claim for claim in claims if claim in over or is_gone(claim[1])]


def _pick(across: Across, limits: Limits) -> tuple[str, str, str, int, str] | None:
    """The first ready run that the limits allow: tenant, id, workflow, and what it is ordered by,
    its priority turned round and the time since when it is ready."""
    workflows, tenants = _full(across, limits)
    second = timedelta(seconds=1 / limits.starts_per_second if limits.starts_per_second else 0)
    found: tuple[str, str, str, int, str] | None = across.connection.execute(
        _PICK,
        {
            "now": to_text(across.now),
            "soon": to_text(across.now + second),  # later was said before the clock went back
            "limited": limits.starts_per_second is not None,
            "workflows": json.dumps(workflows),
            "tenants": json.dumps(tenants),
        },
    ).fetchone()
    return found


def _full(across: Across, limits: Limits) -> tuple[list[str], list[str]]:
    """The workflows and tenants of which no more runs may be worked on at once."""
    if not limits.workflows and limits.per_tenant is None:
        return [], []
    by_workflow, by_tenant = _running(across)
    full = [name for name, most in limits.workflows.items() if by_workflow.get(name, 0) >= most]
    most = limits.per_tenant
    return full, [name for name, n in by_tenant.items() if most is not None and n >= most]


def _running(across: Across) -> tuple[dict[str, int], dict[str, int]]:
    """How many runs are worked on, by workflow and by tenant."""
    by_workflow: dict[str, int] = {}
    by_tenant: dict[str, int] = {}
    for tenant, workflow, count in across.connection.execute(
        "SELECT tenant, workflow, count(*) FROM runs WHERE state = 'running'"
        " GROUP BY tenant, workflow"
    ):
        by_workflow[workflow] = by_workflow.get(workflow, 0) + count
        by_tenant[tenant] = by_tenant.get(tenant, 0) + count
    return by_workflow, by_tenant


def _next_rate(across: Across) -> datetime | None:
    """When the next limit on starts ends."""
    (at,) = across.connection.execute(
        "SELECT min(next_at) FROM rates WHERE next_at > ?", (to_text(across.now),)
    ).fetchone()
    return None if at is None else from_text(at)


def _space(across: Across, tenant: str, workflow: str, rate: float) -> None:
    """Let the workflow's next start wait its turn."""
    next_at = to_text(across.now + timedelta(seconds=1 / rate))
    across.connection.execute(
        "INSERT OR REPLACE INTO rates (tenant, workflow, next_at) VALUES (?,?,?)",
        (tenant, workflow, next_at),
    )


def _claims(across: Across) -> list[Claim]:
    rows: list[tuple[Any, ...]] = across.connection.execute(
        "SELECT tenant, id, epoch, owner, lease_until FROM runs WHERE state = 'running'"
    ).fetchall()
    return [
        (Job(tenant, run_id, epoch), owner, lease) for tenant, run_id, epoch, owner, lease in rows
    ]


def _end(session: Session, job: Job, owner: str | None) -> None:
    """Take a claim back from an owner that does not answer."""
    tries = session.runs.get(job.run_id).tries + 1
    reason = f"Its worker {owner} went silent."
    if tries < MAX_TRIES:
        _again(session, job, timedelta(), reason)
        return
    reason = f"{reason} That was attempt {tries}."
    waits = {"state": "needs_attention", "reason": reason, "lost": owner}
    session.events.append("run.waits", job.run_id, **waits)
    session.runs.move(job.run_id, "needs_attention", reason)


def _again(session: Session, job: Job, delay: timedelta, reason: str) -> Run:
    run = session.runs.defer(job.run_id, session.now + delay, reason)
    body = {"state": "queued", "reason": reason, "tries": run.tries}
    session.events.append("run.waits", job.run_id, **body, seconds=round(delay.total_seconds(), 3))
    return run


@contextmanager
def _reading() -> Iterator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"The queue cannot be read: {error}.") from error
