"""A server's administration, typed: tokens, notices, policies, the history's proof, tenants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_runtime.client.answer import as_, items, path_of
from agent_runtime.client.wire import Wire
from agent_runtime.event import Head
from agent_runtime.notice import Notice, NoticeState, Subscription, Wanted
from agent_runtime.policy.change import PolicyChange
from agent_runtime.policy.check import Report
from agent_runtime.tenant import Tenant
from agent_runtime.token import Token

if TYPE_CHECKING:  # what stands beside these is heavy, and needed by few
    from agent_runtime.anchor import Audit
    from agent_runtime.export import Manifest
    from agent_runtime.tenancy import Erasure

PAGE = 200
"""How many a list reads at a time."""


class Administration:
    """One server, administered by the person whom the token speaks for."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def create_token(
        self,
        operator: str,
        roles: Sequence[str] = (),
        *,
        days: int = 30,
        scopes: Sequence[str] | None = None,
    ) -> tuple[Token, str]:
        """A token with its secret, which is shown this once."""
        body = {"operator": operator, "roles": list(roles), "days": days}
        body |= {} if scopes is None else {"scopes": list(scopes)}
        made = self._wire.post("/v1/tokens", body)
        return as_(Token, made["token"]), str(made["secret"])

    def tokens(self) -> Iterator[Token]:
        """The tenant's tokens, also those that are over."""
        return self._pages(Token, "/v1/tokens", {})

    def revoke_token(self, token_id: str) -> Token:
        """End one at once."""
        return as_(Token, self._wire.post(path_of("tokens", token_id, "revoke")))

    def subscriptions(self) -> list[Subscription]:
        """Who is told what."""
        return items(Subscription, self._wire.get("/v1/subscriptions"))

    def subscribe(self, wanted: Wanted) -> Subscription:
        """Have somebody told from now on."""
        body = wanted.model_dump(mode="json")
        return as_(Subscription, self._wire.post("/v1/subscriptions", body))

    def unsubscribe(self, subscription_id: str) -> Subscription:
        """Tell no more."""
        return as_(Subscription, self._wire.delete(path_of("subscriptions", subscription_id)))

    def notices(self, state: NoticeState = "dead") -> Iterator[Notice]:
        """Notices in one state, in the order they were made."""
        return self._pages(Notice, "/v1/notices", {"state": state})

    def resend(self, notice_id: str) -> Notice:
        """Have one that was given up delivered after all."""
        return as_(Notice, self._wire.post(path_of("notices", notice_id, "resend")))

    def check_policies(self) -> Report:
        """Everything about the server's policy files that can be known before a run."""
        return as_(Report, self._wire.post("/v1/policies/check"))

    def policy_changes(self) -> list[PolicyChange]:
        """Changes that were proposed, the newest first, and what became of them."""
        return items(PolicyChange, self._wire.get("/v1/policies/changes", {"limit": PAGE}))

    def propose_policy(self, name: str, reason: str, text: str | None = None) -> PolicyChange:
        """Propose a change of one; without a text, the server's file as it is now."""
        body = {"reason": reason, "text": text}
        return as_(PolicyChange, self._wire.post(path_of("policies", name, "propose"), body))

    def activate_policy(self, change_id: str, rehearsal: str | None = None) -> PolicyChange:
        """Put a change in force, as having seen its `report`, by its digest."""
        path = path_of("policies", "changes", change_id, "activate")
        return as_(PolicyChange, self._wire.post(path, {"rehearsal": rehearsal}))

    def verify(self, head: Head | None = None) -> Audit:
        """The tenant's history, against a head that was kept or else the server's anchor."""
        from agent_runtime.anchor import Audit

        query = {} if head is None else {"head": f"{head.number}:{head.hash}"}
        return as_(Audit, self._wire.get("/v1/verification", query))

    def tenants(self) -> list[Tenant]:
        """Those that one may know of."""
        return items(Tenant, self._wire.get("/v1/tenants"))

    def create_tenant(self, name: str, region: str | None = None) -> Tenant:
        """Make one."""
        return as_(Tenant, self._wire.post("/v1/tenants", {"name": name, "region": region}))

    def export_tenant(self, name: str, folder: Path) -> Manifest:
        """Write all of one's own tenant into a new folder; it is whole, or not there."""
        from agent_runtime import export

        export.check_target(folder)
        with self._wire.stream(path_of("tenants", name, "export"), {}) as lines:
            return export.write_folder(folder, export.heard(lines))

    def erase_tenant(self, name: str, *, force: bool = False) -> Erasure:
        """Erase all of one."""
        from agent_runtime.tenancy import Erasure

        body = {"confirm": name, "force": force}
        return as_(Erasure, self._wire.post(path_of("tenants", name, "erase"), body))

    def _pages(self, kind: type[Any], path: str, query: dict[str, Any]) -> Iterator[Any]:
        more: dict[str, Any] = {}
        while True:
            page = self._wire.get(path, {**query, **more, "limit": PAGE})
            yield from items(kind, page)
            if page["next"] is None:
                return
            more = {"cursor": page["next"]}
