"""A small disk of its own for a test, to be filled up and freed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SIZE = 12 * 2**20
"""Bytes: room for a log that is folded in after a thousand pages."""


class SmallDisk:
    """A mounted folder of 12 MiB. What the outside system writes there lands elsewhere: it is
    not its disk that is full."""

    def __init__(self, folder: Path, outside: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"
        outside.mkdir()
        for name in ("payouts.log", "accounts.json"):
            (outside / name).write_text("{}" if name.endswith("json") else "")
            (folder / name).symlink_to(outside / name)

    def fill(self, *, room: int = 0) -> None:
        """Take what is left, but for so many bytes."""
        free = os.statvfs(self.folder)
        size = self._ballast.stat().st_size if self._ballast.exists() else 0
        with self._ballast.open("ab") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, size + free.f_bavail * free.f_bsize - room)

    def free(self) -> None:
        """Give it back."""
        self._ballast.unlink(missing_ok=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Mounted for the test, where the test may mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting a small disk needs Linux and root")
    words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", str(folder)]
    mounted = subprocess.run(words, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder, tmp_path / "outside")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


ReadOnly = Callable[[Path], None]


@pytest.fixture
def make_read_only() -> Iterator[ReadOnly]:
    """Takes the right to write a file or folder away: by its mode or, since that stops no root,
    by mounting it over itself."""
    undo: list[Callable[[], object]] = []

    def mount(*words: str) -> None:
        done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"nothing can be made read-only here: {done.stderr.strip()}")

    def make(path: Path) -> None:
        if os.geteuid() != 0:
            mode = path.stat().st_mode
            undo.append(lambda: path.chmod(mode))
            path.chmod(mode & ~0o222)
            return
        mount("--bind", str(path), str(path))
        undo.append(lambda: subprocess.run(["umount", str(path)], check=True))
        mount("-o", "remount,ro,bind", str(path))

    yield make
    for one in undo:
        one()
