"""Presence: a worker's name, held for as long as its process lives.

Two workers of one name would pass for one another: each would take the other's claims for its
own. The name is a locked file, and the kernel lets go of the lock however the process ends.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agent_runtime.errors import Conflict, InvalidInput

FOLDER = "workers"
PRIVATE = 0o600
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")


def owner_of(name: str, process: str) -> str:
    """What a named worker writes into its claims: the name before `host:process`."""
    return f"{name}@{process}" if name else process


@contextmanager
def present(data: Path, name: str) -> Iterator[None]:
    """Hold a name in a data folder; raises Conflict while another live process holds it."""
    if not _NAME.match(name):
        remedy = "Use up to 64 letters, digits, dots, colons, dashes and underscores."
        raise InvalidInput("--name", name, "is no name for a worker", remedy=remedy)
    folder = data / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    _sweep(folder)
    path = folder / f"{name}.lock"
    file = _locked(path)
    if file is None:
        raise Conflict(
            f"A worker named {name!r} is at work on {data} already.",
            remedy="Stop it, or give this one a name of its own with --name.",
        )
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def _locked(path: Path) -> int | None:
    """The file, made and locked; None while somebody else holds it."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        # Whoever held it before may have removed the name between our opening and our lock.
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(file).st_ino:
                return file
        os.close(file)


def _sweep(folder: Path) -> None:
    """Remove what killed workers have left."""
    for path in folder.glob("*.lock"):
        file = _locked(path)
        if file is not None:
            path.unlink(missing_ok=True)
            os.close(file)
