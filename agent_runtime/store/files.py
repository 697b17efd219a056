"""The files of an installation: the main one, and those of tenants that have one of their own.

To whoever uses it it is one store: a tenant's session is on that tenant's file. What another
process makes or erases is followed within moments, and by writes at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from agent_runtime.cipher import CLEAR, Cipher
from agent_runtime.clock import Clock
from agent_runtime.errors import AgentRuntimeError, StoreError
from agent_runtime.store.database import BUSY_TIMEOUT, connect, prepare
from agent_runtime.store.file import Store
from agent_runtime.store.session import Session
from agent_runtime.store.tenants import claim, registered
from agent_runtime.store.writer import Failed
from agent_runtime.telemetry import log
from agent_runtime.tenant import Residency, Tenant, file_of

DATABASE = "runtime.db"
"""Name of the main file in the data folder."""

T = TypeVar("T")

ANYWHERE = Residency()


class Files(Store):
    """All files of a data folder; itself the main one."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        busy_timeout: float = BUSY_TIMEOUT,
        cipher: Cipher = CLEAR,
        residency: Residency = ANYWHERE,
    ) -> None:
        """Open the main file and all others; one that cannot be opened fails its tenant alone.

        Raises StoreError where the main file cannot be used, SettingsError for the residency's.
        """
        residency.check()
        super().__init__(path, clock, busy_timeout=busy_timeout, cipher=cipher)
        self.residency = residency
        self.tenants: dict[str, Tenant] = {}
        self._opened: dict[str, Store] = {}
        self._own: dict[str, Store] = {}
        self._closed: dict[str, AgentRuntimeError] = {}
        self._followed: int | None = None
        self.follow()

    def of(self, tenant: str) -> Store:
        """The store of the file that holds the tenant's rows; raises TenantErased, StoreError."""
        return self._own.get(tenant) or self._main(tenant)

    def all(self) -> list[Store]:
        """Every file, the main one first."""
        return [self, *self._opened.values()]

    def marked(self, mark: str) -> Store | None:
        """See `Store.marked`."""
        if not mark:
            return self
        found = self._with(mark)
        if found is None:
            self.follow()  # its tenant may have been made a moment ago
            found = self._with(mark)
        return found

    def serves(self, tenant: str) -> bool:
        """See `Store.serves`."""
        return tenant not in self._closed

    def read(self, tenant: str) -> Session:
        """See `Store.read`; raises TenantErased, StoreError."""
        own = self._own.get(tenant)
        if own is not None:
            return own.read(tenant)
        self._main(tenant)
        return super().read(tenant)

    def submit(
        self,
        tenant: str,
        work: Callable[[Session], T],
        failed: Failed | None = None,
        *,
        apart: bool = False,
    ) -> asyncio.Future[T]:
        """See `Store.submit`; raises TenantErased, StoreError."""
        own = self._own.get(tenant)
        if own is not None:
            return own.submit(tenant, work, failed, apart=apart)
        self._main(tenant)
        return super().submit(tenant, work, failed, apart=apart)

    def version(self) -> int:
        """See `Store.version`, of all files."""
        main = self.file_version()
        return main + sum(_version(store) for store in self._opened.values())

    def file_version(self) -> int:
        """See `Store.file_version`; whoever watches the main file follows it."""
        version = super().file_version()
        if version != self._followed:
            self.follow()
        return version

    def follow(self) -> None:
        """Open and close files as the main one says."""
        self._followed = super().file_version()
        found = registered(self._reader)
        if found == self.tenants:
            return
        self.tenants = found
        for tenant in found.values():
            if tenant.state == "active":
                self._take_in(tenant)
            else:
                self._own.pop(tenant.name, None)
                self._closed[tenant.name] = tenant.gone
            if tenant.state == "erased":
                self.let_go(tenant)

    def at(self, tenant: Tenant) -> Store:
        """The file of a tenant in whatever state: for whoever erases it."""
        if tenant.region is None:
            return self
        if tenant.name not in self._opened:
            self._opened[tenant.name] = self._open(tenant)
        return self._opened[tenant.name]

    def claim(self, tenant: Tenant) -> None:
        """Make the tenant's own file, or take over one that is its own; raises StoreError."""
        path = file_of(self.path.parent, tenant.region or "", tenant.name)
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path.parent} cannot be made: {error.strerror}.") from error
        prepare(path, self.busy_timeout, self.cipher)
        with closing(connect(path, self.busy_timeout, cipher=self.cipher)) as connection:
            if not claim(connection, tenant):
                raise _not_its_own(path, tenant.name)

    def let_go(self, tenant: Tenant) -> None:
        """Close a tenant's own file."""
        self._own.pop(tenant.name, None)
        opened = self._opened.pop(tenant.name, None)
        if opened is not None:
            opened.close()

    def close(self) -> None:
        """See `Store.close`, of all files."""
        for store in self._opened.values():
            store.close()
        super().close()

    def _main(self, tenant: str) -> Store:
        """The main file, for a tenant that shares it."""
        if tenant in self._closed:
            raise _again(self._closed[tenant])
        if self.residency.pinned:
            self.residency.require(tenant)
        return self

    def _with(self, mark: str) -> Store | None:
        return next((own for own in self._own.values() if own.mark == mark), None)

    def _take_in(self, tenant: Tenant) -> None:
        """Serve a tenant, from its own file where it has one."""
        self._closed.pop(tenant.name, None)
        if tenant.region is None or tenant.name in self._own:
            return
        try:
            self._own[tenant.name] = self.at(tenant)
        except StoreError as error:
            log("a tenant's file cannot be opened", tenant=tenant.name, error=error.code)
            self._closed[tenant.name] = error

    def _open(self, tenant: Tenant) -> Store:
        if tenant.region not in self.residency.regions:
            raise StoreError(
                f"The data of tenant {tenant.name!r} lies in {tenant.region!r}, not here.",
                remedy="Name that region in AGENT_RUNTIME_REGIONS where its files are.",
            )
        path = file_of(self.path.parent, tenant.region or "", tenant.name)
        if not path.is_file():
            raise StoreError(
                f"The file of tenant {tenant.name!r} is not there: {path}.",
                remedy="Is its disk mounted? Else: agent-runtime restore --tenant NAME FILE",
            )
        opened = Store(
            path,
            self.clock,
            busy_timeout=self.busy_timeout,
            cipher=self.cipher,
            only=tenant.name,
        )
        if tenant.name not in opened.registry.known:
            opened.close()
            raise _not_its_own(path, tenant.name)
        opened.listeners = self.listeners
        return opened


def _not_its_own(path: Path, tenant: str) -> StoreError:
    return StoreError(
        f"The file {path} is not of tenant {tenant!r}.",
        remedy="Was it moved or renamed? Put the right one there; nothing was changed.",
    )


def _again(error: AgentRuntimeError) -> AgentRuntimeError:
    """The same error for another caller: one that is raised twice would drag the first's trace."""
    return type(error).retold(error.message, error.remedy, **_known(error))


def _known(error: AgentRuntimeError) -> dict[str, object]:
    return {name: value for name, value in vars(error).items() if name not in _WORDS}


_WORDS = ("message", "remedy")


def _version(store: Store) -> int:
    """A file's version; of one that cannot be read, whoever reads it is told."""
    try:
        return store.version()
    except StoreError:
        return 0
