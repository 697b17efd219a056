"""Drafts: a file is made beside its place, checked there, and put in place whole. What a killed
process leaves behind bears its number, so that it can be told from the draft of a live one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = re.compile(r"^\..+\.(?P<pid>[0-9]+)\.draft(-wal|-shm|-journal)?$")


@contextmanager
def drafted(target: Path) -> Iterator[Path]:
    """Where to make the file; what is still there at the end is removed, as are older drafts of
    the same file whose process is gone."""
    for path in left_behind(target.parent):
        if path.name.startswith(f".{target.name}."):
            path.unlink(missing_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
    try:
        yield draft
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            draft.with_name(f"{draft.name}{suffix}").unlink(missing_ok=True)


def left_behind(folder: Path) -> list[Path]:
    """Drafts in a folder whose process is gone."""
    named = [(path, _NAME.match(path.name)) for path in folder.glob(".*.draft*")]
    return sorted(path for path, found in named if found and _is_gone(int(found["pid"])))


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
