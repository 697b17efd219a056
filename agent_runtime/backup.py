"""Backup and restore of the data file: consistent copies, verified by opening them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from agent_runtime.anchor import AnchorFile, Span
from agent_runtime.app import App
from agent_runtime.cipher import CLEAR, Cipher
from agent_runtime.clock import to_text
from agent_runtime.errors import InvalidInput, NotFound, StoreError
from agent_runtime.event import Head, Verification
from agent_runtime.runtime import DATABASE
from agent_runtime.store import Session, replacement, upkeep
from agent_runtime.store.database import prepare
from agent_runtime.store.draft import drafted
from agent_runtime.store.tenants import owner_of, registered
from agent_runtime.store.upkeep import Progress
from agent_runtime.tenant import file_of

REPEATABLE = frozenset({"safe_retry", "idempotency_key"})
"""Recoveries under which a call that a lost history holds may be made again."""
NOT_PART = "Outside systems, operators.toml and the anchor are not part of a backup."


class Backup(BaseModel):
    """A copy that was opened and verified."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    bytes: int
    sha256: str
    chains: tuple[Verification, ...]


class RestoredRun(BaseModel):
    """A run that had not ended when the backup was made. `tools`: what it may have called since,
    by recovery; `unknown`: the backup cannot tell whether one acted, and it may not be repeated.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    tenant: str
    workflow: str
    state: str
    tools: dict[str, str]
    unknown: bool


class Restored(BaseModel):
    """What a restore did. `aside` is the file that was replaced; empty when there was none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    aside: str
    chains: tuple[Verification, ...]
    runs: tuple[RestoredRun, ...]
    anchored: bool


def make_backup(
    data: Path,
    target: Path,
    anchor: AnchorFile,
    *,
    force: bool,
    progress: Progress | None = None,
    cipher: Cipher = CLEAR,
    tenant: str | None = None,
) -> Backup:
    """Copy the data file, or a tenant's own, while it is in use; all that was committed before is
    in the copy, and what was sealed stays so: the cipher is for verifying it.

    Raises InvalidInput when the target is there, StoreError when the copy does not verify.
    """
    source = find_file(data, tenant, cipher)
    if not source.is_file():
        raise StoreError(f"There is no data in {data}.", remedy="Name the folder with --data.")
    if target.exists() and (not force or not target.is_file() or target.samefile(source)):
        remedy = "Name another file, or add --force to overwrite an older backup."
        raise InvalidInput("FILE", target.name, "is there already", remedy=remedy)
    if not target.parent.is_dir():
        raise InvalidInput("FILE", str(target), "is in a folder that is not there")
    with drafted(target) as draft:
        upkeep.copy(source, draft, progress)
        chains = verify_file(draft, anchor, cipher)
        draft.replace(target)
        upkeep.sync(target)
    return Backup(
        file=str(target), bytes=target.stat().st_size, sha256=_digest(target), chains=chains
    )


def find_file(data: Path, tenant: str | None, cipher: Cipher = CLEAR) -> Path:
    """The main file, or that of a tenant; raises NotFound where a tenant has none of its own,
    TenantErased."""
    if tenant is None:
        return data / DATABASE
    with upkeep.reading(data / DATABASE, cipher) as connection:
        found = registered(connection).get(tenant)
    if found is None or found.region is None:
        raise NotFound("file of tenant", tenant, remedy="Its data is in the main file.")
    if found.state != "active":
        raise found.gone
    return file_of(data, found.region, tenant)


def others(data: Path, cipher: Cipher = CLEAR) -> list[str]:
    """The tenants whose own files a copy of the main one does not hold."""
    with upkeep.reading(data / DATABASE, cipher) as connection:
        found = registered(connection).values()
        return [t.name for t in found if t.region is not None and t.state == "active"]


def _require_of(source: Path, tenant: str | None, cipher: Cipher) -> None:
    """Raises InvalidInput for a copy of another file: one tenant's rows would be everybody's."""
    with upkeep.reading(source, cipher) as connection:
        owner = owner_of(connection)
    if owner != tenant:
        whose = "the main file" if owner is None else f"the tenant {owner!r}"
        raise InvalidInput("FILE", source.name, f"is a backup of {whose}", remedy="Check --tenant.")


def verify_file(
    path: Path, anchor: AnchorFile | None = None, cipher: Cipher = CLEAR
) -> tuple[Verification, ...]:
    """Open a file and verify all of it: pages, references, and each chain as far as it goes.

    Raises StoreError with the first thing that is wrong.
    """
    with upkeep.reading(path, cipher) as connection:
        problems = upkeep.check(connection)
        found = []
        for tenant in upkeep.tenants(connection) if not problems else []:
            chain = _verify_chain(
                Session(connection, tenant, datetime.min.replace(tzinfo=UTC)), anchor
            )
            found.append(chain)
            problems += [f"{tenant}: {chain.problem}"] if chain.problem else []
    if problems:
        raise StoreError(
            f"{path} does not verify: {problems[0]}.", remedy="See: agent-runtime doctor"
        )
    return tuple(found)


def restore_backup(
    data: Path,
    source: Path,
    app: App,
    anchor: AnchorFile,
    *,
    by: str,
    now: datetime,
    force: bool = False,
    progress: Progress | None = None,
    cipher: Cipher = CLEAR,
    tenant: str | None = None,
) -> Restored:
    """Put a backup in the place of the data file, or of a tenant's own, which is kept aside.

    Tenants that were erased since the backup are erased again.
    Runs that had not ended get a claim that no earlier worker holds. Raises Conflict while
    another process holds the file or a worker elsewhere holds a run, and StoreError when the
    backup contradicts the anchor, unless `force`; nothing was changed then.
    """
    if not source.is_file():
        raise InvalidInput("FILE", str(source), "is no file")
    present = find_file(data, tenant, cipher)
    verify_file(source, None if force else anchor, cipher)
    _require_of(source, tenant, cipher)
    present.parent.mkdir(parents=True, exist_ok=True)
    aside = _aside(present, now)
    runs, chains = _replace(present, source, aside, app, by, now, progress, cipher)
    return Restored(
        file=str(present),
        aside=str(aside) if aside.exists() else "",
        chains=chains,
        runs=runs,
        anchored=_anchor(anchor, chains, by, now),
    )


def _replace(
    present: Path,
    source: Path,
    aside: Path,
    app: App,
    by: str,
    now: datetime,
    progress: Progress | None,
    cipher: Cipher,
) -> tuple[tuple[RestoredRun, ...], tuple[Verification, ...]]:
    """Prepare a draft beside the file, then take it over in one commit; verified before and
    after."""
    with drafted(present) as draft:
        upkeep.copy(source, draft)
        prepare(draft, cipher=cipher)
        with upkeep.damage_named(present), replacement.set_aside(present, aside) as held:
            seen = replacement.epochs(held)
            with replacement.redrafted(draft, cipher) as connection:
                replacement.keep_tenants(connection, held)
            runs = _fence(draft, seen, app, by, _digest(source), now, cipher)
            chains = verify_file(draft, cipher=cipher)
            replacement.replace(held, draft, progress)
            upkeep.sync(present)
    prepare(present, cipher=cipher)
    verify_file(present, cipher=cipher)
    return runs, chains


def _verify_chain(session: Session, anchor: AnchorFile | None) -> Verification:
    """One chain, against the anchored head that is not beyond its end."""
    tenant, events = session.tenant, session.events
    end = events.head().number
    lines = [] if anchor is None else anchor.read()[0]
    own = [line for line in lines if line.tenant == tenant]
    starts = [position for position, line in enumerate(own) if line.restored_by]
    own = [line for line in own[starts[-1] if starts else 0 :] if line.number <= end]
    latest = max(own, key=lambda line: line.number, default=None)
    head = None if latest is None else Head(tenant=tenant, number=latest.number, hash=latest.hash)
    return events.verify(head)


def _fence(
    draft: Path,
    seen: Mapping[str, int],
    app: App,
    by: str,
    digest: str,
    now: datetime,
    cipher: Cipher,
) -> tuple[RestoredRun, ...]:
    """Raise the claims in the draft and record the restore in each tenant's history."""
    tools = {name: _tools(app, name) for name in app.workflows}
    with replacement.redrafted(draft, cipher) as connection:
        found = replacement.fence(connection, seen, lambda name: _is_unsure(tools, name))
        for tenant in upkeep.tenants(connection):
            named = [run_id for owner, run_id, _, _ in found if owner == tenant]
            session = Session(connection, tenant, now)
            session.events.append("data.restored", None, by=by, backup=digest, runs=named)
            session.flush()
    return tuple(
        RestoredRun(
            id=run_id,
            tenant=tenant,
            workflow=name,
            state=state,
            tools=tools.get(name, {}),
            unknown=_is_unsure(tools, name),
        )
        for tenant, run_id, name, state in found
    )


def _tools(app: App, workflow: str) -> dict[str, str]:
    """A workflow's write tools with their recovery."""
    steps = app.workflows[workflow].steps
    return {tool.name: str(tool.recovery) for step in steps for tool in step.reasoning.proposes}


def _is_unsure(tools: Mapping[str, Mapping[str, str]], workflow: str) -> bool:
    """Whether a call of this workflow that the journal lost may not simply be made again."""
    known = tools.get(workflow)
    return known is None or not set(known.values()) <= REPEATABLE


def _anchor(anchor: AnchorFile, chains: tuple[Verification, ...], by: str, now: datetime) -> bool:
    """Say in the anchor where history goes on; false when that could not be written."""
    spans = [
        Span(tenant=c.tenant, first=c.events, number=c.events, hash=c.head, restored_by=by)
        for c in chains
    ]
    try:
        anchor.append(spans, now)
    except OSError:
        return False
    return True


def _aside(path: Path, now: datetime) -> Path:
    stamp = to_text(now)[:19].replace(":", "").replace("-", "")
    wanted = path.with_name(f"{path.name}.before-restore-{stamp}Z")
    number = 1
    while wanted.exists():
        number += 1
        wanted = path.with_name(f"{path.name}.before-restore-{stamp}Z-{number}")
    return wanted


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
