"""Owners: the processes that claims name, as host and process id."""

from __future__ import annotations

import os
import socket


def this_process() -> str:
    """The owner that this process's claims name."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_gone(owner: str | None) -> bool:
    """Whether a run's owner was a process of this machine that no longer lives."""
    host, _, pid = (owner or "").rpartition("@")[2].rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
