"""Export: all of one tenant, as lines of JSON, table by table, at one moment.

A folder has one file for each table and a manifest with what is in it; a stream has the same lines,
each with its table's name, and the manifest last. Content is opened: the copy is its owner's.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import BaseModel, ConfigDict

from agent_runtime.errors import InvalidInput, StoreError
from agent_runtime.event import Head
from agent_runtime.store import Session, Store, upkeep
from agent_runtime.store.belongings import TABLES, Row, rows

MANIFEST = "manifest.json"
PRIVATE = 0o600
PRIVATE_FOLDER = 0o700


class Part(BaseModel):
    """One table: its rows, and the SHA-256 of its lines."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int
    sha256: str


class Manifest(BaseModel):
    """What an export holds. `head`: the end of the tenant's history; `schema_version`: of the
    tables, as their numbered migrations leave them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: str
    region: str | None
    exported_at: datetime
    exported_by: str
    schema_version: int
    head: Head
    tables: dict[str, Part]


Line = tuple[str, Row] | Manifest
"""A table's name with a row, or what ends the export."""


async def note(store: Store, tenant: str, by: str) -> None:
    """Say in the tenant's history who has it exported: before, so that the copy says it too."""
    await store.write(tenant, lambda s: s.events.append("tenant.exported", None, by=by))


def lines(store: Store, tenant: str, region: str | None, by: str) -> Iterator[Line]:
    """Everything of a tenant as it is at this moment, the manifest last. Reads as it goes, on a
    connection of its own."""
    file = store.of(tenant)
    with upkeep.reading(file.path, file.cipher) as connection:
        connection.execute("BEGIN")
        now = store.now()
        head = Session(connection, tenant, now).events.head()
        parts = {}
        for table in (table for table in TABLES if not table.derived):
            tally = _Tally()
            for row in rows(connection, tenant, table):
                tally.add(row)
                yield table.name, row
            parts[table.name] = tally.part
        yield Manifest(
            tenant=tenant,
            region=region,
            exported_at=now,
            exported_by=by,
            schema_version=upkeep.versions(connection)[0],
            head=head,
            tables=parts,
        )


def told(line: Line) -> bytes:
    """A line of the stream."""
    if isinstance(line, Manifest):
        return f'{{"manifest":{line.model_dump_json()}}}\n'.encode()
    table, row = line
    return f'{{"table":{json.dumps(table)},"row":'.encode() + text_of(row)[:-1] + b"}\n"


def heard(texts: Iterable[str]) -> Iterator[Line]:
    """The lines of a stream; raises StoreError where it is cut short."""
    for text in texts:
        found: dict[str, Any] = json.loads(text)
        if "manifest" in found:
            yield Manifest.model_validate(found["manifest"])
            return
        yield found["table"], found["row"]
    raise StoreError("The export was cut short.", remedy="Nothing is kept of it; try again.")


def text_of(row: Row) -> bytes:
    """A row as a line of its table's file."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def check_target(target: Path) -> None:
    """Raises InvalidInput unless a new folder can be made there."""
    if target.exists() or target.is_symlink():
        raise InvalidInput("FOLDER", target.name, "is there already", remedy="Name a new folder.")
    if not target.parent.is_dir():
        raise InvalidInput("FOLDER", str(target), "is in a folder that is not there")


def write_folder(target: Path, given: Iterable[Line]) -> Manifest:
    """Write an export into a new folder, which is there whole or not at all.

    Raises InvalidInput where the target is there, StoreError where a copy is not what its manifest
    says or cannot be written.
    """
    check_target(target)
    try:
        with _draft(target) as draft:
            manifest = _write(draft, given)
            _sync(draft)
            draft.rename(target)
            _sync(target.parent)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror}.") from error
    return manifest


@dataclass
class _Tally:
    """The rows of one table as they pass; `file`: where their lines go, if anywhere."""

    file: BinaryIO | None = None
    rows: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)

    def add(self, row: Row) -> None:
        text = text_of(row)
        self.rows += 1
        self._digest.update(text)
        if self.file is not None:
            self.file.write(text)

    @property
    def part(self) -> Part:
        return Part(rows=self.rows, sha256=self._digest.hexdigest())


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=PRIVATE_FOLDER)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(folder: Path, given: Iterable[Line]) -> Manifest:
    names = {table.name for table in TABLES}
    parts: dict[str, _Tally] = {}
    with ExitStack() as stack:
        for line in given:
            if isinstance(line, Manifest):
                _compare(line, parts)
                _finish(folder, line, stack)
                return line
            table, row = line
            if table not in names:
                raise StoreError(f"The export has a table that is none of ours: {table!r}.")
            if table not in parts:
                file = stack.enter_context(_open(folder / f"{table}.jsonl"))
                parts[table] = _Tally(file)
            parts[table].add(row)
    raise StoreError("The export was cut short.", remedy="Nothing is kept of it; try again.")


def _finish(folder: Path, manifest: Manifest, stack: ExitStack) -> None:
    """Bring it all to the disk, with an empty file for each table that there is nothing in."""
    stack.close()
    for table in manifest.tables:
        _open(folder / f"{table}.jsonl").close()
        _sync(folder / f"{table}.jsonl")
    with _open(folder / MANIFEST) as file:
        file.write(manifest.model_dump_json(indent=2).encode() + b"\n")
    _sync(folder / MANIFEST)


def _compare(manifest: Manifest, parts: dict[str, _Tally]) -> None:
    found = {table: parts.get(table, _Tally()).part for table in manifest.tables}
    if found != manifest.tables or not parts.keys() <= manifest.tables.keys():
        raise StoreError("The export is not what its manifest says.", remedy="Try again.")


def _open(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE), "ab")


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
