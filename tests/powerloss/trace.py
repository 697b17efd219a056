"""The trace of a recorded process: every write and sync of its files, and what it was told."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["W", "A", "T", "B", "S", "U", "N"]
"""Write at an offset, append, truncate, sync begun, sync ended, unlink; note of the process."""
KINDS: dict[str, Kind] = {k: k for k in ("W", "A", "T", "B", "S", "U", "N")}


@dataclass(frozen=True)
class Record:
    """One call, in order. `name` is the file below the recorded folder; `offset` is the new size
    of a truncated file, and the thread of a sync."""

    kind: Kind
    name: str
    offset: int
    data: bytes

    @property
    def note(self) -> dict[str, Any]:
        """What the process wrote down."""
        found: dict[str, Any] = json.loads(self.data)
        return found


def read_trace(path: Path) -> Iterator[Record]:
    """The records, in order."""
    content, at = path.read_bytes(), 0
    while at < len(content):
        end = content.index(b"\n", at)
        kind, name, offset, size = content[at:end].decode().split(" ")
        at = end + 1 + int(size)
        yield Record(KINDS[kind], name, int(offset), content[end + 1 : at])


def write_note(path: Path, name: str, **note: Any) -> None:
    """Put into the order of the calls what the process knows by now, for instance that its
    caller was told of a commit."""
    data = json.dumps(note).encode()
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.writev(file, [f"N {name} 0 {len(data)}\n".encode(), data])
    finally:
        os.close(file)
