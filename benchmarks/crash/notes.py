"""What processes that may die at any moment leave behind: lines that no kill can take back."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any


class Notes:
    """An append-only file of JSON lines, shared by any number of processes.

    A line is one `write` on a descriptor opened with O_APPEND: whole, or not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, kind: str, /, **fields: Any) -> None:
        """Add a line. It outlives this process."""
        os.write(self._file, f"{json.dumps({'kind': kind, **fields})}\n".encode())

    def sync(self) -> None:
        """Bring what was added to the disk."""
        os.fsync(self._file)

    def read(self, kind: str) -> list[dict[str, Any]]:
        """All lines of one kind, in the order that they were added."""
        if not self._path.exists():
            return []
        # A reader may see the first part of the line that is just being added.
        whole = self._path.read_text().rpartition("\n")[0]
        lines = [json.loads(line) for line in whole.splitlines()]
        return [line for line in lines if line["kind"] == kind]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others that ask for the same from adding; ends with the process at the latest."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    @cached_property
    def _file(self) -> int:
        """Opened by whoever adds, which only children do: it closes when they end."""
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
