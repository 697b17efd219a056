"""Tenants: whose data it is, and in which region it lies."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from agent_runtime.errors import InvalidInput, SettingsError, StoreError, TenantErased
from agent_runtime.token import Name

HOME = "default"
"""The installation's own tenant: its policy owners change the policies, its administrators make
and erase tenants. It stays in the main file."""

TenantState = Literal["active", "erasing", "erased"]

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_FILE_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,59}$")
_ALLOWED = "Use lower-case letters, digits, - and _, 60 at most."


class Tenant(BaseModel):
    """A tenant as registered. `region`: where its own file lies; None: it shares the main file.

    Of one that was erased: by whom, when, and the number and hash of its last event.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    region: str | None
    state: TenantState
    created_by: str
    created_at: datetime
    erased_by: str | None = None
    erased_at: datetime | None = None
    head_number: int | None = None
    head_hash: str | None = None

    @property
    def gone(self) -> TenantErased:
        """Why nothing of an erased one can be read or written."""
        when = "" if self.erased_at is None else f" on {self.erased_at:%Y-%m-%d}"
        return TenantErased(self.name, f"was erased{when} by {self.erased_by}")


@dataclass(frozen=True)
class Residency:
    """Where an installation may keep data. `regions`: those that it has a folder for; `pinned`:
    the region that a tenant's data must not leave."""

    regions: Sequence[str] = ()
    pinned: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raises SettingsError for a region that is no name of a folder, or is not declared."""
        for region in self.regions:
            if _FILE_NAME.match(region) is None:
                raise SettingsError(
                    f"AGENT_RUNTIME_REGIONS names {region!r}, which is no name of a folder.",
                    remedy=_ALLOWED,
                )
        for tenant, region in self.pinned.items():
            if region not in self.regions:
                raise SettingsError(
                    f"AGENT_RUNTIME_RESIDENCY pins {tenant!r} to {region!r}, which is no region.",
                    remedy=f"AGENT_RUNTIME_REGIONS has: {', '.join(self.regions) or 'none'}.",
                )

    def admit(self, name: str, region: str | None) -> None:
        """Raises InvalidInput where a tenant of that name may not be made in that region."""
        try:
            _NAME.validate_python(name)
        except ValidationError as error:
            raise InvalidInput("name", name, "is no name of a tenant", remedy=_ALLOWED) from error
        wanted = self.pinned.get(name, region)
        if wanted != region:
            raise InvalidInput(
                "region",
                region or "the main file",
                f"the data of {name!r} has to stay in {wanted!r}",
                remedy="That is set by AGENT_RUNTIME_RESIDENCY.",
            )
        if region is None:
            return
        if region not in self.regions:
            known = ", ".join(self.regions) or "none"
            remedy = f"AGENT_RUNTIME_REGIONS has: {known}."
            raise InvalidInput("region", region, "is no region of this installation", remedy=remedy)
        if _FILE_NAME.match(name) is None:
            raise InvalidInput("name", name, "cannot be the name of a file", remedy=_ALLOWED)

    def require(self, tenant: str) -> None:
        """Raises StoreError for a tenant without a file of its own, if it has to have one."""
        region = self.pinned.get(tenant)
        if region is not None:
            raise StoreError(
                f"The data of tenant {tenant!r} has to stay in {region!r}, and it has no file.",
                remedy=f"agent-runtime tenants create {tenant} --region {region} --as NAME",
            )


def file_of(data: Path, region: str, tenant: str) -> Path:
    """Where a tenant's own file lies."""
    return data / region / f"{tenant}.db"


def mark_of(tenant: str) -> str:
    """What tokens of a tenant with a file of its own begin with, so that they lead to that file.
    It tells nobody the tenant's name, and proves nothing."""
    return hashlib.sha256(f"tenant {tenant}".encode()).hexdigest()[:12]
