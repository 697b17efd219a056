"""Tenants: list, create, export, erase."""

from __future__ import annotations

from pathlib import Path

from agent_runtime.cli.administration import Administration
from agent_runtime.cli.screen import Screen
from agent_runtime.errors import InvalidInput
from agent_runtime.export import MANIFEST
from agent_runtime.tenant import Tenant


def show_list(office: Administration, screen: Screen) -> None:
    """List tenants."""
    found = office.tenants()
    screen.document([tenant.model_dump(mode="json") for tenant in found])
    columns = ("tenant", "region", "state", "since (UTC)", "by")
    screen.table(columns, [_row(tenant) for tenant in found], empty="There are no tenants.")


def create(office: Administration, screen: Screen, name: str, region: str | None) -> None:
    """Make a tenant."""
    made = office.create_tenant(name, region)
    screen.document(made.model_dump(mode="json"))
    where = "the main file" if made.region is None else f"a file of its own in {made.region}"
    screen.line(f"tenant {made.name} is made, in {where}")


def export(office: Administration, screen: Screen, name: str, target: Path) -> None:
    """Write all of a tenant into a folder."""
    with screen.progress("exporting", None):
        manifest = office.export_tenant(name, target)
    screen.document(manifest.model_dump(mode="json"))
    rows = sum(part.rows for part in manifest.tables.values())
    screen.line(f"{rows} rows of {len(manifest.tables)} tables are in {target}")
    screen.line(f"{MANIFEST} names their hashes; the history ends at {manifest.head.number}")
    screen.line("Its content is readable: it is the tenant's, keep it as such.", style="yellow")


def erase(office: Administration, screen: Screen, name: str, confirm: str, *, force: bool) -> None:
    """Erase all of a tenant."""
    if confirm != name:
        raise InvalidInput("--confirm", confirm, f"is not {name!r}, which is to be erased")
    with screen.progress("erasing", None):
        done = office.erase_tenant(name, force=force)
    screen.document(done.model_dump(mode="json"))
    screen.line(f"{sum(done.rows.values())} rows of {name} are erased.")
    screen.line(f"Its history ended at {done.tenant.head_number}:{done.tenant.head_hash}")
    if not done.emptied:
        told = "A reader keeps the log: earlier text is in it until every process was restarted."
        screen.line(told, style="yellow")
    screen.line("Backups, exports, outside systems and operators.toml are not part of it.")


def _row(tenant: Tenant) -> tuple[str, ...]:
    if tenant.state != "active" and tenant.erased_at is not None:
        since, by = tenant.erased_at, tenant.erased_by or ""
    else:
        since, by = tenant.created_at, tenant.created_by
    return (tenant.name, tenant.region or "-", tenant.state, f"{since:%Y-%m-%d %H:%M}", by or "-")
