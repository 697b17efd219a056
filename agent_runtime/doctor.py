"""The doctor: what is wrong with an installation's data, each finding with its remedy."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from agent_runtime.anchor import Anchor, audit, hole
from agent_runtime.cipher import CLEAR, Cipher
from agent_runtime.errors import Conflict, StoreError
from agent_runtime.operators import FILE as OPERATORS
from agent_runtime.runtime import DATABASE, Runtime
from agent_runtime.secret import FILE as SECRETS
from agent_runtime.store import Session, upkeep
from agent_runtime.store.draft import left_behind
from agent_runtime.store.findings import Row, find_acknowledgements, find_rows, vacuum_mode
from agent_runtime.store.tenants import owner_of, registered
from agent_runtime.store.upkeep import Connection
from agent_runtime.tenant import file_of
from agent_runtime.verdict import Operator

Severity = Literal["error", "warning"]

WAL_LIMIT = 64 * 1024 * 1024
"""A log that is larger was not folded into the file for long: a reader stays open."""
DISK_RESERVE = 100 * 1024 * 1024
RESTORE = "agent-runtime restore FILE"
LOOK = "agent-runtime events tail: is it yours? Then doctor --acknowledge --as NAME --reason WHY"


class Finding(BaseModel):
    """One thing that is wrong: what, where, and the command or deed that mends it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str
    severity: Severity
    what: str
    where: str
    remedy: str


@dataclass(frozen=True)
class _Words:
    """How a row that was found is told; `{id}` and `{detail}` stand for its own."""

    severity: Severity
    what: str
    remedy: str


KEEP = "agent-runtime events tail --run {detail}; restore a backup if its run is missed"
ROWS: dict[str, _Words] = {
    "approval_without_run": _Words("error", "an approval of run {detail}, which is gone", KEEP),
    "authorization_without_run": _Words(
        "error", "an authorization of run {detail}, which is gone", KEEP
    ),
    "journal_without_run": _Words("error", "a journal entry of run {detail}, which is gone", KEEP),
    "recording_without_run": _Words("warning", "a recording of run {detail}, which is gone", KEEP),
    "checkpoint_without_run": _Words(
        "warning", "checkpoints of a thread that is no run", RESTORE + ", if the run is missed"
    ),
    "lease_lapsed": _Words(
        "warning", "running, but its worker {detail} is silent", "agent-runtime runs resume {id}"
    ),
    "paused_unasked": _Words(
        "error",
        "paused, but nobody is asked",
        "agent-runtime runs cancel {id} --as NAME --reason WHY, and start it anew",
    ),
    "asked_after_end": _Words(
        "error", "still asked, but run {detail} has ended", "agent-runtime runs show {detail}"
    ),
    "intent_after_end": _Words(
        "error",
        "a call of run {detail} was intended, never settled, and the run has ended",
        "look in the outside system under this key; agent-runtime runs show {detail}",
    ),
    "overdue": _Words(
        "warning", "its deadline {detail} has passed", "agent-runtime runs resume, from a timer"
    ),
    "restored_untouched": _Words(
        "warning",
        "{detail} since a backup was restored: whether it acted after the backup is unknown",
        "look in the outside system, then agent-runtime runs show {id}",
    ),
}


def examine(data: Path, anchor: Anchor, now: datetime, cipher: Cipher = CLEAR) -> list[Finding]:
    """Everything that is wrong with the data folder; nothing is changed, not even migrated."""
    path = data / DATABASE
    if not path.is_file():
        remedy = f"name the data folder with --data, or {RESTORE}"
        return [_error("no_file", "there is no data file", str(path), remedy)]
    found = [*_files(data, anchor), *_disk(path)]
    found += _file(path, anchor, now, cipher)
    for tenant, own in _own_files(data, cipher):
        found += _own(tenant, own, anchor, now, cipher)
    return [*found, *_strays(data, cipher)]


def _file(path: Path, anchor: Anchor, now: datetime, cipher: Cipher) -> list[Finding]:
    found: list[Finding] = []
    try:
        with upkeep.reading(path, cipher) as connection:
            for finding in _database(connection, path, anchor, now):
                found.append(finding)  # noqa: PERF402 — what was found before an error counts
    except StoreError as error:
        found.append(_error("unusable", error.message, str(path), error.remedy))
    return found


def _own(
    tenant: str, path: Path, anchor: Anchor, now: datetime, cipher: Cipher
) -> Iterator[Finding]:
    """A tenant's own file."""
    if not path.is_file():
        remedy = f"mount its disk, or agent-runtime restore --tenant {tenant} FILE"
        yield _error("no_file", f"the file of tenant {tenant} is not there", str(path), remedy)
        return
    yield from _private([path, *(path.with_name(f"{path.name}{end}") for end in ("-wal", "-shm"))])
    yield from _disk(path)
    yield from _file(path, anchor, now, cipher)


def _own_files(data: Path, cipher: Cipher) -> list[tuple[str, Path]]:
    """Where the tenants' own files should be; none where the main one cannot say."""
    try:
        with upkeep.reading(data / DATABASE, cipher) as connection:
            known = registered(connection).values()
            own = [(t.name, t.region) for t in known if t.region and t.state != "erased"]
    except StoreError:
        return []
    return [(name, file_of(data, region, name)) for name, region in own]


def _strays(data: Path, cipher: Cipher) -> Iterator[Finding]:
    """Files of tenants that the main one does not know, or not there."""
    known = {path for _, path in _own_files(data, cipher)}
    for path in sorted(set(data.glob("*/*.db")) - known):
        with suppress(StoreError), upkeep.reading(path, cipher) as connection:
            owner = owner_of(connection)
            if owner is not None:
                what = f"a file of tenant {owner} that nothing refers to"
                remedy = f"agent-runtime tenants create {owner} --region {path.parent.name}"
                yield _warning("stray_file", what, str(path), f"{remedy} takes it in, or remove it")


def _database(
    connection: Connection, path: Path, anchor: Anchor, now: datetime
) -> Iterator[Finding]:
    problems = upkeep.check(connection)
    yield from (_error("damaged", problem, str(path), RESTORE) for problem in problems)
    version, known = upkeep.versions(connection)
    if version != known:
        what = f"its schema is {version}, this code knows {known}"
        remedy = "agent-runtime runs list brings it forward"
        newer = _error("schema", what, str(path), "use the newer agent-runtime that wrote it")
        yield newer if version > known else _warning("schema", what, str(path), remedy)
        return
    if not vacuum_mode(connection):
        what = "pruning cannot make this file smaller: it was made without incremental vacuum"
        yield _warning("vacuum", what, str(path), "agent-runtime vacuum")
    for tenant in upkeep.tenants(connection):
        session = Session(connection, tenant, now)
        yield from _chain(session, anchor, now, _acknowledged(connection, session, anchor))
        yield from (_told(row) for row in find_rows(connection, tenant, now))
        yield from _undelivered(session)
        unused = len(session.retention.unreferenced())
        if unused:
            what = f"{unused} contents that nothing refers to"
            yield _warning("contents", what, tenant, "agent-runtime prune removes them")


async def acknowledge(runtime: Runtime, operator: Operator, reason: str) -> tuple[str, ...]:
    """Record that a person has looked at what the anchor lacks, which the doctor then names no
    more; returns what that was.

    Raises Conflict when nothing is lacking, or when the history contradicts its anchor.
    """
    store, tenant = runtime.store, operator.tenant
    found = runtime.audit(tenant)
    if found.problem:
        remedy = "Keep the file as evidence; see: agent-runtime doctor"
        raise Conflict(f"This cannot be acknowledged: {found.problem}.", remedy=remedy)
    known = _acknowledged(
        store.of(tenant).read_across().connection, store.read(tenant), runtime.anchor
    )
    lacking = [note for note in found.notes if note not in known]
    if found.gap:
        # What the next export will leave behind it.
        lacking.append(hole(found.events - found.unanchored + 1, found.events))
    if not lacking:
        raise Conflict("There is nothing to acknowledge.", remedy="See: agent-runtime doctor")
    body = {"by": operator.name, "notes": lacking, "reason": reason}
    await store.write(tenant, lambda s: s.events.append("history.acknowledged", None, **body))
    return tuple(lacking)


def _acknowledged(connection: Connection, session: Session, anchor: Anchor) -> set[str]:
    """What people have acknowledged. Their word counts once it is anchored: an event that was
    forged, as what it speaks of may be, vouches for nothing."""
    bodies = [
        session.events.find(after=number - 1, limit=1)[0].body or {}
        for number in find_acknowledgements(connection, session.tenant)
        if anchor.file.covers(session.tenant, number)
    ]
    return {note for body in bodies for note in body.get("notes", ())}


def _chain(session: Session, anchor: Anchor, now: datetime, known: set[str]) -> Iterator[Finding]:
    found = audit(session.events, session.tenant, anchor.file, now)
    where = f"history of {session.tenant}, anchor {found.anchor}"
    if found.problem:
        remedy = f"keep the file as evidence, then {RESTORE}"
        yield _error("chain", found.problem, where, remedy)
    if found.gap:
        remedy = f"agent-runtime events tail --last {found.unanchored}: is every one of them yours?"
        yield _warning("unanchored", found.gap, where, remedy)
    for note in found.notes:
        if note not in known:
            yield _warning("anchor_note", note, where, LOOK)


def _undelivered(session: Session) -> Iterator[Finding]:
    dead = session.notices.count().get("dead", 0)
    if dead:
        what = f"{dead} notices were given up: whoever asked for them was not told"
        remedy = "agent-runtime notices dead names the reasons; then notices resend"
        yield _warning("dead_notices", what, session.tenant, remedy)


def _files(data: Path, anchor: Anchor) -> Iterator[Finding]:
    names = [DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", OPERATORS, SECRETS]
    yield from _private([*(data / name for name in names), anchor.file.path, anchor.unsent])
    for path in (data, data / DATABASE):
        if not os.access(path, os.W_OK):
            remedy = "let the user who runs agent-runtime write there"
            yield _error("readonly", "it cannot be written", str(path), remedy)
    for path in left_behind(data):
        what = "a backup or restore was killed and left this behind"
        yield _warning("draft", what, str(path), f"rm {shlex.quote(str(path))}")
    if not _is_writable(anchor.file.path):
        remedy = "make it writable, or name another with AGENT_RUNTIME_ANCHOR"
        yield _error("anchor", "the anchor cannot be written", str(anchor.file.path), remedy)
    if anchor.unsent.exists():
        what = "the webhook has not taken these heads; the next one takes them along"
        yield _warning("webhook", what, str(anchor.unsent), "check AGENT_RUNTIME_ANCHOR")


def _private(paths: Sequence[Path]) -> Iterator[Finding]:
    for path in paths:
        if path.exists() and not upkeep.is_private(path):
            what = "other users of this machine may use it"
            yield _error("mode", what, str(path), f"chmod 600 {path}")


def _disk(path: Path) -> Iterator[Finding]:
    wal = path.with_name(f"{path.name}-wal")
    size = wal.stat().st_size if wal.exists() else 0
    if size > WAL_LIMIT:
        what = f"the log holds {size // 2**20} MiB: some reader keeps it from being folded in"
        yield _warning("wal", what, str(wal), "restart the processes that hold the file open")
    free = shutil.disk_usage(path.parent).free
    if free < DISK_RESERVE + path.stat().st_size:
        what = f"{free // 2**20} MiB are free, too little for a backup and a vacuum"
        yield _warning("disk", what, str(path.parent), "make room, or agent-runtime prune")


def _is_writable(path: Path) -> bool:
    """Whether a line could be added; tried on the file itself, since root may write anywhere."""
    if not path.exists():
        return path.parent.is_dir() and os.access(path.parent, os.W_OK)
    try:
        with path.open("ab"):
            return True
    except OSError:
        return False


def _told(row: Row) -> Finding:
    words = ROWS[row.code]

    def told(text: str) -> str:
        return text.format(id=row.id, detail=row.detail)

    return Finding(
        code=row.code,
        severity=words.severity,
        what=told(words.what),
        where=row.id,
        remedy=told(words.remedy),
    )


def _error(code: str, what: str, where: str, remedy: str) -> Finding:
    return Finding(code=code, severity="error", what=what, where=where, remedy=remedy)


def _warning(code: str, what: str, where: str, remedy: str) -> Finding:
    return Finding(code=code, severity="warning", what=what, where=where, remedy=remedy)
