"""A lane: the writes of one claim, committed in the order in which they were made.

What is only to be reported is posted: it is sent along with the next write that somebody waits
for, or after a moment on its own. After a post that failed nothing of this lane is written any
more, so that whoever waits for a later write may rely on every earlier one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from agent_runtime.store.session import Session
from agent_runtime.store.writer import Failed

T = TypeVar("T")

PATIENCE = 0.01
"""Seconds that a post waits for company at most: how far live updates are behind."""


class Writes(Protocol):
    """What a lane needs of a store."""

    async def write(
        self, tenant: str, work: Callable[[Session], T], failed: Failed | None = None
    ) -> T:
        """Run `work` in one transaction; returns once it is committed."""
        ...

    def submit(
        self, tenant: str, work: Callable[[Session], T], failed: Failed | None = None
    ) -> asyncio.Future[T]:
        """The same without waiting."""
        ...


@dataclass(frozen=True)
class _Post:
    work: Callable[[Session], object]
    provisional: bool


class Lane:
    """The writes of the worker that holds `epoch` of a run. For one event loop.

    Without an epoch it is for a thread that is no run: nothing checks who writes.
    """

    def __init__(self, store: Writes, tenant: str, run_id: str, epoch: int | None) -> None:
        self._store = store
        self._tenant = tenant
        self._run_id = run_id
        self._epoch = epoch
        self._posts: list[_Post] = []
        self._timer: asyncio.TimerHandle | None = None
        self._sent: set[asyncio.Future[None]] = set()
        self._broken: BaseException | None = None

    def post(
        self,
        work: Callable[[Session], object],
        *,
        provisional: bool = False,
        replaces: bool = False,
    ) -> None:
        """Write this before anything that comes later, without waiting for it.

        A `provisional` post is needless once a later one that `replaces` it is stored: where both
        are still unsent, only the later one is.
        """
        if replaces:
            self._posts = [post for post in self._posts if not post.provisional]
        self._posts.append(_Post(work, provisional))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self.send)

    async def write(self, work: Callable[[Session], T]) -> T:
        """Commit `work` with all that was posted before it, in one transaction.

        Raises LostOwnership once the claim has lapsed, what `work` raised (what was posted is
        kept, and sent later), or what went wrong with an earlier post.
        """
        posts, reached = self._take(), False

        def both(session: Session) -> T:
            nonlocal reached
            reached = False  # the writer may run a request twice
            self._run(session, posts)
            reached = True
            return work(session)

        def failed(error: BaseException) -> None:
            if not reached:
                self._break(error)

        try:
            return await self._store.write(self._tenant, both, failed)
        except asyncio.CancelledError:
            raise  # the writer still has the request
        except BaseException:
            if reached:
                self._posts = [*posts, *self._posts]
            raise

    def send(self) -> None:
        """Have what was posted committed now, without waiting for it."""
        posts = self._take()
        if posts:
            sent = self._store.submit(
                self._tenant, lambda session: self._run(session, posts), self._break
            )
            self._sent.add(sent)
            sent.add_done_callback(self._hear)

    async def settled(self) -> None:
        """Wait until everything that was posted is committed; raises as `write` does."""
        if self._posts or self._sent or self._broken is not None:
            await self.write(lambda _: None)

    def _take(self) -> list[_Post]:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        posts, self._posts = self._posts, []
        return posts

    def _run(self, session: Session, posts: list[_Post]) -> None:
        if self._broken is not None:
            raise self._broken
        if self._epoch is not None:
            session.runs.own(self._run_id, self._epoch)
        for post in posts:
            post.work(session)

    def _break(self, error: BaseException) -> None:
        self._broken = error

    def _hear(self, sent: asyncio.Future[None]) -> None:
        self._sent.discard(sent)
        if not sent.cancelled():
            sent.exception()  # whoever writes next is told
