"""The courier: delivers what is due in the outbox, and tries again what did not get there.

A notice is delivered at least once. Its id stays the same however often it is sent, so that a
receiver can tell; one subscription's notices are sent one after the other, in order, while others'
don't wait for them.
"""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, assert_never

from agent_runtime.action import canonical
from agent_runtime.approval import Approval
from agent_runtime.cloudevent import MEDIA, CloudEvent
from agent_runtime.errors import NotFound, SettingsError, StoreError
from agent_runtime.installation import Installation
from agent_runtime.notice import Notice, Outcome, Subscription
from agent_runtime.signature import sign
from agent_runtime.store import Session
from agent_runtime.telemetry import log

if TYPE_CHECKING:
    from agent_runtime.mail import Mail
    from agent_runtime.webhook import Webhook

MAX_TRIES = 8
FIRST_DELAY = timedelta(seconds=10)
LONGEST_DELAY = timedelta(hours=6)
"""Before the second attempt, and before any: eight of them span some nine hours."""

LEASE = timedelta(minutes=1)
"""How long one attempt may take before another process makes it."""

AT_ONCE = 16
"""Attempts at once in this process."""

PORTION = 50
"""Notices of one round: after an outage there may be very many."""

PAUSE = 1.0
"""Seconds to wait where the store is at fault."""

Round = asyncio.Task[None]


class Courier:
    """Delivers the notices of one process's share."""

    def __init__(self, installation: Installation, rng: random.Random | None = None) -> None:
        self._in = installation
        self._rng = rng or random.SystemRandom()
        self._rounds: dict[tuple[str, str], Round] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    def set_out(self, tenant: str) -> list[Round]:
        """Begin to deliver what is due; returns what was begun, each to be awaited by somebody."""
        begun = []
        for subscription in self._in.store.read(tenant).notices.whose_due():
            where = (tenant, subscription)
            if where not in self._rounds:
                task = asyncio.create_task(self._round(*where))
                self._rounds[where] = task
                task.add_done_callback(partial(self._end, where))
                begun.append(task)
        return begun

    def _end(self, where: tuple[str, str], _: Round) -> None:
        del self._rounds[where]

    async def _round(self, tenant: str, subscription: str) -> None:
        """Deliver what is due to one subscription, one after the other; the worker's next turn goes
        on where there is more."""
        try:
            for notice in self._in.store.read(tenant).notices.due(subscription, PORTION):
                async with self._room:
                    await self._deliver(notice)
        except StoreError as error:
            # Whatever was sent and not noted is sent again: receivers know it by its id.
            log("notices could not be stored", error=error.code)
            await asyncio.sleep(PAUSE)

    async def _deliver(self, due: Notice) -> None:
        def take(session: Session) -> Notice | None:
            return session.notices.take(due.id, session.now + LEASE)

        taken = await self._in.store.write(due.tenant, take)
        if taken is None:
            return  # another process was faster
        try:
            outcome = await self._send(taken)
        except asyncio.CancelledError:
            # Told to stop: another process need not wait for the lease to pass. Nobody is there to
            # wait for the commit either; the store makes it before it closes.
            self._in.store.submit(due.tenant, partial(hand_back, taken))
            raise
        log("notice sent", notice=taken.id, tries=taken.tries, why=outcome.why)
        delay = delay_after(taken.tries, self._rng, timedelta(seconds=outcome.wait))
        await self._in.store.write(due.tenant, partial(settle, taken, outcome, delay))

    async def _send(self, notice: Notice) -> Outcome:
        session = self._in.store.read(notice.tenant)
        try:
            subscription = session.subscriptions.get(notice.subscription)
        except NotFound:
            return Outcome("nobody asks for it any more", final=True)
        content = subscription.content and self._in.notices.notice_content
        data = tell(notice, _question(session, notice), content=content)
        match subscription.channel:
            case "webhook":
                return await self._post(subscription, notice, data)
            case "mail":
                return await self._mail.send(subscription.to, notice, data)
            case _:
                assert_never(subscription.channel)

    async def _post(
        self, subscription: Subscription, notice: Notice, data: dict[str, Any]
    ) -> Outcome:
        body = canonical(_event(notice, data).document)
        try:
            secrets = self._in.secrets.get(notice.tenant, subscription.secret or "")
        except SettingsError as error:
            log("notice without a secret", notice=notice.id, error=error.code)
            return Outcome("its secret cannot be used")
        headers = sign(secrets, notice.id, self._in.clock.now(), body)
        return await self._webhook.send(subscription.to, {"content-type": MEDIA, **headers}, body)

    # The channels come with libraries that a process without notices need not load.

    @cached_property
    def _webhook(self) -> Webhook:
        from agent_runtime.webhook import Webhook

        return Webhook(self._in.notices)

    @cached_property
    def _mail(self) -> Mail:
        from agent_runtime.mail import Mail

        return Mail(self._in.notices)


def settle(notice: Notice, outcome: Outcome, delay: timedelta, session: Session) -> None:
    """Note what became of one attempt; giving up is part of the history."""
    if outcome.delivered:
        session.notices.delivered(notice)
    elif outcome.final or notice.tries >= MAX_TRIES:
        session.notices.bury(notice, outcome.why)
        body = {"notice": notice.id, "subscription": notice.subscription, "topic": notice.topic}
        told = {**body, "tries": notice.tries, "why": outcome.why}
        session.events.append("notice.dead", notice.run, **told)
    else:
        session.notices.again(notice, outcome.why, session.now + delay)


def hand_back(notice: Notice, session: Session) -> None:
    """Have a notice delivered by whoever comes next: whether it got there is not known."""
    session.notices.again(notice, notice.why, session.now)


def delay_after(tries: int, rng: random.Random, asked: timedelta = timedelta()) -> timedelta:
    """How long to wait after the `tries`-th failure: four times as long each time, less a part by
    chance, so that a receiver that comes back isn't met by all at once. As long as the receiver
    `asked` for, if that is longer, but never beyond the longest delay: it may ask for years."""
    steps = min(tries, MAX_TRIES) - 1
    own = min(LONGEST_DELAY, FIRST_DELAY * 4.0**steps) * rng.uniform(0.5, 1.0)
    return max(own, min(LONGEST_DELAY, asked))


def tell(notice: Notice, asked: Approval | None, *, content: bool) -> dict[str, Any]:
    """What a notice says: ids, digests and states, the same at every attempt."""
    data: dict[str, Any] = {
        "tenant": notice.tenant,
        "workflow": notice.workflow,
        "run": notice.run,
        "status": notice.status,
        "event": notice.event,
        "event_hash": notice.event_hash,
    }
    if asked is not None:
        data |= {
            "approval": asked.id,
            "digest": asked.digest,
            "step": asked.step,
            "roles": [slot.role for slot in asked.slots],
            "deadline": asked.deadline.isoformat(),
        }
    if asked is not None and content:
        data["action"] = asked.action.model_dump(mode="json")
    return data


def _event(notice: Notice, data: dict[str, Any]) -> CloudEvent:
    return CloudEvent(
        specversion="1.0",
        id=notice.id,
        source=f"/agent-runtime/{notice.tenant}",
        type=f"agent-runtime.{notice.topic}",
        subject=notice.run,
        time=notice.at,
        datacontenttype="application/json",
        data=data,
    )


def _question(session: Session, notice: Notice) -> Approval | None:
    if notice.approval is None:
        return None
    try:
        return session.approvals.get(notice.approval)
    except NotFound:
        return None
