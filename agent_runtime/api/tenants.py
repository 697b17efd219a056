"""Tenants over HTTP: made and erased by the installation's administrators, handed out whole to the
tenant's own. Nobody sees another tenant's content: the installation's see names and states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from agent_runtime import export
from agent_runtime.access import Caller, a_tenant, the_installation
from agent_runtime.api.once import OncePerKey
from agent_runtime.api.site import Here, OnTenant, Site, site_of, who
from agent_runtime.errors import InvalidInput, NotFound
from agent_runtime.tenancy import LIST, Erasure
from agent_runtime.tenant import Tenant
from agent_runtime.token import Name

router = APIRouter(prefix="/v1/tenants", tags=["tenants"], route_class=OncePerKey)

Administrator = Annotated[Caller, Depends(OnTenant("administer"))]
Named = Annotated[str, Path(alias="tenant", max_length=100, description="Its name.")]
NDJSON = "application/x-ndjson"


class CreateTenant(BaseModel):
    """A tenant to be made. `region`: where its own file is to lie; without one it shares the main
    file."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "acme", "region": "eu"}]}
    )

    name: Name
    region: Annotated[str, Field(max_length=100)] | None = None


class EraseTenant(BaseModel):
    """That a tenant is to be erased: its name once more. `force`: also while its runs are worked
    on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"confirm": "acme"}]})

    confirm: str
    force: bool = False


class TenantList(BaseModel):
    """Those that the caller may know of."""

    items: list[Tenant]


async def installer(request: Request) -> Caller:
    """The caller, who may administer the installation."""
    site, caller = site_of(request), await who(request)
    await site.require(caller, "administer", the_installation())
    return caller


Installer = Annotated[Caller, Depends(installer)]


@router.get("")
async def find(site: Here, caller: Administrator) -> TenantList:
    """For the installation's administrators all tenants, for others their own."""
    found = site.runtime.tenancy.find()
    return TenantList(items=[tenant for tenant in found if _may_know(site, caller, tenant.name)])


@router.get("/{tenant}")
async def get(name: Named, site: Here, caller: Administrator) -> Tenant:
    """One tenant."""
    return _known(site, caller, name)


@router.post("", status_code=201)
async def create(asked: CreateTenant, site: Here, caller: Installer, response: Response) -> Tenant:
    """Make a tenant."""
    made = await site.runtime.tenancy.create(asked.name, asked.region, caller.name)
    await site.runtime.timetable.declare()  # what the project's code starts for it
    response.headers["Location"] = f"/v1/tenants/{made.name}"
    return made


@router.get(
    "/{tenant}/export",
    response_class=Response,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}}},
)
async def export_whole(name: Named, site: Here, caller: Administrator) -> Response:
    """All of the caller's own tenant: a line of JSON for each row, and a manifest as the last.

    An answer that ends without it was cut short.
    """
    known = _known(site, caller, name)
    await site.require(caller, "administer", a_tenant(name))
    await export.note(site.store, name, caller.name)
    return StreamingResponse(_portions(site, known, caller.name), media_type=NDJSON)


@router.post("/{tenant}/erase")
async def erase(name: Named, asked: EraseTenant, site: Here, caller: Installer) -> Erasure:
    """Erase all of a tenant. It cannot be undone, and its name is not given again."""
    if asked.confirm != name:
        raise InvalidInput("confirm", asked.confirm, f"is not {name!r}, which is to be erased")
    return await site.runtime.tenancy.erase(name, caller.name, force=asked.force)


PORTION = 64 * 1024
"""Bytes that are sent at a time."""


def _portions(site: Site, tenant: Tenant, by: str) -> Iterator[bytes]:
    """The export's lines in pieces; read in a thread of the server's, as the caller takes them."""
    waiting = b""
    for line in export.lines(site.store, tenant.name, tenant.region, by):
        waiting += export.told(line)
        if len(waiting) >= PORTION:
            yield waiting
            waiting = b""
    yield waiting


def _known(site: Site, caller: Caller, name: str) -> Tenant:
    """The tenant, if the caller may know of it; else there is none."""
    if not _may_know(site, caller, name):
        raise NotFound("tenant", name, remedy=LIST)
    return site.runtime.tenancy.get(name)


def _may_know(site: Site, caller: Caller, name: str) -> bool:
    return name == caller.tenant or (
        site.runtime.app.access.ask(caller, "administer", the_installation()).counts
    )
