"""Administration: what is done to an installation rather than in it, here or behind a URL.

As with a station, commands ask and print. `Here` opens the data folder: whoever may read it may
use its tokens and lists, and changes anything else as a person chosen with --as. `There`, in a
module of its own, asks a server in the name of whom its token speaks for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol, TypeVar

from agent_runtime import export
from agent_runtime.access import Thing, a_policy, a_tenant, the_installation
from agent_runtime.activation import Activation, check_app, require_home
from agent_runtime.anchor import Audit
from agent_runtime.cli.opening import Place, admit
from agent_runtime.event import Head
from agent_runtime.export import Manifest
from agent_runtime.identity import create_token, revoke_token
from agent_runtime.notice import Notice, Subscription, Wanted
from agent_runtime.operators import FILE, load_operators, provide_operators, user
from agent_runtime.policy import Report
from agent_runtime.policy.change import PolicyChange
from agent_runtime.runtime import Runtime
from agent_runtime.tenancy import Erasure
from agent_runtime.tenant import HOME, Tenant
from agent_runtime.token import Token
from agent_runtime.verdict import Operator

T = TypeVar("T")


class Administration(Protocol):
    """What commands ask for. A `tenant` of None is the caller's own; here that is the default."""

    def roles_of(self, name: str, tenant: str | None) -> tuple[str, ...]:
        """The roles that a list of people gives to that name; none where there is no list."""
        ...

    def make_token(
        self,
        name: str,
        roles: tuple[str, ...],
        tenant: str | None,
        lifetime: timedelta,
        scopes: Sequence[str] | None,
    ) -> tuple[Token, str]:
        """A new token with its secret."""
        ...

    def tokens(self, tenant: str | None) -> list[Token]:
        """All of a tenant's, also those that are over."""
        ...

    def revoke_token(self, token_id: str, tenant: str | None) -> Token:
        """End one."""
        ...

    def subscriptions(self) -> list[Subscription]:
        """Who is told what."""
        ...

    def subscribe(self, wanted: Wanted) -> Subscription:
        """Have somebody told."""
        ...

    def unsubscribe(self, subscription_id: str) -> Subscription:
        """Tell no more."""
        ...

    def dead_notices(self) -> list[Notice]:
        """What was given up."""
        ...

    def resend(self, notice_id: str) -> Notice:
        """Have it delivered after all."""
        ...

    def check_policies(self) -> Report:
        """Everything about the policies that can be known before a run."""
        ...

    def policy_changes(self) -> list[PolicyChange]:
        """Those that were proposed, the newest first."""
        ...

    def propose_policy(self, name: str, text: str | None, reason: str) -> PolicyChange:
        """A change of one; without a text, the project's file as it is."""
        ...

    def activate_policy(self, change_id: str, rehearsal: str | None) -> PolicyChange:
        """Put one in force, as having seen what its rehearsal said."""
        ...

    def verify(self, tenant: str | None, head: Head | None) -> Audit:
        """A history held against a head that was kept, else against the anchor."""
        ...

    def tenants(self) -> list[Tenant]:
        """Those that the caller may know of."""
        ...

    def create_tenant(self, name: str, region: str | None) -> Tenant:
        """Make one."""
        ...

    def export_tenant(self, name: str, folder: Path) -> Manifest:
        """Write all of it into a new folder."""
        ...

    def erase_tenant(self, name: str, *, force: bool) -> Erasure:
        """Erase all of it."""
        ...


DEFAULT = "default"


class Here:
    """The data folder of this machine; `who`: the person chosen with --as, if one was."""

    def __init__(self, place: Place, who: str = "") -> None:
        self._place = place
        self._who = who

    def roles_of(self, name: str, tenant: str | None) -> tuple[str, ...]:
        """From operators.toml."""
        provide_operators(self._place.data, self._place.folder / FILE)
        known = load_operators(self._place.data).get(name)
        return () if known is None or known.tenant != (tenant or DEFAULT) else known.roles

    def make_token(
        self,
        name: str,
        roles: tuple[str, ...],
        tenant: str | None,
        lifetime: timedelta,
        scopes: Sequence[str] | None,
    ) -> tuple[Token, str]:
        """In the name of the machine's user."""
        operator = Operator(name=name, roles=roles, tenant=tenant or DEFAULT)
        limited = None if scopes is None else tuple(scopes)

        async def work(runtime: Runtime) -> tuple[Token, str]:
            return await create_token(
                runtime.store, operator, by=f"cli:{user()}", lifetime=lifetime, scopes=limited
            )

        return self._place.work(work, create=True)

    def tokens(self, tenant: str | None) -> list[Token]:
        """Whoever's."""

        async def work(runtime: Runtime) -> list[Token]:
            return runtime.store.read(tenant or DEFAULT).tokens.find()

        return self._place.work(work)

    def revoke_token(self, token_id: str, tenant: str | None) -> Token:
        """In the name of the machine's user."""

        async def work(runtime: Runtime) -> Token:
            by = f"cli:{user()}"
            return await revoke_token(runtime.store, tenant or DEFAULT, token_id, by=by)

        return self._place.work(work)

    def subscriptions(self) -> list[Subscription]:
        """Of the default tenant."""

        async def work(runtime: Runtime) -> list[Subscription]:
            return runtime.store.read(DEFAULT).subscriptions.find()

        return self._place.work(work)

    def subscribe(self, wanted: Wanted) -> Subscription:
        """In the person's tenant."""
        return self._changed(lambda runtime, who: runtime.outbox.subscribe(who, wanted), new=True)

    def unsubscribe(self, subscription_id: str) -> Subscription:
        """In the person's tenant."""
        return self._changed(lambda runtime, who: runtime.outbox.unsubscribe(who, subscription_id))

    def dead_notices(self) -> list[Notice]:
        """Of the default tenant."""

        async def work(runtime: Runtime) -> list[Notice]:
            return runtime.store.read(DEFAULT).notices.find("dead")

        return self._place.work(work)

    def resend(self, notice_id: str) -> Notice:
        """By the next worker."""
        return self._changed(lambda runtime, who: runtime.outbox.resend(who, notice_id))

    def check_policies(self) -> Report:
        """As the project's files are."""
        return check_app(self._place.app(lenient=True))

    def policy_changes(self) -> list[PolicyChange]:
        """Of the installation."""

        async def work(runtime: Runtime) -> list[PolicyChange]:
            return runtime.store.read(HOME).policies.find()

        return self._place.work(work)

    def propose_policy(self, name: str, text: str | None, reason: str) -> PolicyChange:
        """As one of its policy owners."""

        async def work(runtime: Runtime) -> PolicyChange:
            operator = self._place.operator(self._who)
            await admit(runtime, operator, "propose", a_policy(name, operator.tenant))
            require_home(operator.tenant)
            return await _kept(runtime).propose(name, operator.name, reason, text)

        return self._place.work(work)

    def activate_policy(self, change_id: str, rehearsal: str | None) -> PolicyChange:
        """As another one than who proposed it."""

        async def work(runtime: Runtime) -> PolicyChange:
            operator = self._place.operator(self._who)
            change = runtime.store.read(operator.tenant).policies.get(change_id)
            thing = a_policy(change.name, change.tenant, change.proposed_by)
            await admit(runtime, operator, "activate", thing)
            return await _kept(runtime).activate(change_id, operator.name, rehearsal)

        return self._place.work(work)

    def verify(self, tenant: str | None, head: Head | None) -> Audit:
        """Whoever's."""
        name = tenant or DEFAULT

        async def work(runtime: Runtime) -> Audit:
            if head is None:
                return runtime.audit(name)
            return Audit(**runtime.verify(name, head).model_dump(), anchor="--head")

        return self._place.work(work)

    def tenants(self) -> list[Tenant]:
        """All of the data folder."""

        async def work(runtime: Runtime) -> list[Tenant]:
            return runtime.tenancy.find()

        return self._place.work(work)

    def create_tenant(self, name: str, region: str | None) -> Tenant:
        """As an administrator of the installation."""

        async def create(runtime: Runtime, who: Operator) -> Tenant:
            made = await runtime.tenancy.create(name, region, who.name)
            await runtime.timetable.declare()
            return made

        return self._changed(create, the_installation(), new=True)

    def export_tenant(self, name: str, folder: Path) -> Manifest:
        """As an administrator of that tenant."""

        async def write(runtime: Runtime, who: Operator) -> Manifest:
            tenant = runtime.tenancy.get(name)
            export.check_target(folder)
            await export.note(runtime.store, name, who.name)
            found = export.lines(runtime.store, name, tenant.region, who.name)
            return export.write_folder(folder, found)

        return self._changed(write, a_tenant(name))

    def erase_tenant(self, name: str, *, force: bool) -> Erasure:
        """As an administrator of the installation."""
        return self._changed(
            lambda runtime, who: runtime.tenancy.erase(name, who.name, force=force),
            the_installation(),
        )

    def _changed(
        self,
        change: Callable[[Runtime, Operator], Awaitable[T]],
        thing: Thing | None = None,
        *,
        new: bool = False,
    ) -> T:
        """What only an administrator may do: of their own tenant, unless it is said of what."""

        async def work(runtime: Runtime) -> T:
            operator = self._place.operator(self._who)
            await admit(runtime, operator, "administer", thing or a_tenant(operator.tenant))
            return await change(runtime, operator)

        return self._place.work(work, create=new)


def _kept(runtime: Runtime) -> Activation:
    """The policies that the data folder keeps; raises Conflict where it keeps none."""
    activation = Activation(runtime)
    activation.require_kept()
    activation.restore()
    return activation
