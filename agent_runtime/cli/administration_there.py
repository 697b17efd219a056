"""A server's administration, asked in the name of whom the token speaks for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from agent_runtime.anchor import Audit
from agent_runtime.client import Client
from agent_runtime.errors import InvalidInput
from agent_runtime.event import Head
from agent_runtime.export import Manifest
from agent_runtime.notice import Notice, Subscription, Wanted
from agent_runtime.policy import Report
from agent_runtime.policy.change import PolicyChange
from agent_runtime.tenancy import Erasure
from agent_runtime.tenant import Tenant
from agent_runtime.token import Token

DAY = timedelta(days=1)


class There:
    """See `Administration`. The tenant is always the token's own."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ask = client.administration

    def roles_of(
        self,
        name: str,  # noqa: ARG002 — a server has no list to look either up in
        tenant: str | None,  # noqa: ARG002 — see above
    ) -> tuple[str, ...]:
        """None: who is who is not asked of a server."""
        return ()

    def make_token(
        self,
        name: str,
        roles: tuple[str, ...],
        tenant: str | None,
        lifetime: timedelta,
        scopes: Sequence[str] | None,
    ) -> tuple[Token, str]:
        """For whole days."""
        _own(tenant)
        if lifetime % DAY:
            raise InvalidInput("--expires", str(lifetime), "is not for a server: name whole days")
        return self._ask.create_token(name, roles, days=lifetime // DAY, scopes=scopes)

    def tokens(self, tenant: str | None) -> list[Token]:
        """Page by page."""
        _own(tenant)
        return list(self._ask.tokens())

    def revoke_token(self, token_id: str, tenant: str | None) -> Token:
        """At once."""
        _own(tenant)
        return self._ask.revoke_token(token_id)

    def subscriptions(self) -> list[Subscription]:
        """Of the token's tenant."""
        return self._ask.subscriptions()

    def subscribe(self, wanted: Wanted) -> Subscription:
        """Have the server tell somebody."""
        return self._ask.subscribe(wanted)

    def unsubscribe(self, subscription_id: str) -> Subscription:
        """Tell no more."""
        return self._ask.unsubscribe(subscription_id)

    def dead_notices(self) -> list[Notice]:
        """Page by page."""
        return list(self._ask.notices("dead"))

    def resend(self, notice_id: str) -> Notice:
        """By the server's worker."""
        return self._ask.resend(notice_id)

    def check_policies(self) -> Report:
        """As the server's files are."""
        return self._ask.check_policies()

    def policy_changes(self) -> list[PolicyChange]:
        """The newest ones."""
        return self._ask.policy_changes()

    def propose_policy(self, name: str, text: str | None, reason: str) -> PolicyChange:
        """In the name of whom the token speaks for."""
        return self._ask.propose_policy(name, reason, text)

    def activate_policy(self, change_id: str, rehearsal: str | None) -> PolicyChange:
        """The same."""
        return self._ask.activate_policy(change_id, rehearsal)

    def verify(self, tenant: str | None, head: Head | None) -> Audit:
        """Recomputed there."""
        _own(tenant)
        return self._ask.verify(head)

    def tenants(self) -> list[Tenant]:
        """Those that the token may know of."""
        return self._ask.tenants()

    def create_tenant(self, name: str, region: str | None) -> Tenant:
        """In the server's regions."""
        return self._ask.create_tenant(name, region)

    def export_tenant(self, name: str, folder: Path) -> Manifest:
        """Into a folder of this machine."""
        return self._ask.export_tenant(name, folder)

    def erase_tenant(self, name: str, *, force: bool) -> Erasure:
        """For good."""
        return self._ask.erase_tenant(name, force=force)


def _own(tenant: str | None) -> None:
    if tenant is not None:
        raise InvalidInput(
            "--tenant", tenant, "is not for a server", remedy="Its token says whose."
        )
