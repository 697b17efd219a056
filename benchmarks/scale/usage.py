"""What a running process uses, as the Linux kernel tells it; elsewhere nothing is measured."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

QUIET = 0.02
"""Seconds of CPU in one second, at most, of a process that has settled."""
LULLS = 2
"""Quiet seconds in a row: a starting process that waits for a busy machine is quiet for one."""


@dataclass(frozen=True)
class Usage:
    """Resident memory in MB, and CPU in per cent of one core while there was nothing to do."""

    memory_mb: float
    cpu_percent: float


def is_told() -> bool:
    """Whether this system tells."""
    return Path("/proc/self/stat").exists()


def cpu_seconds(pid: int) -> float:
    """User and system time of the process so far."""
    # The second field is the program's name, which may hold blanks; the 14th and 15th are times.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Memory of the process that is in RAM now."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return int(found) / 1024


def settle(pids: Sequence[int], patience: float) -> None:
    """Wait until the processes have nothing more to do, or for that many seconds."""
    end, quiet = time.monotonic() + patience, 0
    while quiet < LULLS and time.monotonic() < end:
        spent = _during(pids, 1.0)
        quiet = quiet + 1 if max(spent) <= QUIET else 0


def watch(pids: Sequence[int], seconds: float) -> list[Usage]:
    """What each of the settled processes uses, all over the same time."""
    spent = _during(pids, seconds)
    return [
        Usage(resident_mb(pid), cpu / seconds * 100) for pid, cpu in zip(pids, spent, strict=True)
    ]


def _during(pids: Sequence[int], seconds: float) -> list[float]:
    before = [cpu_seconds(pid) for pid in pids]
    time.sleep(seconds)
    return [cpu_seconds(pid) - was for pid, was in zip(pids, before, strict=True)]
