"""The outbox: who is told what of the history, and what could not be told."""

from __future__ import annotations

from agent_runtime.errors import Conflict, InvalidInput
from agent_runtime.installation import Installation
from agent_runtime.notice import MOST, Notice, Subscription, Wanted
from agent_runtime.run import new_id
from agent_runtime.store import Session
from agent_runtime.verdict import Operator


class Outbox:
    """Keeps a tenant's subscriptions, and its dead letters."""

    def __init__(self, installation: Installation) -> None:
        self._in = installation

    async def subscribe(self, operator: Operator, wanted: Wanted) -> Subscription:
        """Have the operator's tenant's events told from now on.

        Raises InvalidInput for what can never be delivered here, Conflict where there are too many.
        """
        self._check(operator.tenant, wanted)

        def add(session: Session) -> Subscription:
            if len(session.subscriptions.find()) >= MOST:
                raise Conflict(f"There are {MOST} subscriptions.", remedy="Remove one first.")
            subscription = Subscription(
                **wanted.model_dump(),
                id=new_id("sub"),
                tenant=session.tenant,
                created_by=operator.name,
                created_at=session.now,
            )
            session.subscriptions.add(subscription)
            body = {"subscription": subscription.id, "channel": wanted.channel}
            topics = list(wanted.topics)
            session.events.append(
                "subscription.created", None, **body, topics=topics, by=operator.name
            )
            return subscription

        return await self._in.store.write(operator.tenant, add)

    async def unsubscribe(self, operator: Operator, subscription_id: str) -> Subscription:
        """Tell no more, also not what is still due; raises NotFound."""

        def remove(session: Session) -> Subscription:
            found = session.subscriptions.get(subscription_id)
            session.subscriptions.remove(subscription_id)
            session.notices.forget(subscription_id)
            body = {"subscription": subscription_id, "by": operator.name}
            session.events.append("subscription.removed", None, **body)
            return found

        return await self._in.store.write(operator.tenant, remove)

    async def resend(self, operator: Operator, notice_id: str) -> Notice:
        """Have a dead notice delivered after all; raises NotFound, Conflict."""

        def resend(session: Session) -> Notice:
            again = session.notices.resend(notice_id)
            body = {"notice": notice_id, "by": operator.name}
            session.events.append("notice.resent", again.run, **body)
            return again

        return await self._in.store.write(operator.tenant, resend)

    def _check(self, tenant: str, wanted: Wanted) -> None:
        own = self._in.notices
        if wanted.content and not own.notice_content:
            remedy = "Leave it out, or set AGENT_RUNTIME_NOTICE_CONTENT."
            raise InvalidInput(
                "content", "true", "no content leaves this installation", remedy=remedy
            )
        if wanted.secret is not None and not self._in.secrets.knows(tenant, wanted.secret):
            raise InvalidInput("secret", wanted.secret, "is no secret of this tenant")
        if wanted.channel == "mail" and (own.smtp_host is None or own.mail_from is None):
            remedy = "Set AGENT_RUNTIME_SMTP_HOST and AGENT_RUNTIME_MAIL_FROM."
            raise InvalidInput("channel", "mail", "no SMTP server is set", remedy=remedy)
        if wanted.to.startswith("http:") and not own.notice_networks:
            remedy = "Begin it with https://."
            raise InvalidInput("to", "http:", "a webhook has to be encrypted", remedy=remedy)
